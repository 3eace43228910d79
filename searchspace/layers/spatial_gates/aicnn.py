"""The masks of AICNN: over the channels, over the positions, and their product."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.initialise import MaskConv2d
from skipsearch.searchspace.layers.pooling import spatial_mean


class ChannelMask(nn.Module):
    """sigmoid(W₂ relu(W₁ mean(x))) as (B, C, 1, 1): the channel mask of AICNN.

    No biases: the paper leaves them open. It prints W₂ in W₁'s shape; only the transpose fits.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """Return the mask, (B, C)."""
        hidden = functional.relu(self.squeeze(spatial_mean(x_BCHW)))
        return torch.sigmoid(self.excite(hidden))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.mask(x_BCHW)[:, :, None, None]


class SpatialMask(nn.Module):
    """sigmoid(conv(x)) as (B, 1, H, W): the spatial mask of AICNN.

    It reads all channels (equation 2), not means of them; kernel, padding and bias are left open.
    """

    def __init__(self, channels: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.conv = MaskConv2d(channels, 1, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x_BCHW))


class Masked(nn.Module):
    """x · mask₁(x) · mask₂(x) · …: all masks read the same x.

    The input A ⊙ x of AICNN's convolutions, W * (A ⊙ x) + b. CBAM's second mask, in contrast, reads
    what its first one leaves.
    """

    def __init__(self, *masks: nn.Module) -> None:
        super().__init__()
        self.masks = nn.ModuleList(masks)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW = x_BCHW
        for mask in self.masks:
            y_BCHW = y_BCHW * mask(x_BCHW)
        return y_BCHW
