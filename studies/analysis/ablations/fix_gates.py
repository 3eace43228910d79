"""Replace the channel masks of gates by their means, so that they no longer read their input."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates import GlobalResponse, masked
from skipsearch.searchspace.layers.gates.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.recurrent import LightLSTM, SharedLSTM
from skipsearch.searchspace.layers.spatial_gates import ChannelMask
from skipsearch.studies.analysis.gates.masks import Use, masking


@dataclass
class Means:
    """Running means of masks over images, one per use of a gate."""

    sums: dict[Use, Tensor] = field(default_factory=dict)
    images: dict[Use, int] = field(default_factory=dict)

    def add(self, use: Use, mask_BC: Tensor) -> None:
        """Add the masks of one batch."""
        own = mask_BC.double().sum(0).cpu()
        self.sums[use] = self.sums[use] + own if use in self.sums else own
        self.images[use] = self.images.get(use, 0) + len(mask_BC)

    def of(self, gate: str) -> Tensor:
        """Return the mean masks (T, C) of a gate that a forward pass calls T times."""
        uses = [use for use in self.sums if use.gate == gate]
        return torch.stack([self.sums[use] / self.images[use] for use in uses]).float()


class Fixed(nn.Module):
    """Constant masks (T, C) of a gate that every forward pass calls T times, used in turn."""

    means: Tensor

    def __init__(self, means: Tensor) -> None:
        super().__init__()
        self.register_buffer("means", means)
        self.calls = 0

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """Return the mean mask of this call, as (B, C)."""
        mean_C = self.means[self.calls % len(self.means)]
        self.calls += 1
        return mean_C.expand(len(x_BCHW), -1)


class FixedGate(Fixed):
    """x · mask."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scale the channels by the constant mask."""
        return masked(x_BCHW, self.mask(x_BCHW))


class FixedMask(Fixed):
    """The mask as (B, C, 1, 1)."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the constant mask, broadcastable over the pixels."""
        return self.mask(x_BCHW)[:, :, None, None]


class FixedCell(Fixed):
    """(a · mask, state): the interface of a recurrent gate."""

    def forward(self, a_BCHW: Tensor, state: object) -> tuple[Tensor, object]:
        """Scale the channels by the constant mask; the state passes through."""
        return masked(a_BCHW, self.mask(a_BCHW)), state


def fix(network: nn.Module, means: Means, stage: int | None) -> nn.Module:
    """Fix all gates of the network, or those of one stage (from 1), in place; return the network.

    The layers that computed the masks go; the rest of a gate stays: CBAM's mask of positions, the
    shift of a global response.
    """
    gates = {n: gate for n, gate in masking(network).items() if stage in (None, Use(n, 0).stage)}
    fixed = {id(gate): _fixed(gate, means.of(name)) for name, gate in gates.items()}
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in fixed:
                setattr(parent, name, fixed[id(child)])
    return network


def _fixed(gate: nn.Module, means: Tensor) -> nn.Module:
    means = means.to(next(gate.parameters()).device)
    match gate:
        case SharedLSTM() | LightLSTM():
            return FixedCell(means)
        case ChannelMask():
            return FixedMask(means)
        case ConvBlockAttention():
            for layer in ("squeeze", "excite"):
                setattr(gate, layer, nn.Identity())
            setattr(gate, "mask", Fixed(means).mask)  # noqa: B010  (a method of its own)
        case GlobalResponse():
            gate.register_parameter("gamma", None)
            setattr(gate, "mask", Fixed(means).mask)  # noqa: B010
        case _:
            return FixedGate(means)
    return gate
