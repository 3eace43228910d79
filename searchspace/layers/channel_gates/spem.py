"""Self-adaptive pooling enhanced attention (SPEM)."""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate


class SelfEnhanced(ChannelGate):
    """x · s(M + m) · s(w₁·(t₁·M + t₂·m) + b₁), M and m = w₂·v + b₂ of v = max(x) and min(x).

    SPEM (https://arxiv.org/abs/2208.10322): s is the sigmoid, tᵢ = pᵢ²/(p₁² + p₂²) two shares for
    all channels. As in the authors' code: w from 0, b from −1, p from 1/2, and `penalty` joins the
    loss, times 0.1. Where pixels tie, they share the gradient (theirs picks one).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool_weight = nn.Parameter(torch.zeros(channels))
        self.pool_bias = nn.Parameter(torch.full((channels,), -1.0))
        self.mix_weight = nn.Parameter(torch.zeros(channels))
        self.mix_bias = nn.Parameter(torch.full((channels,), -1.0))
        self.share = nn.Parameter(torch.full((2,), 0.5))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        most_BC = self.pool_weight * x_BCHW.amax((2, 3)) + self.pool_bias
        least_BC = self.pool_weight * x_BCHW.amin((2, 3)) + self.pool_bias
        share = self.share.square() / self.penalty()
        mix_BC = self.mix_weight * (share[0] * most_BC + share[1] * least_BC) + self.mix_bias
        return torch.sigmoid(most_BC + least_BC) * torch.sigmoid(mix_BC)

    def penalty(self) -> Tensor:
        """Return p₁² + p₂², unscaled; an instance that blocks share adds it to the loss once."""
        return self.share.square().sum()
