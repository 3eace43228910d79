"""Norms that torch does not have."""

from torch import Tensor, nn
from torch.nn import functional


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each position of (B, C, H, W); 2C parameters.

    In channels_last the permuted view is contiguous, so nothing is copied.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        y_BHWC = functional.layer_norm(
            x_BHWC, self.normalized_shape, self.weight, self.bias, self.eps
        )
        return y_BHWC.permute(0, 3, 1, 2)
