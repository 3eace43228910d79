"""Blocks of convolutions, and how a block's branch joins its input.

Shapes: (B, C, H, W) in, (B, C', H/stride, W/stride) out, rounded up.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.pooling import subsampled


class Single(nn.Module):
    """norm(conv(dropout(x))): one convolution."""

    def __init__(self, dropout: nn.Module, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.dropout, self.conv, self.norm = dropout, conv, norm

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(self.dropout(x)))
        return y


class Basic(nn.Module):
    """norm2(conv2(dropout(relu(norm1(conv1(x)))))).

    Source: https://arxiv.org/abs/1512.03385, figure 5 left; the dropout is
    https://arxiv.org/abs/1605.07146's, section 2.4.
    """

    def __init__(
        self,
        conv1: nn.Module,
        norm1: nn.Module,
        dropout: nn.Module,
        conv2: nn.Module,
        norm2: nn.Module,
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv1, norm1
        self.dropout, self.conv2, self.norm2 = dropout, conv2, norm2

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        y: Tensor = self.norm2(self.conv2(self.dropout(x)))
        return y


class Bottleneck(nn.Module):
    """norm3(conv3(dropout(relu(norm2(conv2(relu(norm1(conv1(x))))))))).

    Source: 1512.03385, figure 5 right; the dropout stands where 1605.07146 has it, before the last
    convolution.
    """

    def __init__(
        self,
        conv1: nn.Module,
        norm1: nn.Module,
        conv2: nn.Module,
        norm2: nn.Module,
        dropout: nn.Module,
        conv3: nn.Module,
        norm3: nn.Module,
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv1, norm1
        self.conv2, self.norm2 = conv2, norm2
        self.dropout, self.conv3, self.norm3 = dropout, conv3, norm3

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.relu(self.norm2(self.conv2(x)))
        y: Tensor = self.norm3(self.conv3(self.dropout(x)))
        return y


class PreSingle(nn.Module):
    """norm2(conv(dropout(relu(norm1(x))))): one pre-activated convolution.

    Here and in the two bodies below, the source has no last norm: the identity leaves it out.
    """

    def __init__(
        self, norm1: nn.Module, dropout: nn.Module, conv: nn.Module, norm2: nn.Module
    ) -> None:
        super().__init__()
        self.norm1, self.dropout, self.conv, self.norm2 = norm1, dropout, conv, norm2

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(x))
        y: Tensor = self.norm2(self.conv(self.dropout(x)))
        return y


class PreBasic(nn.Module):
    """norm3(conv2(dropout(relu(norm2(conv1(relu(norm1(x)))))))).

    Source: https://arxiv.org/abs/1603.05027, figure 1b.
    """

    def __init__(
        self,
        norm1: nn.Module,
        conv1: nn.Module,
        norm2: nn.Module,
        dropout: nn.Module,
        conv2: nn.Module,
        norm3: nn.Module,
    ) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm1, conv1
        self.norm2, self.dropout, self.conv2, self.norm3 = norm2, dropout, conv2, norm3

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(functional.relu(self.norm1(x)))
        x = functional.relu(self.norm2(x))
        y: Tensor = self.norm3(self.conv2(self.dropout(x)))
        return y


class PreBottleneck(nn.Module):
    """norm4(conv3(dropout(relu(norm3(conv2(relu(norm2(conv1(relu(norm1(x))))))))))).

    Source: 1603.05027, section 4.
    """

    def __init__(
        self,
        norm1: nn.Module,
        conv1: nn.Module,
        norm2: nn.Module,
        conv2: nn.Module,
        norm3: nn.Module,
        dropout: nn.Module,
        conv3: nn.Module,
        norm4: nn.Module,
    ) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm1, conv1
        self.norm2, self.conv2 = norm2, conv2
        self.norm3, self.dropout, self.conv3, self.norm4 = norm3, dropout, conv3, norm4

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(functional.relu(self.norm1(x)))
        x = self.conv2(functional.relu(self.norm2(x)))
        x = functional.relu(self.norm3(x))
        y: Tensor = self.norm4(self.conv3(self.dropout(x)))
        return y


class Residual(nn.Module):
    """activation(add(skip(x), gate(body(x)))): a residual block."""

    def __init__(
        self,
        body: nn.Module,
        gate: nn.Module,
        skip: nn.Module,
        add: nn.Module,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.body, self.gate = body, gate
        self.skip, self.add, self.activation = skip, add, activation

    def open(self, x: Tensor) -> Tensor:
        return x

    def join(self, x: Tensor, gated: Tensor) -> Tensor:
        y: Tensor = self.activation(self.add(self.skip(x), gated))
        return y

    def forward(self, x: Tensor) -> Tensor:
        return self.join(x, self.gate(self.body(x)))


class Activated(nn.Module):
    """activation(add(skip(z), gate(body(z)))) with z = relu(norm(x)): branch and skip share z.

    A wide ResNet's block that changes the width (https://arxiv.org/abs/1605.07146); 1603.05027
    takes the skip from x. The rest of the branch is a post-activation body.
    """

    def __init__(
        self,
        norm: nn.Module,
        body: nn.Module,
        gate: nn.Module,
        skip: nn.Module,
        add: nn.Module,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.norm, self.body, self.gate = norm, body, gate
        self.skip, self.add, self.activation = skip, add, activation

    def open(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(x))

    def join(self, z: Tensor, gated: Tensor) -> Tensor:
        y: Tensor = self.activation(self.add(self.skip(z), gated))
        return y

    def forward(self, x: Tensor) -> Tensor:
        z = self.open(x)
        return self.join(z, self.gate(self.body(z)))


class Plain(nn.Module):
    """activation(gate(body(x))): a block without a residual."""

    def __init__(self, body: nn.Module, gate: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.body, self.gate, self.activation = body, gate, activation

    def open(self, x: Tensor) -> Tensor:
        return x

    def join(self, x: Tensor, gated: Tensor) -> Tensor:
        y: Tensor = self.activation(gated)
        return y

    def forward(self, x: Tensor) -> Tensor:
        return self.join(x, self.gate(self.body(x)))


# Every block is join(z, gate(body(z))) with z = open(x): a stage whose gates carry a state from
# block to block runs these four itself.
Block = Residual | Activated | Plain


class Subsample(nn.Module):
    """Every `stride`-th pixel of both axes ("1×1 pooling"); no parameters."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return subsampled(x, self.stride)


class PadChannels(nn.Module):
    """Every `stride`-th pixel, zero channels before and after: option A of 1512.03385.

    `before` and `after` may be negative: channels are cropped where a block narrows.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        kept = subsampled(x, self.stride)
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
