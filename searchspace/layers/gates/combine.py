"""Sums of a gate's output and its input, both (B, C, H, W)."""

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """x + F(x)."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.function(x)
        return y


class Gated(nn.Module):
    """x + w·F(x) with one scalar w from 0 (https://arxiv.org/abs/2412.11657)."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.weight * self.function(x)
        return y
