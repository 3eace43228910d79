"""Gates that look at positions: of groups, of one context, of rows and columns, of all channels.

Shapes: B batch, C channels, N = H·W positions, G groups of D = C/G channels, Q hidden channels.
Each returns its features in the type it got them in, under autocast too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.initialise import MaskConv2d
from skipsearch.searchspace.layers.pooling import spatial_mean


class SpatialGroupEnhance(nn.Module):
    """x · sigmoid(w·t̂ + b), t̂ = (t − mean(t))/(std(t) + 1e-5), t = x · mean(x) at each position.

    SGE (https://arxiv.org/abs/1905.09646): in each group (contiguous channels; `groups` must
    divide C), t is the inner product of a position's vector and the mean over all positions, and
    t̂ is t standardised over the positions; w from 0 and b from 1, a pair a group. The deviation
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
        """Of the products with the mean: C at each position."""
        return x_BCHW[0].numel()


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
        """Of the weighted sum over the positions; the rest counts itself."""
        return x_BCHW[0].numel()


class CoordinateAttention(nn.Module):
    """x · sigmoid(W_h f_h) · sigmoid(W_w f_w), [f_h, f_w] = hardswish(norm(W [rows, columns])).

    Source: https://arxiv.org/abs/2103.02907. Rows are the means over the width, columns those over
    the height; one 1×1 convolution reads both, then each has its own. As in the authors' code, all
    three have biases and the activation is the hard swish; `norm` there is a batch norm.
    """

    def __init__(self, channels: int, hidden: int, norm: nn.Module) -> None:
        super().__init__()
        self.squeeze, self.norm = nn.Conv2d(channels, hidden, 1), norm
        self.rows = nn.Conv2d(hidden, channels, 1)
        self.columns = nn.Conv2d(hidden, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        means = (x_BCHW.mean(3, keepdim=True), x_BCHW.mean(2, keepdim=True).mT)
        hidden = functional.hardswish(self.norm(self.squeeze(torch.cat(means, dim=2))))
        rows_BQH1, columns_BQW1 = torch.split(hidden, list(x_BCHW.shape[2:]), dim=2)
        mask_BCH1 = torch.sigmoid(self.rows(rows_BQH1))
        mask_BC1W = torch.sigmoid(self.columns(columns_BQW1.mT))
        return x_BCHW * mask_BCH1 * mask_BC1W


class ChannelMask(nn.Module):
    """sigmoid(W₂ relu(W₁ mean(x))) as (B, C, 1, 1): the channel mask of AICNN.

    No biases: the paper leaves them open. It prints W₂ in W₁'s shape; only the transpose fits.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """(B, C)."""
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

    What AICNN's convolutions read: W * (A ⊙ x) + b. CBAM's second mask reads what its first left.
    """

    def __init__(self, *masks: nn.Module) -> None:
        super().__init__()
        self.masks = nn.ModuleList(masks)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW = x_BCHW
        for mask in self.masks:
            y_BCHW = y_BCHW * mask(x_BCHW)
        return y_BCHW
