"""The row of units of a network whose units read everything before: blocks, or whole stages."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from searchspace import bricks
from searchspace.arch import Arch
from searchspace.plan import Call, call
from searchspace.shortcuts import NoShortcut, Sum


@dataclass(frozen=True)
class Unit:
    """A block, or a stage with its residuals inside, whose input is yet to be merged."""

    stage: int  # from 0
    stride: int  # 2 where the unit opens a stage that halves the resolution
    outputs: int  # channels
    first: bool  # only the stem comes before
    last: bool  # nothing but the classifier comes after
    build: Callable[[int, int], Call]  # from input channels and stride


@dataclass(frozen=True)
class Merged:
    """What is between stem and head: the stages' steps, what the head reads, and its channels."""

    stages: list[Call]
    read: Call
    channels: int


def units(arch: Arch, placement: str, outputs: tuple[int, ...]) -> list[Unit]:
    """The units of all stages in order; `outputs` are the channels of each stage's units."""
    row: list[Unit] = []
    for stage, width in enumerate(outputs):
        count = arch.blocks[stage] if placement == "blocks" else 1
        for number in range(count):
            stride = 2 if stage and not number else 1
            last = stage == arch.stages - 1 and number == count - 1
            build = _block if placement == "blocks" else _stage
            closes = number == count - 1
            first = not row
            row.append(Unit(stage, stride, width, first, last, build(arch, stage, width, closes)))
    return row


def _block(arch: Arch, stage: int, outputs: int, closes: bool) -> Callable[[int, int], Call]:
    """A block without a residual; the last one of its stage has the gate of the stage."""

    def build(inputs: int, stride: int) -> Call:
        inner = arch.inner_widths[stage]
        block = bricks.block(arch, NoShortcut(), inputs, inner, outputs, stride)
        return bricks.then_gate("stage", arch, outputs, block) if closes else block

    return build


def _stage(arch: Arch, stage: int, outputs: int, closes: bool) -> Callable[[int, int], Call]:
    """All blocks of a stage, with residuals (projections where the shape changes)."""

    def build(inputs: int, stride: int) -> Call:
        inner = arch.inner_widths[stage]
        first = bricks.block(arch, Sum(), inputs, inner, outputs, stride)
        rest = [
            bricks.block(arch, Sum(), outputs, inner, outputs, 1)
            for _ in range(arch.blocks[stage] - 1)
        ]
        parts = (first, *rest)
        gated = bricks.then_gate("stage", arch, outputs, *parts)
        return gated if gated.cls is nn.Sequential else call(nn.Sequential, gated)

    return build
