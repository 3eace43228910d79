"""Stems, the bodies of blocks, and where blocks have their activations."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.arch.effects import ACTIVATED_SKIP
from skipsearch.searchspace.parameters.domains import choice


@dataclass(frozen=True, kw_only=True)
class Conv3:
    """3×3 convolution, norm, ReLU; the resolution stays."""

    label: ClassVar[str] = "conv3"
    bias: bool = choice(
        False, True, search=(False,), doc="a bias of the convolution (idle before a norm)"
    )


@dataclass(frozen=True, kw_only=True)
class Conv7:
    """7×7 convolution of stride 2, norm, ReLU, 3×3 max-pool of stride 2 (ResNet at 224)."""

    label: ClassVar[str] = "conv7"


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Parameters that all bodies share."""

    dropout: float = choice(0.0, 0.1, 0.3, 0.5, doc="dropout before the last convolution")


@dataclass(frozen=True, kw_only=True)
class Basic(Dropout):
    """Two 3×3 convolutions; the first has the stride."""

    label: ClassVar[str] = "basic"


@dataclass(frozen=True, kw_only=True)
class Bottleneck(Dropout):
    """1×1, 3×3 (with the stride), 1×1 convolutions."""

    label: ClassVar[str] = "bottleneck"
    groups: int = choice(1, 2, 4, 8, doc="groups of the 3×3 convolution: ResNeXt's cardinality")


@dataclass(frozen=True, kw_only=True)
class Single(Dropout):
    """One 3×3 convolution."""

    label: ClassVar[str] = "single"
    bias: bool = choice(
        False, True, search=(False,), doc="a bias of the convolution (idle before a norm)"
    )


@dataclass(frozen=True, kw_only=True)
class Post:
    """ReLU at the end of a block, after the add."""

    label: ClassVar[str] = "post"


@dataclass(frozen=True, kw_only=True)
class Linear:
    """No activation after the add."""

    label: ClassVar[str] = "linear"


@dataclass(frozen=True, kw_only=True)
class Pre:
    """Pre-activation (https://arxiv.org/abs/1603.05027).

    Norm and ReLU stand before each convolution and at the end of the network, not after the stem;
    `last_norm` is one more norm, at the end of the branch.
    """

    label: ClassVar[str] = "pre"
    projection: str = choice(
        "raw",
        "activated",
        needs=ACTIVATED_SKIP,
        doc="a projection reads the block's input, or its norm and ReLU (WRN)",
    )


Stem = Conv3 | Conv7
Body = Basic | Bottleneck | Single
Activation = Post | Linear | Pre
