"""Plans of attention over depth: AS_out, AS_KV, AS_stages.

Source: "Introducing attention shortcuts in convolutional neural networks", ERA 33(8). The paper
leaves the sharing of projections open, so there are two readings: `matched` meets both
printed parameter counts (a query for each use, keys and values for each stage, no output
projection); `literal` is equation 3.2 with all four matrices.
"""

from dataclasses import dataclass, field, replace
from math import gcd
from typing import assert_never

from torch import nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.shortcuts import (
    Attention,
    BetweenStages,
    CommonWidth,
    EveryBlock,
    OwnWidths,
)
from skipsearch.searchspace.assembly import blocks
from skipsearch.searchspace.assembly.concat_and_sums import adapt, ended, keep
from skipsearch.searchspace.assembly.plan import Call, call
from skipsearch.searchspace.assembly.units import Merged, Row, Unit, units
from skipsearch.searchspace.layers import merge, norms


def attention(arch: Arch, shortcut: Attention) -> Merged:
    """Plan a network whose units attend over all earlier outputs."""
    match shortcut.placement:
        case BetweenStages(width=width):
            return _between_stages(arch, shortcut, width)
        case EveryBlock(projections="matched"):
            return _matched(arch, shortcut, shortcut.placement.downsampling)
        case EveryBlock():
            return _literal(arch, shortcut, shortcut.placement.downsampling)
        case _:
            assert_never(shortcut.placement)


@dataclass(frozen=True)
class _Output:
    """The newest output: its channels, and its stage (the stem belongs to the first)."""

    channels: int
    stage: int


@dataclass
class _Projections:
    """Projections by role and owner, made on first use: one object is one shared module."""

    made: dict[tuple[object, ...], Call] = field(default_factory=dict)

    def of(self, role: str, owner: object, inputs: int, outputs: int) -> Call:
        """Return the owner's projection for a role: the same object at every use."""
        key = (role, owner, inputs, outputs)
        if key not in self.made:
            self.made[key] = replace(blocks.projection(inputs, outputs), name=role)
        return self.made[key]

    def store(self, owner: object, inputs: int, outputs: int) -> Call:
        """Plan the layer that makes a key and a value of an output."""
        pair = (self.of(role, owner, inputs, outputs) for role in ("key", "value"))
        return call(merge.Store, *pair)


def _matched(arch: Arch, shortcut: Attention, downsampling: str) -> Merged:
    """Plan attention with a query for each use, keys and values for each stage.

    There is no output projection, and the classifier attends too. `outputs`: a unit that opens a
    stage attends at the old resolution, and the stored keys and values are adapted after it.
    `keys_values`: they first go through strided convolutions, and the unit attends at the new
    resolution and width.
    """
    row, newest, projections = Row(arch), _Output(arch.stem_channels, 0), _Projections()
    for unit in units(arch, "blocks", arch.output_widths):
        width = arch.output_widths[newest.stage]
        store = projections.store(newest.stage, newest.channels, width)
        if unit.stride > 1 and downsampling == "keys_values":
            query = blocks.projection(newest.channels, unit.outputs, unit.stride)
            before, after = _strided(width, unit), keep()
            block = unit.build(unit.outputs, 1)
        else:
            query = blocks.projection(newest.channels, width)
            before, after = keep(), _adapted(width, unit.outputs, unit.stride)
            block = unit.build(newest.channels if unit.first else width, unit.stride)
        if unit.first:
            one = _start(shortcut, newest, store, block, after)
        else:
            one = _step(shortcut, newest, store, before, _attend(shortcut, query), block, after)
        row.lay(unit, one)
        newest = _Output(unit.outputs, unit.stage)
    store = projections.store(newest.stage, newest.channels, newest.channels)
    attend = _attend(shortcut, blocks.projection(newest.channels, newest.channels))
    last = blocks.final(arch, newest.channels)
    read = _step(shortcut, newest, store, keep(), attend, last, keep())
    return ended(arch, row, arch.output_widths, read, newest.channels)


def _literal(arch: Arch, shortcut: Attention, downsampling: str) -> Merged:
    """Plan attention with query, key, value and output projection before every unit.

    The classifier reads the newest output. One set of projections serves the network (`outputs`;
    one for each width, if widths differ), or each stage has its own (`keys_values`), and that of
    the newest output's stage is used. A unit that opens a stage attends at the old resolution;
    then the stored keys and values are adapted.
    """
    row, newest, projections = Row(arch), _Output(arch.stem_channels, 0), _Projections()
    for unit in units(arch, "blocks", arch.output_widths):
        width = arch.output_widths[newest.stage]
        owner = newest.stage if downsampling == "keys_values" else "network"
        store = projections.store(owner, newest.channels, width)
        if unit.last:
            after = keep()
        elif unit.stride > 1 and downsampling == "keys_values":
            after = _strided(width, unit)
        else:
            after = _adapted(width, unit.outputs, unit.stride)
        if newest.channels != width:  # a stem of another width: its query would be used once,
            block = unit.build(newest.channels, unit.stride)  # over one entry, and never learn
            one = _start(shortcut, newest, store, block, after)
        else:
            query = projections.of("query", owner, width, width)
            attend = _attend(shortcut, query, projections.of("project", owner, width, width))
            block = unit.build(width, unit.stride)
            one = _step(shortcut, newest, store, keep(), attend, block, after)
        row.lay(unit, one)
        newest = _Output(unit.outputs, unit.stage)
    read = call(merge.Newest, blocks.final(arch, newest.channels))
    return ended(arch, row, arch.output_widths, read, newest.channels)


def _between_stages(arch: Arch, shortcut: Attention, widths: CommonWidth | OwnWidths) -> Merged:
    """Plan attention between stages (AS_stages, section 1.6).

    Each entry has its own key and value projection, each stage but the first its own query and
    output projection. `common`: all project to one width, and stored keys and values are
    subsampled. `own`: they have their entry's width, and go through convolutions to the next one's.
    """
    row, newest = Row(arch), _Output(arch.stem_channels, 0)
    for unit in units(arch, "stages", arch.output_widths):
        channels = newest.channels
        match widths:
            case CommonWidth(channels=width):
                after = _adapted(width, width, unit.stride)
            case OwnWidths():
                width = channels
                after = _adapted(width, unit.outputs, unit.stride)
        store = _Projections().store(newest.stage, channels, width)
        after = keep() if unit.last else after
        block = unit.build(channels, unit.stride)
        if unit.first:
            one = _start(shortcut, newest, store, block, after)
        else:
            query, project = blocks.projection(channels, width), blocks.projection(width, channels)
            attend = _attend(shortcut, query, project)
            one = _step(shortcut, newest, store, keep(), attend, block, after)
        row.lay(unit, one)
        newest = _Output(unit.outputs, unit.stage)
    read = call(merge.Newest, blocks.final(arch, newest.channels))
    return ended(arch, row, arch.output_widths, read, newest.channels)


def _adapted(inputs: int, outputs: int, stride: int) -> Call:
    """Plan how stored keys and stored values take the shape of the next unit."""
    return adapt(inputs, outputs, stride, _pair(inputs, outputs, stride))


def _strided(width: int, unit: Unit) -> Call:
    """Plan a strided 1×1 convolution for stored keys, and another for stored values."""
    return call(merge.Adapt, *_pair(width, unit.outputs, unit.stride))


def _pair(inputs: int, outputs: int, stride: int) -> list[Call]:
    return [blocks.projection(inputs, outputs, stride) for _ in range(2)]


def _attend(shortcut: Attention, query: Call, project: Call | None = None) -> Call:
    project, heads = project or call(nn.Identity), gcd(shortcut.heads, query.args[1])
    return call(merge.AttentionMerge, query=query, project=project, heads=heads)


def _start(shortcut: Attention, newest: _Output, store: Call, block: Call, after: Call) -> Call:
    norm = _entry_norm(shortcut, newest)
    return call(merge.Start, norm=norm, store=store, block=block, after=after)


def _step(
    shortcut: Attention,
    newest: _Output,
    store: Call,
    before: Call,
    attend: Call,
    block: Call,
    after: Call,
) -> Call:
    norm = _entry_norm(shortcut, newest)
    return call(
        merge.Step, norm=norm, store=store, before=before, merge=attend, block=block, after=after
    )


def _entry_norm(shortcut: Attention, newest: _Output) -> Call:
    if shortcut.entry_norm == "layer":
        return call(norms.LayerNorm2d, newest.channels)
    return call(nn.Identity)
