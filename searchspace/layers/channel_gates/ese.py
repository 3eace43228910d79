"""Effective squeeze-and-excitation (eSE)."""

from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate
from skipsearch.searchspace.layers.pooling import spatial_mean


class EffectiveSqueeze(ChannelGate):
    """x · hardsigmoid(W mean(x) + b): no squeeze (eSE, https://arxiv.org/abs/1911.06667).

    The hard sigmoid is relu6(z + 3)/6, as in the authors' code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.excite = nn.Linear(channels, channels)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        return functional.hardsigmoid(self.excite(spatial_mean(x_BCHW)))
