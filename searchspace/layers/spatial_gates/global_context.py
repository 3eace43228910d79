"""Global context (the GC block)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.initialise import MaskConv2d


class GlobalContext(nn.Module):
    """x + W₂ relu(norm(W₁ Σ aₙ·xₙ)), a = softmax of a 1×1 convolution over the positions.

    GC block (https://arxiv.org/abs/1904.11492), its own addition included. `norm` is a layer norm
    of the hidden values, of which there must be two or more: of one it is constant. In the
    authors' code `attend` has a bias, to which the softmax is blind, and W₂ starts from 0; here it
    starts as every linear layer of the network does.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.attend = MaskConv2d(channels, 1, 1, bias=False)
        self.squeeze = nn.Linear(channels, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        weights_BN1 = torch.softmax(self.attend(x_BCHW).flatten(2), dim=2).mT
        context_BC = (x_BCHW.flatten(2) @ weights_BN1.to(x_BCHW.dtype)).squeeze(2)
        hidden_BQ = functional.relu(self.norm(self.squeeze(context_BC)))
        shift_BC: Tensor = self.excite(hidden_BQ)
        return x_BCHW + shift_BC[:, :, None, None].to(x_BCHW.dtype)

    def macs(self, x_BCHW: Tensor) -> int:
        """Count the weighted sum over the positions; the rest counts itself."""
        return x_BCHW[0].numel()
