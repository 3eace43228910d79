"""The gate: attention on features, in a branch, after a block, or between stages."""

from dataclasses import dataclass
from typing import ClassVar

from searchspace.domains import choice


@dataclass(frozen=True, kw_only=True)
class NoGate:
    label: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What every gate has: its place, and how its result F joins its input."""

    place: str = choice(
        "branch",
        "block",
        "stage",
        doc="in the branch before the add, after a block, or after a stage",
    )
    combine: str = choice(
        "replace", "add", "gated", doc="F(x), x + F(x), or x + w·F(x) with w from 0"
    )


@dataclass(frozen=True, kw_only=True)
class SE(Placed):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507)."""

    label: ClassVar[str] = "se"
    reduction: int = choice(16, 2, 4, 8, 32, doc="squeeze ratio, of the output width")
    bias: bool = choice(True, False, doc="biases of the two linear layers")


@dataclass(frozen=True, kw_only=True)
class ECA(Placed):
    """Efficient channel attention (https://arxiv.org/abs/1910.03151)."""

    label: ClassVar[str] = "eca"
    kernel: int = choice(5, 3, 7, 9, doc="channels a weight sees")


@dataclass(frozen=True, kw_only=True)
class CBAM(Placed):
    """Channel, then spatial attention (https://arxiv.org/abs/1807.06521)."""

    label: ClassVar[str] = "cbam"
    reduction: int = choice(16, 2, 4, 8, 32, doc="squeeze ratio, of the output width")
    kernel: int = choice(7, 3, 5, doc="kernel of the spatial mask")
    bias: bool = choice(True, False, doc="bias of the spatial convolution")


@dataclass(frozen=True, kw_only=True)
class SelfAttention(Placed):
    """CNNtention's SelfAtt: one unscaled head over all positions (arXiv 2412.11657)."""

    label: ClassVar[str] = "selfatt"
    combine: str = choice(
        "gated", "add", "replace", doc="x + w·F(x) with w from 0, x + F(x), or F(x)"
    )


@dataclass(frozen=True, kw_only=True)
class MultiHead(Placed):
    """CNNtention's MHA: scaled heads and an output projection (arXiv 2412.11657)."""

    label: ClassVar[str] = "mha"
    heads: int = choice(8, 1, 2, 4, doc="attention heads")
    combine: str = choice(
        "gated", "add", "replace", doc="x + w·F(x) with w from 0, x + F(x), or F(x)"
    )


Gate = NoGate | SE | ECA | CBAM | SelfAttention | MultiHead
GATES = (NoGate, SE, ECA, CBAM, SelfAttention, MultiHead)
