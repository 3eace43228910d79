"""The gates: attention on features. Their places are in `gate_places`."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.arch.effects import (
    CHANNEL_MASK,
    OTHER_WIDTH,
    SHARED,
    SPATIAL_MASK,
    WIDTH_BY_8,
    WIDTH_OF_12,
    WIDTH_OF_72,
)
from skipsearch.searchspace.arch.gate_places import (
    AfterBlock,
    AfterStage,
    InBranch,
    InConvolution,
    Placed,
)
from skipsearch.searchspace.arch.recurrent_gates import DIA, MRLA, DIALight
from skipsearch.searchspace.parameters.domains import choice, one_of


@dataclass(frozen=True, kw_only=True)
class NoGate:
    """No gate: features pass as they are."""

    label: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class SE(Placed):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507)."""

    label: ClassVar[str] = "se"
    reduction: int = choice(16, 2, 4, 8, 32, doc="squeeze ratio")
    base: str = choice(
        "output",
        "inner",
        needs=OTHER_WIDTH,
        doc="what is divided: the gated channels, or the width in the blocks",
    )
    bias: bool = choice(True, False, doc="biases of the two linear layers")


@dataclass(frozen=True, kw_only=True)
class EffectiveSE(Placed):
    """One linear layer and no squeeze: eSE of VoVNetV2 (https://arxiv.org/abs/1911.06667)."""

    label: ClassVar[str] = "ese"


@dataclass(frozen=True, kw_only=True)
class ECA(Placed):
    """Efficient channel attention (https://arxiv.org/abs/1910.03151)."""

    label: ClassVar[str] = "eca"
    kernel: int | str = choice(
        5, 3, 7, 9, "adaptive", doc="channels a weight sees; adaptive: by the number of channels"
    )


@dataclass(frozen=True, kw_only=True)
class CBAM(Placed):
    """Channel, then spatial attention (https://arxiv.org/abs/1807.06521)."""

    label: ClassVar[str] = "cbam"
    reduction: int = choice(16, 2, 4, 8, 32, doc="squeeze ratio, of the gated channels")
    kernel: int = choice(7, 3, 5, doc="kernel of the spatial mask")
    bias: bool = choice(True, False, doc="bias of the spatial convolution")
    mlp_bias: bool = choice(False, True, doc="biases of the two linear layers")
    mlp: str = choice(
        "linear",
        "convolution",
        search=("linear",),
        doc="the two layers of the channel mask: linear, or 1×1 convolutions, which differ in how "
        "they start",
    )
    spatial_norm: str = choice("none", "batch", doc="norm after the spatial convolution")


@dataclass(frozen=True, kw_only=True)
class SRM(Placed):
    """Style-based recalibration: mean and deviation (https://arxiv.org/abs/1903.10829)."""

    label: ClassVar[str] = "srm"
    norm: str = choice(
        "block",
        "stage",
        needs=SHARED,
        doc="batch norm of a shared gate: one for each block, or shared too",
    )


@dataclass(frozen=True, kw_only=True)
class SPA(Placed):
    """A pyramid of average pools (spatial pyramid attention, ICME 2020)."""

    label: ClassVar[str] = "spa"
    levels: str = choice("1-2-4", "1-4", "1-2", "1", doc="sides of the pooled maps")
    reduction: int = choice(16, 2, 4, 8, 32, doc="squeeze ratio, of the gated channels")
    bias: bool = choice(False, True, doc="biases of the two linear layers")


@dataclass(frozen=True, kw_only=True)
class SEM(Placed):
    """SE, ECA and an affine map, mixed by a learned switch (https://arxiv.org/abs/2209.05680)."""

    label: ClassVar[str] = "sem"
    reduction: int = choice(4, 2, 8, 16, doc="squeeze ratio of its SE part")
    base: str = choice(
        "inner",
        "output",
        needs=OTHER_WIDTH,
        doc="what is divided: the width in the blocks, or the gated channels",
    )
    kernel: int | str = choice(
        "adaptive", 3, 5, 7, doc="channels a weight sees; adaptive: by the number of channels"
    )


@dataclass(frozen=True, kw_only=True)
class SPEM(Placed):
    """Maximum and minimum, mixed by learned weights (https://arxiv.org/abs/2208.10322).

    Adds a term to the loss, weighed by the recipe's `penalty`.
    """

    label: ClassVar[str] = "spem"


@dataclass(frozen=True, kw_only=True)
class SGE(Placed):
    """Spatial group-wise enhancement (https://arxiv.org/abs/1905.09646)."""

    label: ClassVar[str] = "sge"
    groups: int = choice(
        8, 16, 32, 64, 4, needs=WIDTH_BY_8, doc="groups of channels, as many as divide them"
    )


@dataclass(frozen=True, kw_only=True)
class GlobalContext(Placed):
    """One softmax-pooled context added to every position (https://arxiv.org/abs/1904.11492).

    The addition x + context belongs to the formula F; `combine` is applied to the whole.
    """

    label: ClassVar[str] = "gc"
    reduction: int = choice(
        16,
        4,
        8,
        needs=WIDTH_OF_12,
        doc="bottleneck ratio, of the gated channels; 2 at least",
    )


@dataclass(frozen=True, kw_only=True)
class Coordinate(Placed):
    """Masks along height and width (https://arxiv.org/abs/2103.02907)."""

    label: ClassVar[str] = "coordinate"
    reduction: int = choice(
        32,
        8,
        16,
        needs=WIDTH_OF_72,
        doc="bottleneck ratio, of the gated channels; 8 at least",
    )


@dataclass(frozen=True, kw_only=True)
class ResponseNorm(Placed):
    """Global response normalisation of ConvNeXt V2 (https://arxiv.org/abs/2301.00808)."""

    label: ClassVar[str] = "grn"


@dataclass(frozen=True, kw_only=True)
class InputAttention(Placed):
    """AICNN: a channel and a spatial mask of the same input, in parallel, inside convolutions."""

    label: ClassVar[str] = "ai"
    place: InBranch | AfterBlock | AfterStage | InConvolution = one_of(
        InConvolution, InBranch, AfterBlock, AfterStage, doc="where the gate stands"
    )
    masks: str = choice("both", "channel", "spatial", doc="the masks that are multiplied in")
    reduction: int = choice(
        8, 2, 4, 16, needs=CHANNEL_MASK, doc="squeeze ratio of the channel mask"
    )
    kernel: int = choice(7, 1, 3, 5, needs=SPATIAL_MASK, doc="kernel of the spatial mask")
    bias: bool = choice(
        True, False, needs=SPATIAL_MASK, doc="bias of the spatial mask's convolution"
    )


@dataclass(frozen=True, kw_only=True)
class SelfAttention(Placed):
    """CNNtention's SelfAtt: one unscaled head over all positions (arXiv 2412.11657)."""

    label: ClassVar[str] = "selfatt"
    over: str = choice(
        "keys",
        "queries",
        search=("keys",),
        doc="what is summed over: keys, or queries as in the authors' early run, where the "
        "weights do not sum to 1",
    )
    combine: str = choice(
        "gated", "add", "replace", doc="x + w·F(x) with w from 0, x + F(x), or F(x)"
    )


@dataclass(frozen=True, kw_only=True)
class MultiHead(Placed):
    """CNNtention's MHA: scaled heads and an output projection (arXiv 2412.11657)."""

    label: ClassVar[str] = "mha"
    heads: int = choice(8, 1, 2, 4, doc="attention heads, as many as divide the channels")
    combine: str = choice(
        "gated", "add", "replace", doc="x + w·F(x) with w from 0, x + F(x), or F(x)"
    )


OneMap = (
    SE
    | EffectiveSE
    | ECA
    | CBAM
    | SRM
    | SPA
    | SEM
    | SPEM
    | SGE
    | GlobalContext
    | Coordinate
    | ResponseNorm
    | InputAttention
    | SelfAttention
    | MultiHead
)
Remembering = DIA | DIALight | MRLA
Gate = NoGate | OneMap | Remembering
GATES = (NoGate, *OneMap.__args__, *Remembering.__args__)
