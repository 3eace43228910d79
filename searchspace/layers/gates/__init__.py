"""The ways in which a gate joins its input, and CBAM, a gate of two masks; x of (B, C, H, W)."""

from skipsearch.searchspace.layers.gates.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.gates.combine import Add, Gated

__all__ = [  # noqa: RUF022 - the order in which an exported file has them
    "Add",
    "Gated",
    "ConvBlockAttention",
]
