"""Blocks of convolutions, and how a block's branch joins its input.

Shapes: (B, C, H, W) in, (B, C', H/stride, W/stride) out, rounded up.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Basic(nn.Module):
    """norm2(conv2(relu(norm1(conv1(x))))) (https://arxiv.org/abs/1512.03385, figure 5 left)."""

    def __init__(
        self, conv1: nn.Module, norm1: nn.Module, conv2: nn.Module, norm2: nn.Module
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv1, norm1
        self.conv2, self.norm2 = conv2, norm2

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        y: Tensor = self.norm2(self.conv2(x))
        return y


class Bottleneck(nn.Module):
    """norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x)))))))) (1512.03385, figure 5 right)."""

    def __init__(
        self,
        conv1: nn.Module,
        norm1: nn.Module,
        conv2: nn.Module,
        norm2: nn.Module,
        conv3: nn.Module,
        norm3: nn.Module,
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv1, norm1
        self.conv2, self.norm2 = conv2, norm2
        self.conv3, self.norm3 = conv3, norm3

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.relu(self.norm2(self.conv2(x)))
        y: Tensor = self.norm3(self.conv3(x))
        return y


class Residual(nn.Module):
    """activation(gate(body(x)) + skip(x))."""

    def __init__(
        self, body: nn.Module, gate: nn.Module, skip: nn.Module, activation: nn.Module
    ) -> None:
        super().__init__()
        self.body, self.gate = body, gate
        self.skip, self.activation = skip, activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.gate(self.body(x)) + self.skip(x))
        return y


class Plain(nn.Module):
    """activation(gate(body(x))): a block without a residual."""

    def __init__(self, body: nn.Module, gate: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.body, self.gate, self.activation = body, gate, activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.gate(self.body(x)))
        return y


class Subsample(nn.Module):
    """Every `stride`-th pixel of both axes ("1×1 pooling"); no parameters."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride]


class PadChannels(nn.Module):
    """Every `stride`-th pixel, zero channels before and after: option A of 1512.03385.

    `before` and `after` may be negative: channels are cropped where a block narrows.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        kept = x[:, :, :: self.stride, :: self.stride]
        y: Tensor = functional.pad(kept, (0, 0, 0, 0, self.before, self.after))
        return y


class Transition(nn.Module):
    """pool(conv(relu(norm(x)))) of all outputs so far (https://arxiv.org/abs/1608.06993).

    An odd map is rounded up, as every strided convolution here does (the source leaves it open).
    """

    def __init__(self, norm: nn.Module, conv: nn.Module) -> None:
        super().__init__()
        self.norm, self.conv = norm, conv

    def forward(self, entries: list[Tensor]) -> Tensor:
        x = self.conv(functional.relu(self.norm(torch.cat(entries, dim=1))))
        y: Tensor = functional.avg_pool2d(x, 2, ceil_mode=True)
        return y
