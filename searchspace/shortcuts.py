"""The shortcut: what a block reads of the outputs before it, and what it adds to its own."""

from dataclasses import dataclass
from typing import ClassVar

from searchspace.domains import Integers, choice, integer, one_of


@dataclass(frozen=True, kw_only=True)
class NoShortcut:
    """x_l = H(x_{l−1}): a plain chain."""

    label: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class Sum:
    """x_l = H(x_{l−1}) + P(x_{l−1}): ResNet (https://arxiv.org/abs/1512.03385)."""

    label: ClassVar[str] = "sum"
    match: str = choice(
        "projection",
        "identity",
        "zero_pad",
        doc="where the shape changes: 1×1 convolution and norm (option B); no shortcut unless "
        "the width stays; subsampled and padded with zero channels (option A)",
    )


@dataclass(frozen=True, kw_only=True)
class Subsample:
    """Earlier outputs are subsampled at a transition (and projected where the width changes)."""

    label: ClassVar[str] = "subsample"


@dataclass(frozen=True, kw_only=True)
class Compress:
    """DenseNet's transition: norm, ReLU, 1×1 convolution, 2×2 average pool of all outputs
    (https://arxiv.org/abs/1608.06993, section 3)."""

    label: ClassVar[str] = "compress"
    theta: float = choice(0.5, 1.0, doc="compression of a transition: channels kept")


@dataclass(frozen=True, kw_only=True)
class Merging:
    """What concatenation and the weighted sum share."""

    placement: str = choice(
        "blocks", "stages", doc="before every block, or before every stage with residuals inside"
    )
    classifier: str = choice("merged", "newest", doc="what the classifier reads")


@dataclass(frozen=True, kw_only=True)
class Concat(Merging):
    """x_l = H([x_0, …, x_{l−1}]): DenseNet (https://arxiv.org/abs/1608.06993)."""

    label: ClassVar[str] = "concat"
    growth: float = choice(
        0.5, 0.125, 0.25, 1.0, doc="growth: a block's output, as a fraction of the output width"
    )
    transition: Subsample | Compress = one_of(
        Subsample, Compress, doc="what happens to earlier outputs where the map shrinks"
    )


@dataclass(frozen=True, kw_only=True)
class Weighted(Merging):
    """g = x_{l−1} + Σ w_{l,i} ⊙ x_i, a weight a channel: DSNet, and section 1.6 of AS."""

    label: ClassVar[str] = "weighted"


@dataclass(frozen=True, kw_only=True)
class EveryBlock:
    """AS_out and AS_KV: every block reads the attention; no residual anywhere."""

    label: ClassVar[str] = "blocks"
    downsampling: str = choice(
        "outputs",
        "keys_values",
        doc="at a transition, stored keys and values are subsampled (AS_out), or go through "
        "their own strided 1×1 convolutions (AS_KV)",
    )
    projections: str = choice(
        "matched",
        "literal",
        doc="matched: a query a use, keys and values a stage, no output projection, the "
        "classifier attends (D1); literal: the paper's equation 3.2 with all four matrices (T)",
    )


@dataclass(frozen=True, kw_only=True)
class BetweenStages:
    """AS_stages: every stage but the first reads the attention; residuals inside are kept."""

    label: ClassVar[str] = "stages"
    channels: int = integer(
        128, 8, 1024, step=8, search=Integers(16, 128, 8), doc="width of the attention"
    )


@dataclass(frozen=True, kw_only=True)
class Attention:
    """At each pixel, the newest output attends over all earlier ones (attention over depth)."""

    label: ClassVar[str] = "attention"
    heads: int = choice(4, 1, 2, 8, doc="attention heads")
    entry_norm: str = choice("none", "layer", doc="LayerNorm of an output before it is projected")
    placement: EveryBlock | BetweenStages = one_of(
        EveryBlock, BetweenStages, doc="where the shortcut acts"
    )


Shortcut = NoShortcut | Sum | Concat | Weighted | Attention
SHORTCUTS = (Sum, NoShortcut, Concat, Weighted, Attention)
