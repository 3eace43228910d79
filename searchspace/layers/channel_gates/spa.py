"""Spatial pyramid attention (SPA)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate


class SpatialPyramid(ChannelGate):
    """x · sigmoid(W₂ relu(W₁ [pool₁(x), pool₂(x), …])): the means of 1×1, 2×2, … cells, flattened.

    The authors' code (https://github.com/13952522076/SPANet) has levels 1, 2, 4 and no biases:
    22·C·hidden parameters. Where a map has fewer pixels than cells, cells share pixels.
    """

    def __init__(self, channels: int, hidden: int, levels: list[int], bias: bool) -> None:
        super().__init__()
        self.levels = levels
        cells = sum(level * level for level in levels)
        self.squeeze = nn.Linear(cells * channels, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        pools = [functional.adaptive_avg_pool2d(x_BCHW, n).flatten(1) for n in self.levels]
        hidden = functional.relu(self.squeeze(torch.cat(pools, dim=1)))
        return torch.sigmoid(self.excite(hidden))
