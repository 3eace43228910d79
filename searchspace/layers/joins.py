"""Joins of a block's skip and its gated branch F: `add(skip, branch)`, both (B, C, H, W)."""

import torch
from torch import Tensor, nn


class Sum(nn.Module):
    """skip + F (https://arxiv.org/abs/1512.03385)."""

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        return skip + branch


class SkipScale(nn.Module):
    """skip + α·F with one scalar α from 0.

    Sources: ReZero (https://arxiv.org/abs/2003.04887), SkipInit
    (https://arxiv.org/abs/2002.10444). What differs: they leave out the norms, which here are as
    the architecture says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        return skip + self.weight * branch


class LayerScale(nn.Module):
    """skip + λ ⊙ F, a scalar per channel from `start` (https://arxiv.org/abs/2103.17239).

    What differs: under autocast λ is rounded to the branch's type, so that the sum, which every
    later block reads, does not become float32.
    """

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        return skip + self.weight.to(branch.dtype)[:, None, None] * branch


class Highway(nn.Module):
    """t·F + (1 − t)·skip, t = sigmoid(conv(skip)), 1×1 (https://arxiv.org/abs/1505.00387, eq. 3).

    Its bias starts at −2: mostly skip (the source's section 2.2 has −1 or −3). What differs: the
    source reads t from the block's input; here from the skip, whose shape is the branch's.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.conv.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        transform = torch.sigmoid(self.conv(skip))
        return skip + transform * (branch - skip)


class StochasticDepth(nn.Module):
    """add(skip, m·F/(1 − p)), m = 0 with `probability` p, else 1; in evaluation add(skip, F).

    Source: https://arxiv.org/abs/1603.09382, equation 2. What differs, as in timm's `drop_path`: m
    is drawn for each image; the source draws it once per batch, which saves the branch's time, and
    scales in evaluation. A dropped branch of a highway leaves (1 − t)·skip.
    """

    def __init__(self, add: nn.Module, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"probability must be at least 0 and less than 1, got {probability}")
        self.add, self.probability = add, probability

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        if self.training:
            drawn = torch.rand(branch.shape[0], 1, 1, 1, device=branch.device)
            scaled = branch / (1 - self.probability)
            branch = torch.where(drawn < self.probability, 0.0, scaled)
        y: Tensor = self.add(skip, branch)
        return y
