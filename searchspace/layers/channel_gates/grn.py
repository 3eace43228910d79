"""Global response normalization (GRN)."""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates.channel_gate import masked


class GlobalResponse(nn.Module):
    """x + γ·x·N(x) + β, N = ‖x‖/(mean of ‖x‖ over the channels + 1e-6), γ and β from 0.

    GRN (https://arxiv.org/abs/2301.00808, algorithm 1); ‖x‖ is the L2 norm over the pixels of a
    channel. Channels come first here; nothing else differs. A map of zeros has finite gradients:
    torch's of a norm of 0 is 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """Return γ·N(x), (B, C); the gain of a channel is 1 more."""
        norm_BC = torch.linalg.vector_norm(x_BCHW, dim=(2, 3))
        response_BC: Tensor = norm_BC / (norm_BC.mean(1, keepdim=True) + 1e-6)
        return self.gamma * response_BC

    def forward(self, x_BCHW: Tensor) -> Tensor:
        shift = self.beta[:, None, None].to(x_BCHW.dtype)
        return x_BCHW + masked(x_BCHW, self.mask(x_BCHW)) + shift
