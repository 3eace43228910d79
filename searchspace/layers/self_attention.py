"""Self-attention over the positions of a feature map (CNNtention, arXiv 2412.11657).

Shapes: B batch, C channels, N = H·W positions, G heads of D = C/G channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """softmax(q·kᵀ)·v over all positions: one head, no scale, no output projection.

    `transposed` sums over the queries, softmax(q·kᵀ)ᵀ·v, as in an early run of the authors.
    """

    def __init__(self, channels: int, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        q, k, v = self.query(x_BCHW), self.key(x_BCHW), self.value(x_BCHW)
        if not self.transposed:
            return attend_positions(q, k, v, heads=1, scale=1.0)
        weights_BNN = torch.softmax(q.flatten(2).mT @ k.flatten(2), dim=2)
        y: Tensor = (v.flatten(2) @ weights_BNN.to(v.dtype)).view(v.shape)
        return y

    def macs(self, x_BCHW: Tensor) -> int:
        """Count the two products; the convolutions count themselves."""
        return position_macs(x_BCHW)


class MultiHeadAttention(nn.Module):
    """project(softmax(q·kᵀ/√D)·v) over all positions with G heads.

    The authors' code calls the query `key` and the key `query`; the function is the same.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(
                f"heads must divide the {channels} channels, got {heads}: take a divisor"
            )
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        q, k, v = self.query(x_BCHW), self.key(x_BCHW), self.value(x_BCHW)
        y: Tensor = self.project(attend_positions(q, k, v, self.heads, self.scale))
        return y

    def macs(self, x_BCHW: Tensor) -> int:
        """Count the two products; the convolutions count themselves."""
        return position_macs(x_BCHW)


def attend_positions(
    q_BCHW: Tensor, k_BCHW: Tensor, v_BCHW: Tensor, heads: int, scale: float
) -> Tensor:
    """Let each position attend over all positions, head by head (contiguous channel groups)."""
    q, k, v = (_heads(x, heads) for x in (q_BCHW, k_BCHW, v_BCHW))
    out_BGND = functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return out_BGND.transpose(1, 2).flatten(2).mT.view(q_BCHW.shape)


def _heads(x_BCHW: Tensor, heads: int) -> Tensor:
    """Return (B, G, N, D) with contiguous channels: else torch stores all G·N·N weights."""
    x_BNC = x_BCHW.flatten(2).mT.contiguous()
    batch, positions, channels = x_BNC.shape
    return x_BNC.view(batch, positions, heads, channels // heads).transpose(1, 2)


def position_macs(x_BCHW: Tensor) -> int:
    """Count two products of N × N × C multiply-accumulates each."""
    _, channels, height, width = x_BCHW.shape
    return 2 * (height * width) ** 2 * channels
