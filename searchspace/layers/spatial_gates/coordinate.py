"""Coordinate attention."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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
