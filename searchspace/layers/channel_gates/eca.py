"""Efficient channel attention (ECA)."""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate
from skipsearch.searchspace.layers.pooling import spatial_mean


class EfficientChannel(ChannelGate):
    """x · sigmoid(conv1d(mean(x))) along the channels (https://arxiv.org/abs/1910.03151)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        mean_B1C = spatial_mean(x_BCHW).unsqueeze(1)
        return torch.sigmoid(self.conv(mean_B1C)).squeeze(1)
