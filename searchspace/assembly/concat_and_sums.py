"""Plans of concatenation and of weighted sums over all earlier outputs.

Before each unit (a block, or a stage), the newest output is stored and all stored outputs are
merged; after a unit that changes resolution or width, the stored outputs are adapted to it.
"""

from collections.abc import Sequence

from torch import nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.shortcuts import Compress, Concat, PseudoQuery, Weighted
from skipsearch.searchspace.arch.widths import block_widths, multiple_of_4
from skipsearch.searchspace.assembly import blocks as bricks
from skipsearch.searchspace.assembly.plan import Call, call
from skipsearch.searchspace.assembly.units import Merged, Row, units
from skipsearch.searchspace.layers import blocks, merge


def concat(arch: Arch, shortcut: Concat) -> Merged:
    """Plan a network whose units read all earlier outputs, concatenated (DenseNet)."""
    growth = block_widths(arch)
    row, newest, stored = Row(arch), arch.stem_channels, list[int]()
    for unit in units(arch, shortcut.placement, growth):
        stride = unit.stride
        if stride > 1 and isinstance(shortcut.transition, Compress):
            kept = multiple_of_4(shortcut.transition.theta * (sum(stored) + newest))
            row.plain[unit.stage].append(_transition(arch, sum(stored) + newest, kept))
            newest, stored, stride = kept, [], 1
        stored.append(newest)
        merged = call(merge.ConcatMerge) if len(stored) > 1 else None
        after = call(merge.Adapt, call(blocks.Subsample, 2)) if stride > 1 else keep()
        row.lay(unit, step(merged, unit.build(sum(stored), stride), after))
        newest = unit.outputs
    if shortcut.classifier == "newest":
        return ended(arch, row, growth, call(merge.Newest, bricks.final(arch, newest)), newest)
    width = sum(stored) + newest
    read = step(call(merge.ConcatMerge), bricks.final(arch, width), keep())
    return ended(arch, row, growth, read, width)


def summed(arch: Arch, shortcut: Weighted | PseudoQuery) -> Merged:
    """Plan a network whose units read a weighted sum of all earlier outputs.

    `Weighted`: the newest output, plus each older one times a weight per channel. `PseudoQuery`:
    all outputs, weighed by a softmax at each position.
    """
    row, newest, stored = Row(arch), arch.stem_channels, 0
    for unit in units(arch, shortcut.placement, arch.output_widths):
        merged = _sum(shortcut, stored, newest) if stored else None
        unread = unit.last and shortcut.classifier == "newest"
        shape = newest, unit.outputs, unit.stride
        convolution = bricks.conv(newest, unit.outputs, 1, unit.stride)
        after = keep() if unread else adapt(*shape, [convolution])
        row.lay(unit, step(merged, unit.build(newest, unit.stride), after))
        newest, stored = unit.outputs, stored + 1
    last = bricks.final(arch, newest)
    if shortcut.classifier == "newest":
        return ended(arch, row, arch.output_widths, call(merge.Newest, last), newest)
    read = step(_sum(shortcut, stored, newest), last, keep())
    return ended(arch, row, arch.output_widths, read, newest)


def ended(arch: Arch, row: Row, outputs: tuple[int, ...], read: Call, channels: int) -> Merged:
    """Gather the stages, what the head reads, and the features' channels, `channels` at the end."""
    return Merged(row.stages(), read, [arch.stem_channels, *outputs[:-1], channels])


def _sum(shortcut: Weighted | PseudoQuery, older: int, channels: int) -> Call:
    match shortcut:
        case Weighted():
            return call(merge.WeightedMerge, older, channels)
        case PseudoQuery():
            return call(merge.PseudoQueryMerge, channels)


def step(merged: Call | None, block: Call, after: Call) -> Call:
    """Plan a step that stores outputs unchanged; `merged` is None if there is nothing to merge."""
    norm, store = call(nn.Identity), call(merge.Store, call(nn.Identity))
    if merged is None:
        return call(merge.Start, norm=norm, store=store, block=block, after=after)
    return call(
        merge.Step, norm=norm, store=store, before=keep(), merge=merged, block=block, after=after
    )


def keep() -> Call:
    """Plan a memory that stays as it is."""
    return call(merge.Keep)


def adapt(inputs: int, outputs: int, stride: int, convolutions: Sequence[Call]) -> Call:
    """Plan how stored maps take a unit's shape.

    Each goes through its 1×1 convolution if the width changes, else it is subsampled.
    """
    if inputs != outputs:
        return call(merge.Adapt, *convolutions)
    if stride > 1:
        return call(merge.Adapt, *(call(blocks.Subsample, stride) for _ in convolutions))
    return keep()


def _transition(arch: Arch, inputs: int, outputs: int) -> Call:
    squeezed = call(
        blocks.Transition, bricks.norm(arch.norm, inputs), bricks.conv(inputs, outputs, 1)
    )
    return call(merge.CompressStep, squeezed)
