"""Squeeze-and-excitation (SE)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate
from skipsearch.searchspace.layers.pooling import spatial_mean


class SqueezeExcite(ChannelGate):
    """x · sigmoid(W₂ relu(W₁ mean(x))) (https://arxiv.org/abs/1709.01507, equation 3)."""

    def __init__(self, channels: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        hidden = functional.relu(self.squeeze(spatial_mean(x_BCHW)))
        return torch.sigmoid(self.excite(hidden))
