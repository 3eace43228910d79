"""CBAM: a mask over the channels, then one over the positions."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.pooling import channel_mean, spatial_mean


class ConvBlockAttention(nn.Module):
    """Channel, then spatial mask (https://arxiv.org/abs/1807.06521, equations 2 and 3).

    sigmoid(MLP(max x) + MLP(mean x)) over the channels, then sigmoid(norm(conv([max, mean]))) over
    the positions. `bias` is of the convolution, `mlp_bias` of the MLP. The authors' code has
    biases in the MLP and a batch norm of the one map as `norm`; CNNtention and DIA have no biases
    there and the identity. `mlp` is of linear layers, or of 1×1 convolutions of one pixel: the same
    but for how they start. The maximum comes before the mean. CNNtention has x + F(x) around it.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        kernel: int,
        bias: bool,
        mlp_bias: bool,
        norm: nn.Module,
        mlp: Literal["linear", "convolution"] = "linear",
    ) -> None:
        super().__init__()
        self.mlp = mlp
        self.squeeze, self.excite = (
            nn.Linear(inputs, outputs, bias=mlp_bias)
            if mlp == "linear"
            else nn.Conv2d(inputs, outputs, 1, bias=mlp_bias)
            for inputs, outputs in ((channels, hidden), (hidden, channels))
        )
        self.spatial = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=bias)
        self.norm = norm

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = x_BCHW * self.mask(x_BCHW)[:, :, None, None]
        maps_B2HW = torch.stack((x_BCHW.amax(1), channel_mean(x_BCHW)), dim=1)
        return x_BCHW * torch.sigmoid(self.norm(self.spatial(maps_B2HW)))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """Return the mask of the channels, (B, C)."""
        return torch.sigmoid(self._mlp(x_BCHW.amax((2, 3))) + self._mlp(spatial_mean(x_BCHW)))

    def _mlp(self, x_BC: Tensor) -> Tensor:
        x = x_BC if self.mlp == "linear" else x_BC[:, :, None, None]
        y: Tensor = self.excite(functional.relu(self.squeeze(x)))
        return y.flatten(1)
