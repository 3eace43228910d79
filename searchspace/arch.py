"""An architecture: one frozen tree that says what a network is.

Every field carries its domain and its meaning; `searchspace.walk` does the rest. What several
variants share lies one level up. Whether a network fits an image is known only with the image:
`searchspace.assemble` refuses what does not.
"""

from dataclasses import dataclass
from typing import ClassVar

from searchspace.domains import Integers, choice, integer, one_of, per_stage
from searchspace.gates import GATES, Gate
from searchspace.shortcuts import SHORTCUTS, Shortcut

WIDTHS = Integers(8, 4096, 8)
SEARCHED_WIDTHS = Integers(8, 64, 8)


@dataclass(frozen=True, kw_only=True)
class Conv3:
    """3×3 convolution, norm, ReLU; the resolution stays."""

    label: ClassVar[str] = "conv3"


@dataclass(frozen=True, kw_only=True)
class Conv7:
    """7×7 convolution of stride 2, norm, ReLU, 3×3 max-pool of stride 2 (ResNet at 224)."""

    label: ClassVar[str] = "conv7"


@dataclass(frozen=True, kw_only=True)
class Basic:
    """Two 3×3 convolutions; the first has the stride."""

    label: ClassVar[str] = "basic"


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """1×1, 3×3 (with the stride), 1×1 convolutions."""

    label: ClassVar[str] = "bottleneck"


@dataclass(frozen=True, kw_only=True)
class Doubling:
    """c, 2c, 4c, … from stage to stage."""

    label: ClassVar[str] = "doubling"
    channels: int = integer(
        16, 8, 4096, step=8, search=SEARCHED_WIDTHS, doc="channels in the first stage"
    )


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same in all stages."""

    label: ClassVar[str] = "constant"
    channels: int = integer(
        16, 8, 4096, step=8, search=SEARCHED_WIDTHS, doc="channels in every stage"
    )


@dataclass(frozen=True, kw_only=True)
class EachStage:
    """Given stage by stage."""

    label: ClassVar[str] = "each"
    channels: tuple[int, ...] = per_stage(
        WIDTHS, 16, 32, 64, search=SEARCHED_WIDTHS, doc="channels of the stage"
    )


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """A multiple of the width inside the blocks."""

    label: ClassVar[str] = "expansion"
    ratio: int = choice(1, 2, 4, doc="output width over inner width")


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    label: ClassVar[str] = "batch"


@dataclass(frozen=True, kw_only=True)
class LayerNorm:
    """Over the channels of each position."""

    label: ClassVar[str] = "layer"


@dataclass(frozen=True, kw_only=True)
class GroupNorm:
    label: ClassVar[str] = "group"
    groups: int = choice(8, 1, 2, 4, doc="groups of channels, of two at least")


@dataclass(frozen=True, kw_only=True)
class NoNorm:
    label: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Global average pooling and a linear layer."""

    label: ClassVar[str] = "pool"


Stem = Conv3 | Conv7
Body = Basic | Bottleneck
Width = Doubling | Constant | EachStage
Output = Expansion | Constant | EachStage
Norm = BatchNorm | LayerNorm | GroupNorm | NoNorm
NORMS = (BatchNorm, LayerNorm, GroupNorm, NoNorm)
Head = Pool


@dataclass(frozen=True, kw_only=True)
class Arch:
    """A convolutional image classifier: stem, stages of blocks joined by a shortcut, head."""

    stem: Stem = one_of(Conv3, Conv7, doc="the first convolution")
    stem_channels: int = integer(
        16, 8, 1024, step=8, search=SEARCHED_WIDTHS, doc="channels of the stem"
    )
    stages: int = integer(3, 2, 4, doc="stages; each after the first halves the resolution")
    blocks: tuple[int, ...] = per_stage(
        Integers(1, 64), 3, 3, 3, search=Integers(1, 4), doc="blocks of the stage"
    )
    body: Body = one_of(Basic, Bottleneck, doc="the convolutions of a block")
    width: Width = one_of(Doubling, Constant, EachStage, doc="channels inside the blocks")
    output: Output = one_of(Expansion, Constant, EachStage, doc="channels that blocks put out")
    norm: Norm = one_of(*NORMS, doc="norm of the stem and in the blocks")
    last_norm: Norm = one_of(*NORMS, doc="norm after the last convolution of a block")
    activation: str = choice(
        "post", "linear", doc="a block ends with ReLU (after the add), or without"
    )
    shortcut: Shortcut = one_of(*SHORTCUTS, doc="what joins the blocks")
    gate: Gate = one_of(*GATES, doc="attention on features")
    head: Head = one_of(Pool, doc="what reads the features")

    def __post_init__(self) -> None:
        for name, values in self._per_stage():
            if len(values) != self.stages:
                raise ValueError(
                    f"{name} must have one value for each of {self.stages} stages, got {values}"
                )

    def _per_stage(self) -> list[tuple[str, tuple[int, ...]]]:
        rows = [("blocks", self.blocks)]
        for name, width in (("width", self.width), ("output", self.output)):
            if isinstance(width, EachStage):
                rows.append((f"{name}.each.channels", width.channels))
        return rows

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels inside the blocks, a value a stage."""
        return self._widths(self.width)

    @property
    def output_widths(self) -> tuple[int, ...]:
        """Channels that a block puts out, a value a stage."""
        if isinstance(self.output, Expansion):
            return tuple(self.output.ratio * width for width in self.inner_widths)
        return self._widths(self.output)

    def _widths(self, width: Width) -> tuple[int, ...]:
        match width:
            case Doubling():
                return tuple(width.channels << stage for stage in range(self.stages))
            case Constant():
                return (width.channels,) * self.stages
            case EachStage():
                return width.channels
