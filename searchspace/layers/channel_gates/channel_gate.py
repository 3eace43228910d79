"""The base of gates with a mask over the channels."""

from torch import Tensor, nn


class ChannelGate(nn.Module):
    """x · mask(x): each channel times its value of the mask."""

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """Return the mask, (B, C)."""
        raise NotImplementedError

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return masked(x_BCHW, self.mask(x_BCHW))


def masked(x_BCHW: Tensor, mask_BC: Tensor) -> Tensor:
    """Multiply each channel by its value of the mask.

    Without the cast, parameters kept in float32 would widen the features, and everything after
    them, under autocast.
    """
    return x_BCHW * mask_BC[:, :, None, None].to(x_BCHW.dtype)
