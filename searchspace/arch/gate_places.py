"""Places of a gate: in the branch, after a block, after a stage, or inside convolutions.

Also the stages that have the gate, and whether each block has its own or a stage shares one.
"""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.arch.effects import GATEABLE, SHARABLE
from skipsearch.searchspace.parameters.domains import Choice, choice, one_of, per_stage


@dataclass(frozen=True, kw_only=True)
class InBranch:
    """On the output of a block's body, before the add."""

    label: ClassVar[str] = "branch"


@dataclass(frozen=True, kw_only=True)
class AfterBlock:
    """On the output of a block, after the add."""

    label: ClassVar[str] = "block"
    first: bool = choice(True, False, doc="after the first block of a stage too")


@dataclass(frozen=True, kw_only=True)
class AfterStage:
    """On the output of a stage."""

    label: ClassVar[str] = "stage"


@dataclass(frozen=True, kw_only=True)
class InConvolution:
    """On the input of a convolution: attention inside the convolution (AICNN)."""

    label: ClassVar[str] = "convolution"
    on: str = choice(
        "spatial",
        "first",
        "later",
        "body",
        "all",
        doc="which convolutions: the 3×3 of the body; its first; all but its first, and the "
        "projection; all of the body; the projection too",
    )


@dataclass(frozen=True, kw_only=True)
class AllStages:
    """A gate in every stage."""

    label: ClassVar[str] = "all"


@dataclass(frozen=True, kw_only=True)
class SomeStages:
    """A gate in the stages that are named one by one."""

    label: ClassVar[str] = "each"
    gated: tuple[bool, ...] = per_stage(
        Choice((True, False)), True, needs=GATEABLE, doc="a gate in the stage"
    )


Stages = AllStages | SomeStages


STAGES = "the stages that have the gate"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Parameters of gates that read one map x: their place, and how the result F joins x."""

    place: InBranch | AfterBlock | AfterStage | InConvolution = one_of(
        InBranch, AfterBlock, AfterStage, InConvolution, doc="where the gate stands"
    )
    stages: Stages = one_of(AllStages, SomeStages, doc=STAGES)
    combine: str = choice(
        "replace", "add", "gated", doc="F(x), x + F(x), or x + w·F(x) with w from 0"
    )
    sharing: str = choice(
        "block",
        "stage",
        needs=SHARABLE,
        doc="each block its own, or one for all blocks of the stage (DIA)",
    )


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """Parameters of recurrent gates, whose state runs from block to block within a stage."""

    place: InBranch | AfterBlock = one_of(InBranch, AfterBlock, doc="where the gate stands")
    stages: Stages = one_of(AllStages, SomeStages, doc=STAGES)
