"""A head of tokens, one from each feature map, that attend to each other (GradAttn).

Shapes: B batch, T tokens in depth order, F width of a token, G heads of D = F/G values.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.pooling import spatial_mean


class LearnedPosition(nn.Module):
    """x + p with one learned vector for each position, from N(0, 1)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, tokens, width))

    def forward(self, x_BTF: Tensor) -> Tensor:
        return x_BTF + self.weight


class TokenAttention(nn.Module):
    """project(softmax(q·kᵀ/√D)·v) over all tokens with G heads, q and k rotated if `rotary`.

    Multi-head attention of https://arxiv.org/abs/1706.03762, section 3.2.2, as GradAttn (arXiv
    2603.26756) uses it: with biases it is the framework's layer and starts as that one does (its
    q, k and v are one matrix, so each is Xavier-uniform with gain √½; biases 0); without, the
    linear layers start as torch has them. `bias` is that of q, k, v; the projection has one.
    """

    def __init__(self, width: int, heads: int, dropout: float, bias: bool, rotary: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}: take a divisor")
        if rotary and width // heads % 2:
            raise ValueError(
                f"heads must be of even width to be rotated, got {width // heads}: change heads"
            )
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.project = nn.Linear(width, width)
        if bias:
            self._start_as_the_framework()

    def forward(self, x_BTF: Tensor) -> Tensor:
        q_BGTD, k_BGTD, v_BGTD = (
            f(x_BTF).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for f in (self.query, self.key, self.value)
        )
        if self.rotary:
            q_BGTD, k_BGTD = rotate(q_BGTD), rotate(k_BGTD)
        dropout = self.dropout if self.training else 0.0
        y_BGTD = functional.scaled_dot_product_attention(q_BGTD, k_BGTD, v_BGTD, dropout_p=dropout)
        y_BTF: Tensor = self.project(y_BGTD.transpose(1, 2).flatten(2))
        return y_BTF

    def macs(self, x_BTF: Tensor) -> int:
        """Count the two products; the linear layers count themselves."""
        _, tokens, width = x_BTF.shape
        return 2 * tokens * tokens * width

    def _start_as_the_framework(self) -> None:
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(linear.weight, gain=0.5**0.5)
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.project.bias)


def rotate(x_BGTD: Tensor) -> Tensor:
    """x_j·cos α − x_{j+D/2}·sin α and x_{j+D/2}·cos α + x_j·sin α, α = t·10000^(−2j/D).

    Rotary positions (https://arxiv.org/abs/2104.09864, equation 34) on halves instead of on
    neighbours, as in GradAttn. The angles are never of less than 32 bits.
    """
    tokens, width = x_BGTD.shape[2:]
    precise = torch.promote_types(x_BGTD.dtype, torch.float32)
    position = torch.arange(tokens, device=x_BGTD.device, dtype=precise)
    exponent = torch.arange(0, width, 2, device=x_BGTD.device, dtype=precise) / width
    angle = position[:, None] * 10000.0**-exponent
    cos, sin = angle.cos().to(x_BGTD.dtype), angle.sin().to(x_BGTD.dtype)
    low, high = x_BGTD.chunk(2, dim=3)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=3)


class EncoderLayer(nn.Module):
    """y = norm1(x + attention(x)); norm2(y + contract(relu(expand(y)))): the norms come after.

    https://arxiv.org/abs/1706.03762, section 3.1; dropout on both branches and after the ReLU, as
    in the framework's layer. What differs: the framework's `nn.TransformerEncoder` deep-copies one
    layer, so that all start equal; here each is drawn.
    """

    def __init__(self, attention: nn.Module, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.norm1 = attention, nn.LayerNorm(width)
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm2, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, x_BTF: Tensor) -> Tensor:
        x_BTF = self.norm1(x_BTF + self.dropout(self.attention(x_BTF)))
        hidden = self.dropout(functional.relu(self.expand(x_BTF)))
        y_BTF: Tensor = self.norm2(x_BTF + self.dropout(self.contract(hidden)))
        return y_BTF


class TokenHead(nn.Module):
    """classifier(mean_t(encoder(position(tokens)))), with a token tap(mean(map)) from every map.

    GradAttn (arXiv 2603.26756): no class token, no final norm.
    """

    def __init__(
        self,
        channels: list[int],
        width: int,
        encoder: list[nn.Module],
        classes: int,
        position: nn.Module,
    ) -> None:
        super().__init__()
        self.taps = nn.ModuleList(nn.Linear(one, width) for one in channels)
        self.position, self.encoder = position, nn.Sequential(*encoder)
        self.classifier = nn.Linear(width, classes)

    def forward(self, features: list[Tensor]) -> Tensor:
        pairs = zip(self.taps, features, strict=True)
        tokens_BTF = torch.stack([tap(spatial_mean(x_BCHW)) for tap, x_BCHW in pairs], dim=1)
        tokens_BTF = self.encoder(self.position(tokens_BTF))
        logits: Tensor = self.classifier(tokens_BTF.mean(1))
        return logits
