"""The masks of channels that the gates of a network make, in the order in which they make them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.gates import NoGate
from skipsearch.searchspace.layers.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.channel_gates import ChannelGate, GlobalResponse
from skipsearch.searchspace.layers.recurrent import LightLSTM, SharedLSTM
from skipsearch.searchspace.layers.spatial_gates import ChannelMask
from skipsearch.studies.analysis.preserved import Handles

# What has `mask`, and cells whose mask is in the state that they return.
Masking = ChannelGate | ConvBlockAttention | GlobalResponse | ChannelMask
Cell = SharedLSTM | LightLSTM
HAVE_MASKS = "se, ese, eca, cbam, srm, spa, sem, spem, grn, ai, dia, dia_light"


@dataclass(frozen=True, order=True)
class Use:
    """The `call`-th time (from 0) that a forward pass uses the gate of this name."""

    gate: str
    call: int

    @property
    def stage(self) -> int:
        """From 1."""
        return int(self.gate.split(".")[1]) + 1

    def __str__(self) -> str:
        return f"{self.gate}, call {self.call + 1}" if self.call else self.gate


def watch_masks(network: nn.Module, handles: Handles, take: Callable[[Use, Tensor], None]) -> None:
    """Lays hooks on a network: `take` gets every mask (B, C) of a forward pass, in its order."""
    calls: Counter[str] = Counter()

    def begins(_network: nn.Module, _inputs: Any) -> None:
        calls.clear()

    def came(name: str, gate: nn.Module, inputs: Any, output: Any) -> None:
        mask_BC = gate.mask(inputs[0]) if isinstance(gate, Masking) else output[1][-2]
        take(Use(name, calls[name]), mask_BC.detach().float())
        calls[name] += 1

    handles.append(network.register_forward_pre_hook(begins))
    for name, gate in masking(network).items():
        handles.append(gate.register_forward_hook(partial(came, name)))


def masking(network: nn.Module) -> dict[str, nn.Module]:
    """The modules that make a mask of channels, by name; one that blocks share once."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, Masking | Cell)
    }


def no_masks(target: str, arch: Arch) -> str:
    """Why a network without masks of channels has none."""
    if isinstance(arch.gate, NoGate):
        return f"{target} has no gate; gates with a mask of channels are {HAVE_MASKS}"
    return (
        f"{target} has no gate with a mask of channels: its gate is {arch.gate.label}; those that "
        f"have one are {HAVE_MASKS}"
    )
