"""Record the channel masks of a network's gates in the order of the forward pass."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.gates import NoGate
from skipsearch.searchspace.layers.channel_gates import ChannelGate, GlobalResponse
from skipsearch.searchspace.layers.gates.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.recurrent import LightLSTM, SharedLSTM
from skipsearch.searchspace.layers.spatial_gates import ChannelMask
from skipsearch.studies.analysis.preserved import Handles

# Gates with a method `mask`, and recurrent cells, whose mask is in the state that they return.
Masking = ChannelGate | ConvBlockAttention | GlobalResponse | ChannelMask
Cell = SharedLSTM | LightLSTM
HAVE_MASKS = "se, ese, eca, cbam, srm, spa, sem, spem, grn, ai, dia, dia_light"


@dataclass(frozen=True, order=True)
class Use:
    """One use of a gate in a forward pass: the `call`-th (from 0) of the module named `gate`."""

    gate: str
    call: int

    @property
    def stage(self) -> int:
        """The number of the gate's stage, from 1."""
        return int(self.gate.split(".")[1]) + 1

    def __str__(self) -> str:
        return f"{self.gate}, call {self.call + 1}" if self.call else self.gate


def watch_masks(network: nn.Module, handles: Handles, take: Callable[[Use, Tensor], None]) -> None:
    """Register hooks that call `take` with every mask (B, C) of each forward pass, in order."""
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
    """Return the modules that make a channel mask, by name; a shared module appears once."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, Masking | Cell)
    }


def no_masks(target: str, arch: Arch) -> str:
    """Return the error message for a network whose gates make no channel masks."""
    if isinstance(arch.gate, NoGate):
        return f"{target} has no gate; gates with a mask of channels are {HAVE_MASKS}"
    return (
        f"{target} has no gate with a mask of channels: its gate is {arch.gate.label}; those that "
        f"have one are {HAVE_MASKS}"
    )
