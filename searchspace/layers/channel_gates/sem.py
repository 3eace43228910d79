"""Switchable self-attention (SEM)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate
from skipsearch.searchspace.layers.pooling import spatial_mean


class SwitchableExcitation(ChannelGate):
    """x · s(a·FC(v)) · s(b·conv1d(v)) · s(c·(w·v + b₀)), v = mean(x), (a, b, c) = s(linear(v)).

    SEM (https://arxiv.org/abs/2209.05680): an SE, an ECA and a scale per channel, each weighed by a
    switch that reads v; s is the sigmoid. As in the authors' code: w from 0, b₀ from −1, biases in
    the FC and in the switch, none in the convolution. 2Cq + q + 6C + 3 + kernel parameters.
    """

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.switch = nn.Linear(channels, 3)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.full((channels,), -1.0))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        mean_BC = spatial_mean(x_BCHW)
        a_B1, b_B1, c_B1 = torch.sigmoid(self.switch(mean_BC)).chunk(3, dim=1)
        full_BC = self.excite(functional.relu(self.squeeze(mean_BC)))
        near_BC = self.conv(mean_BC.unsqueeze(1)).squeeze(1)
        own_BC = self.weight * mean_BC + self.bias
        mask_BC = torch.sigmoid(a_B1 * full_BC) * torch.sigmoid(b_B1 * near_BC)
        return mask_BC * torch.sigmoid(c_B1 * own_BC)
