"""Ways to halve a map that torch does not have: (B, C, H, W), sizes rounded up.

The others are torch's own: strided convolutions, `AvgPool2d` and `MaxPool2d` of ceil_mode=True.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class BlurPool(nn.Module):
    """Every second pixel of the map blurred with [1, 2, 1] ⊗ [1, 2, 1] / 16, reflected at borders.

    Source: https://arxiv.org/abs/1904.11486, Tri-3. What differs: it follows the convolution that
    halves, before that one's norm and ReLU; the source blurs after them. A map of one row or
    column, which has nothing to reflect, is replicated.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (row[:, None] * row).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        border = "reflect" if min(x.shape[2:]) > 1 else "replicate"
        padded = functional.pad(x, (1, 1, 1, 1), border)
        return functional.conv2d(padded, self.kernel, stride=2, groups=x.shape[1])

    def macs(self, x: Tensor) -> int:
        """Count a depthwise convolution: 9·C for each pixel of the result."""
        _, channels, height, width = x.shape
        return 9 * channels * ((height + 1) // 2) * ((width + 1) // 2)


class SpaceToDepth(nn.Module):
    """Each tile of f × f pixels as one pixel: (B, C, H, W) to (B, f²·C, H/f, W/f), f the factor.

    Sources: https://arxiv.org/abs/2003.13630; https://arxiv.org/abs/2208.03641. Channel c of the
    pixel (i, j) of a tile becomes channel f²·c + f·i + j. What differs: the sources put the tile's
    axes before c, which the next convolution cannot tell apart, and take maps whose sizes f
    divides; here zeros at the end round the size up.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if height % self.factor or width % self.factor:
            x = functional.pad(x, (0, -width % self.factor, 0, -height % self.factor))
        return functional.pixel_unshuffle(x, self.factor)
