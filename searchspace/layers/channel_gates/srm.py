"""Style-based recalibration (SRM)."""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate
from skipsearch.searchspace.layers.pooling import spatial_mean


class StyleWeights(nn.Module):
    """w₁·mean + w₂·deviation, a pair per channel, from 0 (SRM, https://arxiv.org/abs/1903.10829).

    A module of its own, so that blocks can share it while each keeps its norm.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 2))

    def forward(self, mean_BC: Tensor, std_BC: Tensor) -> Tensor:
        return self.weight[:, 0] * mean_BC + self.weight[:, 1] * std_BC


class StyleRecalibration(ChannelGate):
    """x · sigmoid(norm(w₁·mean(x) + w₂·std(x))) (SRM, https://arxiv.org/abs/1903.10829).

    `norm` is a batch norm of the (B, C) summaries: training needs two images. The deviation over
    the pixels is unbiased, as in the authors' code; that of one pixel is 0. Their 1e-5 inside the
    root is left out: where the deviation is 0, torch's gradient of it is 0, never nan.
    """

    def __init__(self, weights: StyleWeights, norm: nn.Module) -> None:
        super().__init__()
        self.weights, self.norm = weights, norm

    def mask(self, x_BCHW: Tensor) -> Tensor:
        unbiased = min(1, x_BCHW.shape[2] * x_BCHW.shape[3] - 1)
        std_BC = x_BCHW.std((2, 3), correction=unbiased)
        summary_BC = self.weights(spatial_mean(x_BCHW), std_BC)
        return torch.sigmoid(self.norm(summary_BC))
