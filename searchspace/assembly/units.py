"""Units of a network with shortcuts over all earlier outputs: blocks, or whole stages."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.shortcuts import NoShortcut, Sum
from skipsearch.searchspace.assembly import blocks, gates
from skipsearch.searchspace.assembly.plan import Call, call, in_turn
from skipsearch.searchspace.assembly.stage import Stage, stages
from skipsearch.searchspace.layers.merge import RecurrentSteps, Steps
from skipsearch.searchspace.layers.recurrent import Recurrent


@dataclass(frozen=True)
class Unit:
    """A block, or a stage with its residuals inside, whose input is yet to be merged."""

    stage: int  # from 0
    stride: int  # 2 where the unit opens a stage that halves the resolution
    outputs: int  # channels
    first: bool  # only the stem comes before
    last: bool  # nothing but the classifier comes after
    remembers: bool  # a block whose gate hands on a state to the next one of its stage
    build: Callable[[int, int], Call]  # from input channels and stride


@dataclass(frozen=True)
class Merged:
    """The part of a network between stem and head."""

    stages: list[Call]
    read: Call  # makes what the head reads
    channels: list[int]  # of the features: stem, each stage; the last as the head reads it


def units(arch: Arch, placement: str, outputs: tuple[int, ...]) -> list[Unit]:
    """List the units of all stages in order; `outputs` are the channels of each stage's units."""
    row: list[Unit] = []
    for stage in stages(arch, outputs):
        count = stage.blocks if placement == "blocks" else 1
        start = gates.first_remembering(stage) if placement == "blocks" else None
        for number in range(count):
            unit = Unit(
                stage=stage.number,
                stride=2 if stage.number and not number else 1,
                outputs=stage.outputs,
                first=not row,
                last=stage.number == arch.stages - 1 and number == count - 1,
                remembers=start is not None and number >= start,
                build=_block(stage, number) if placement == "blocks" else _stage(stage),
            )
            row.append(unit)
    return row


def _block(stage: Stage, number: int) -> Callable[[int, int], Call]:
    """Return the builder of a block without residual; a stage's last block has the stage's gate."""

    def build(inputs: int, stride: int) -> Call:
        block = blocks.block(stage, NoShortcut(), number, inputs, stride)
        closes = number == stage.blocks - 1
        return in_turn(block, gates.after_stage(stage, stage.outputs)) if closes else block

    return build


def _stage(stage: Stage) -> Callable[[int, int], Call]:
    """Return the builder of a whole stage, its blocks joined by residuals."""
    return lambda inputs, stride: chained(stage, Sum(), inputs, stride)


def chained(
    stage: Stage, residual: Sum | NoShortcut, inputs: int, stride: int, *after: Call
) -> Call:
    """Plan a stage whose blocks read only the block before, then its gate and the parts `after`."""
    row = [
        blocks.block(stage, residual, n, stage.outputs if n else inputs, 1 if n else stride)
        for n in range(stage.blocks)
    ]
    ends = (gates.after_stage(stage, stage.outputs), *after)
    start = gates.first_remembering(stage)
    if start is not None:
        row = [*row[:start], call(Recurrent, *row[start:])]
    parts = [*row, *(one for one in ends if one.cls is not nn.Identity)]
    if len(parts) == 1 and start is not None:
        return parts[0]
    return call(nn.Sequential, *parts)


class Row:
    """The steps of a network's stages, in order; those with recurrent gates are kept together."""

    def __init__(self, arch: Arch) -> None:
        self.plain: list[list[Call]] = [[] for _ in range(arch.stages)]
        self.recurrent: list[list[Call]] = [[] for _ in range(arch.stages)]

    def lay(self, unit: Unit, step: Call) -> None:
        """Append the step of a unit to its stage."""
        (self.recurrent if unit.remembers else self.plain)[unit.stage].append(step)

    def stages(self) -> list[Call]:
        """Plan each stage from its steps."""
        found = []
        for plain, recurrent in zip(self.plain, self.recurrent, strict=True):
            last = [call(RecurrentSteps, *recurrent)] if recurrent else []
            found.append(last[0] if last and not plain else call(Steps, *plain, *last))
        return found
