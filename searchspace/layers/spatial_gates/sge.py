"""Spatial group-wise enhancement (SGE)."""

import torch
from torch import Tensor, nn


class SpatialGroupEnhance(nn.Module):
    """x · sigmoid(w·t̂ + b), t̂ = (t − mean(t))/(std(t) + 1e-5), t = x · mean(x) at each position.

    SGE (https://arxiv.org/abs/1905.09646): in each group (contiguous channels; `groups` must
    divide C), t is the inner product of a position's vector and the mean over all positions, and
    t̂ is t standardised over the positions; w from 0, b from 1, a pair per group. The deviation
    divides by N; the authors' code divides by N − 1, which one pixel does not have. Where t is
    constant, t̂ is 0 and its gradient finite.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(groups))
        self.bias = nn.Parameter(torch.ones(groups))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BGDHW = torch.unflatten(x_BCHW, 1, (self.groups, -1))
        t_BGHW = (x_BGDHW * x_BGDHW.mean((3, 4), keepdim=True)).sum(2)
        t_BGHW = t_BGHW - t_BGHW.mean((2, 3), keepdim=True)
        t_BGHW = t_BGHW / (t_BGHW.std((2, 3), correction=0, keepdim=True) + 1e-5)
        t_BGHW = self.weight[:, None, None] * t_BGHW + self.bias[:, None, None]
        mask_BG1HW = torch.sigmoid(t_BGHW).unsqueeze(2).to(x_BCHW.dtype)
        return (x_BGDHW * mask_BG1HW).flatten(1, 2)

    def macs(self, x_BCHW: Tensor) -> int:
        """Count the products with the mean: C at each position."""
        return x_BCHW[0].numel()
