"""Shortcuts: what a block reads of earlier outputs, and how its own output joins them."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.arch.effects import OWN_POOL, OWN_TRANSITION, WIDE_ENOUGH
from skipsearch.searchspace.parameters.domains import Integers, choice, integer, one_of


@dataclass(frozen=True, kw_only=True)
class NoShortcut:
    """x_l = H(x_{l−1}): a plain chain."""

    label: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A 1×1 convolution and a norm (option B of https://arxiv.org/abs/1512.03385)."""

    label: ClassVar[str] = "projection"
    norm: str = choice(
        "same", "batch", "none", doc="norm of a projection: as the blocks', BatchNorm, or none"
    )
    pool: str = choice(
        "none",
        "average",
        needs=OWN_POOL,
        doc="how it halves: as `downsampling` says, or by 2×2 average pooling (ResNet-D, "
        "https://arxiv.org/abs/1812.01187)",
    )


@dataclass(frozen=True, kw_only=True)
class Identity:
    """No shortcut where the width changes."""

    label: ClassVar[str] = "identity"


@dataclass(frozen=True, kw_only=True)
class ZeroPad:
    """Subsampled and padded with zero channels (option A)."""

    label: ClassVar[str] = "zero_pad"


@dataclass(frozen=True, kw_only=True)
class PlainAdd:
    """skip + F."""

    label: ClassVar[str] = "plain"


@dataclass(frozen=True, kw_only=True)
class ReZero:
    """skip + α·F, a scalar from 0 (https://arxiv.org/abs/2003.04887; SkipInit, 2002.10444)."""

    label: ClassVar[str] = "rezero"


@dataclass(frozen=True, kw_only=True)
class LayerScale:
    """skip + α ⊙ F, a scalar per channel (https://arxiv.org/abs/2103.17239)."""

    label: ClassVar[str] = "layer_scale"
    start: float = choice(0.1, 1e-6, 1e-4, 1.0, doc="the scalars' initial value")


@dataclass(frozen=True, kw_only=True)
class Highway:
    """(1 − t)·skip + t·F, a learned mask t (https://arxiv.org/abs/1505.00387)."""

    label: ClassVar[str] = "highway"


@dataclass(frozen=True, kw_only=True)
class Sum:
    """x_l = H(x_{l−1}) + P(x_{l−1}): ResNet (https://arxiv.org/abs/1512.03385)."""

    label: ClassVar[str] = "sum"
    match: Projection | Identity | ZeroPad = one_of(
        Projection, Identity, ZeroPad, doc="what is added where the shape changes"
    )
    add: PlainAdd | ReZero | LayerScale | Highway = one_of(
        PlainAdd, ReZero, LayerScale, Highway, doc="how the branch F joins"
    )
    drop: float = choice(
        0.0,
        0.1,
        0.2,
        0.5,
        doc="stochastic depth: how often the last branch is dropped in training, earlier ones "
        "proportionally less (https://arxiv.org/abs/1603.09382)",
    )


@dataclass(frozen=True, kw_only=True)
class Subsample:
    """Earlier outputs are subsampled at a transition (and projected where the width changes)."""

    label: ClassVar[str] = "subsample"


@dataclass(frozen=True, kw_only=True)
class Compress:
    """DenseNet's transition (https://arxiv.org/abs/1608.06993, section 3).

    Norm, ReLU, 1×1 convolution and 2×2 average pool of all outputs so far.
    """

    label: ClassVar[str] = "compress"
    theta: float = choice(0.5, 1.0, doc="compression of a transition: channels kept")


@dataclass(frozen=True, kw_only=True)
class Merging:
    """Parameters that concatenation and the weighted sums share."""

    placement: str = choice(
        "blocks", "stages", doc="before every block, or before every stage with residuals inside"
    )
    classifier: str = choice("merged", "newest", doc="what the classifier reads")


@dataclass(frozen=True, kw_only=True)
class Concat(Merging):
    """x_l = H([x_0, …, x_{l−1}]): DenseNet (https://arxiv.org/abs/1608.06993)."""

    label: ClassVar[str] = "concat"
    growth: float = choice(
        0.5,
        0.125,
        0.25,
        1.0,
        needs=WIDE_ENOUGH,
        doc="growth: a block's output, as a fraction of the output width",
    )
    transition: Subsample | Compress = one_of(
        Subsample, Compress, doc="what happens to earlier outputs where the map shrinks"
    )


@dataclass(frozen=True, kw_only=True)
class Weighted(Merging):
    """g = x_{l−1} + Σ w_{l,i} ⊙ x_i, a weight per channel.

    Sources: DSNet; Attention Shortcuts (ERA 33(8)), section 1.6.
    """

    label: ClassVar[str] = "weighted"


@dataclass(frozen=True, kw_only=True)
class PseudoQuery(Merging):
    """Σ softmax_i(w_l·norm(x_i)) x_i with a learned query w_l for each block, from 0.

    Source: Attention Residuals (https://arxiv.org/abs/2603.15031).
    """

    label: ClassVar[str] = "pseudo_query"


@dataclass(frozen=True, kw_only=True)
class EveryBlock:
    """AS_out and AS_KV: every block reads the attention; no residual anywhere."""

    label: ClassVar[str] = "blocks"
    projections: str = choice(
        "matched",
        "literal",
        doc="sharing of the projections, which the paper leaves open. matched: as its parameter "
        "counts imply, with a query for each use, keys and values for each stage, no output "
        "projection, and a classifier that attends too; literal: its equation 3.2 with all four "
        "matrices",
    )
    downsampling: str = choice(
        "outputs",
        "keys_values",
        needs=OWN_TRANSITION,
        doc="at a transition, stored keys and values are subsampled (AS_out), or go through "
        "their own strided 1×1 convolutions (AS_KV)",
    )


@dataclass(frozen=True, kw_only=True)
class CommonWidth:
    """All entries are projected to one width."""

    label: ClassVar[str] = "common"
    channels: int = integer(
        128, 4, 1024, step=4, search=Integers(16, 128, 8), doc="width of the attention"
    )


@dataclass(frozen=True, kw_only=True)
class OwnWidths:
    """Square projections at each entry's width; 1×1 convolutions adapt what is stored."""

    label: ClassVar[str] = "own"


@dataclass(frozen=True, kw_only=True)
class BetweenStages:
    """AS_stages: every stage but the first reads the attention; residuals inside are kept."""

    label: ClassVar[str] = "stages"
    width: CommonWidth | OwnWidths = one_of(CommonWidth, OwnWidths, doc="width of the attention")


@dataclass(frozen=True, kw_only=True)
class Attention:
    """At each pixel, the newest output attends over all earlier ones (attention over depth)."""

    label: ClassVar[str] = "attention"
    heads: int = choice(4, 1, 2, 8, doc="attention heads, as many as divide the channels")
    entry_norm: str = choice("none", "layer", doc="LayerNorm of an output before it is projected")
    placement: EveryBlock | BetweenStages = one_of(
        EveryBlock, BetweenStages, doc="where the shortcut acts"
    )


Shortcut = NoShortcut | Sum | Concat | Weighted | PseudoQuery | Attention
SHORTCUTS = (Sum, NoShortcut, Concat, Weighted, PseudoQuery, Attention)
