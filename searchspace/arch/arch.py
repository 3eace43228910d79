"""An architecture as one frozen tree of dataclasses.

Every field carries its domain and its meaning; `searchspace.parameters.walk` samples, stores and
reads such trees. Parameters that several variants share lie one level up. A tree does not know the
size of the images: `searchspace.assembly.assemble` refuses an architecture that does not fit them.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from skipsearch.searchspace.arch.blocks import (
    Activation,
    Basic,
    Body,
    Bottleneck,
    Conv3,
    Conv7,
    Linear,
    Post,
    Pre,
    Single,
    Stem,
)
from skipsearch.searchspace.arch.effects import (
    STRIDED,
    WIDTH,
    gated_stages,
    has_skips,
)
from skipsearch.searchspace.arch.gate_places import AllStages, SomeStages
from skipsearch.searchspace.arch.gates import GATES, Gate, NoGate
from skipsearch.searchspace.arch.heads import Head, Pool, Tokens
from skipsearch.searchspace.arch.shortcuts import SHORTCUTS, NoShortcut, Shortcut
from skipsearch.searchspace.arch.widths import inner_widths, output_widths
from skipsearch.searchspace.parameters.domains import (
    Integers,
    Scalar,
    choice,
    integer,
    one_of,
    per_stage,
)

WIDTHS = Integers(4, 4096, 4)
SEARCHED_WIDTHS = Integers(8, 64, 8)


@dataclass(frozen=True, kw_only=True)
class Doubling:
    """Channels c, 2c, 4c, … from stage to stage."""

    label: ClassVar[str] = "doubling"
    channels: int = integer(
        16, 4, 4096, step=4, search=SEARCHED_WIDTHS, doc="channels in the first stage"
    )


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same number of channels in all stages."""

    label: ClassVar[str] = "constant"
    channels: int = integer(
        16, 4, 4096, step=4, search=SEARCHED_WIDTHS, doc="channels in every stage"
    )


@dataclass(frozen=True, kw_only=True)
class EachStage:
    """Channels given stage by stage."""

    label: ClassVar[str] = "each"
    channels: tuple[int, ...] = per_stage(
        WIDTHS, 16, 32, 64, search=SEARCHED_WIDTHS, doc="channels of the stage"
    )


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """Output channels as a multiple of the channels inside the blocks."""

    label: ClassVar[str] = "expansion"
    ratio: int = choice(1, 2, 4, doc="output width over inner width")


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Batch normalisation (https://arxiv.org/abs/1502.03167)."""

    label: ClassVar[str] = "batch"


@dataclass(frozen=True, kw_only=True)
class LayerNorm:
    """Layer normalisation over the channels of each position."""

    label: ClassVar[str] = "layer"


@dataclass(frozen=True, kw_only=True)
class GroupNorm:
    """Group normalisation (https://arxiv.org/abs/1803.08494)."""

    label: ClassVar[str] = "group"
    groups: int = choice(
        8, 1, 2, 4, doc="groups of channels, as many as divide them and of two at least"
    )


@dataclass(frozen=True, kw_only=True)
class NoNorm:
    """No normalisation: the identity."""

    label: ClassVar[str] = "none"


Width = Doubling | Constant | EachStage
Output = Expansion | Constant | EachStage
Norm = BatchNorm | LayerNorm | GroupNorm | NoNorm
NORMS = (BatchNorm, LayerNorm, GroupNorm, NoNorm)


@dataclass(frozen=True, kw_only=True)
class Arch:
    """A convolutional image classifier: stem, stages of blocks joined by a shortcut, head.

    What no block has is not there: a gate that stands nowhere (after blocks but the first, one
    block a stage) is the gate `none`, a sum without any skip the shortcut `none`.

    Fields and their domains: `skipsearch space --tree`. Start from a published system or from the
    defaults, and change parameters by name with `override`.

    Examples
    --------
    >>> from skipsearch.searchspace import PRESETS, Arch, override
    >>> override(Arch, {"shortcut": "concat", "gate": "eca"})
    >>> override(Arch, {"stages": 4}, base=PRESETS["cnntention/resnet20"].arch)
    """

    stem: Stem = one_of(Conv3, Conv7, doc="the first convolution")
    stem_channels: int = integer(
        16, 4, 1024, step=4, search=SEARCHED_WIDTHS, doc="channels of the stem"
    )
    stages: int = integer(3, 2, 4, doc="stages; each after the first halves the resolution")
    blocks: tuple[int, ...] = per_stage(
        Integers(1, 64), 3, 3, 3, search=Integers(1, 4), doc="blocks of the stage"
    )
    body: Body = one_of(Basic, Bottleneck, Single, doc="the convolutions of a block")
    output: Output = one_of(Expansion, Constant, EachStage, doc="channels that blocks put out")
    width: Width = one_of(
        Doubling, Constant, EachStage, needs=WIDTH, doc="channels inside the blocks"
    )
    shortcut: Shortcut = one_of(*SHORTCUTS, doc="what joins the blocks")
    norm: Norm = one_of(*NORMS, doc="norm of the stem and in the blocks")
    last_norm: Norm = one_of(*NORMS, doc="norm after the last convolution of a block")
    activation: Activation = one_of(Post, Linear, Pre, doc="where the ReLU of a block stands")
    downsampling: str = choice(
        "stride",
        "blur",
        "space_to_depth",
        "average_pool",
        "max_pool",
        needs=STRIDED,
        doc="how a convolution halves the resolution: by its stride; low-passed after it "
        "(BlurPool, https://arxiv.org/abs/1904.11486); four pixels as four times the channels "
        "(https://arxiv.org/abs/2208.03641) or pooled before it",
    )
    gate: Gate = one_of(*GATES, doc="attention on features")
    head: Head = one_of(Pool, Tokens, doc="what reads the features")
    init: str = choice(
        "convolutions",
        "kaiming",
        "zero_bias",
        "classifier",
        "small",
        "framework",
        search=("convolutions",),
        doc="initial weights: Kaiming fan-out of convolutions; of linear layers too; with the "
        "classifier's bias 0; and its weights Kaiming; with linear weights N(0, 0.01); torch's own",
    )

    def __post_init__(self) -> None:
        self._check_stages()
        if self.shortcut.label == "sum" and not has_skips(self):
            object.__setattr__(self, "shortcut", NoShortcut())
        if not isinstance(self.gate, NoGate):
            object.__setattr__(self, "gate", self._found(self.gate))

    def _found(self, gate: Gate) -> Gate:
        """Return the gate as the network has it: none where no block has it."""
        assert not isinstance(gate, NoGate)
        gated = gated_stages(self, gate)
        if not any(gated):
            return NoGate()
        if isinstance(gate.stages, AllStages):
            return gate
        everywhere = replace(gate, stages=AllStages())
        return everywhere if gated == gated_stages(self, everywhere) else gate

    def _check_stages(self) -> None:
        for name, values in self._per_stage():
            if len(values) != self.stages:
                raise ValueError(
                    f"{name} must have one value for each of {self.stages} stages, got {values}"
                )

    def _per_stage(self) -> list[tuple[str, tuple[Scalar, ...]]]:
        rows: list[tuple[str, tuple[Scalar, ...]]] = [("blocks", self.blocks)]
        for name, width in (("width", self.width), ("output", self.output)):
            if isinstance(width, EachStage):
                rows.append((f"{name}.each.channels", width.channels))
        if not isinstance(self.gate, NoGate) and isinstance(self.gate.stages, SomeStages):
            rows.append((f"gate.{self.gate.label}.stages.each.gated", self.gate.stages.gated))
        return rows

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels inside the blocks of each stage."""
        return inner_widths(self)

    @property
    def output_widths(self) -> tuple[int, ...]:
        """Output channels of each stage, before concatenation's growth is taken of them."""
        return output_widths(self)
