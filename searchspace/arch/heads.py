"""Heads: classifiers over the features of the stem and of the stages."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.parameters.domains import Choice, Integers, choice, integer


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Global average pooling of the last features and a linear layer."""

    label: ClassVar[str] = "pool"
    before: str = choice(
        "none", "max_pool", search=("none",), doc="a 2×2 max-pool before (AICNN's block list)"
    )


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A transformer encoder over one token of the stem and one of each stage.

    Source: GradAttn (https://arxiv.org/abs/2603.26756).
    """

    label: ClassVar[str] = "tokens"
    channels: int = integer(
        256, 32, 1024, step=32, search=Integers(32, 128, 32), doc="width of a token"
    )
    heads: int = choice(8, 1, 2, 4, 16, doc="attention heads")
    hidden: int = integer(
        512, 2, 4096, step=2, search=Choice((64, 128, 256)), doc="hidden width of a layer's MLP"
    )
    layers: int = integer(3, 1, 12, search=Integers(1, 3), doc="encoder layers")
    position: str = choice(
        "none", "learned", "rotary", doc="how tokens know their depth (No PE, learnable, RoPE)"
    )
    dropout: float = choice(0.1, 0.0, 0.2, 0.3, doc="dropout in the encoder layers")


Head = Pool | Tokens
