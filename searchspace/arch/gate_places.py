"""Where a gate stands: in the branch, after a block, after a stage, inside convolutions; in all
stages or in some; and whose it is, each block's own or one for the stage."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.parameters.domains import Choice, choice, one_of, per_stage


@dataclass(frozen=True, kw_only=True)
class InBranch:
    """On what the body puts out, before the add."""

    label: ClassVar[str] = "branch"


@dataclass(frozen=True, kw_only=True)
class AfterBlock:
    """On what a block puts out, after the add."""

    label: ClassVar[str] = "block"
    first: bool = choice(True, False, doc="after the first block of a stage too")


@dataclass(frozen=True, kw_only=True)
class AfterStage:
    """On what a stage puts out."""

    label: ClassVar[str] = "stage"


@dataclass(frozen=True, kw_only=True)
class InConvolution:
    """On what a convolution reads: attention inside the convolution (AICNN)."""

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
    label: ClassVar[str] = "all"


@dataclass(frozen=True, kw_only=True)
class SomeStages:
    """Stage by stage."""

    label: ClassVar[str] = "each"
    gated: tuple[bool, ...] = per_stage(Choice((True, False)), True, doc="a gate in the stage")


Stages = AllStages | SomeStages


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What every gate has."""

    stages: Stages = one_of(AllStages, SomeStages, doc="the stages that have the gate")


@dataclass(frozen=True, kw_only=True)
class Placed(Gated):
    """What every gate has that looks at one map: its place, and how its result F joins x."""

    place: InBranch | AfterBlock | AfterStage | InConvolution = one_of(
        InBranch, AfterBlock, AfterStage, InConvolution, doc="where the gate stands"
    )
    combine: str = choice(
        "replace", "add", "gated", doc="F(x), x + F(x), or x + w·F(x) with w from 0"
    )
    sharing: str = choice(
        "block", "stage", doc="each block its own, or one for all blocks of the stage (DIA)"
    )


@dataclass(frozen=True, kw_only=True)
class Recurrent(Gated):
    """What gates share that remember from block to block, anew in every stage."""

    place: InBranch | AfterBlock = one_of(InBranch, AfterBlock, doc="where the gate stands")
