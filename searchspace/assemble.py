"""From an architecture to its plan: stem, stages joined by the shortcut, head."""

from typing import assert_never

from torch import nn

from searchspace import attending, bricks, merging
from searchspace.arch import Arch, Conv3, Conv7
from searchspace.layers.network import MergeNetwork, Network, PoolHead
from searchspace.plan import Call, call
from searchspace.shortcuts import Attention, Concat, NoShortcut, Sum, Weighted
from searchspace.units import Merged

Shape = tuple[int, int, int]


def assemble(arch: Arch, *, classes: int, shape: Shape) -> Call:
    """The plan of `arch` for images of `shape` (channels, height, width) in `classes` classes.

    Raises ValueError where the images are too small for the strides.
    """
    channels, height, width = shape
    if classes < 2 or channels not in (1, 3):
        raise ValueError(
            f"a classifier needs at least 2 classes and images of 1 or 3 channels, "
            f"got {classes} classes and {channels} channels"
        )
    check_fits(arch, height, width)
    stem = bricks.stem(arch, channels)
    match arch.shortcut:
        case NoShortcut() | Sum():
            stages = chain(arch, arch.shortcut)
            head = call(PoolHead, arch.output_widths[-1], classes)
            return call(Network, stem=stem, stages=stages, head=head)
        case Concat():
            return _merge_network(stem, merging.concat(arch, arch.shortcut), classes)
        case Weighted():
            return _merge_network(stem, merging.weighted(arch, arch.shortcut), classes)
        case Attention():
            return _merge_network(stem, attending.attention(arch, arch.shortcut), classes)
        case _:
            assert_never(arch.shortcut)


def _merge_network(stem: Call, merged: Merged, classes: int) -> Call:
    head = call(PoolHead, merged.channels, classes)
    return call(MergeNetwork, stem=stem, stages=merged.stages, read=merged.read, head=head)


def chain(arch: Arch, residual: Sum | NoShortcut) -> list[Call]:
    """The stages, each a sequence of blocks that read only the one before."""
    stages, inputs = [], arch.stem_channels
    widths = zip(arch.blocks, arch.inner_widths, arch.output_widths, strict=True)
    for stage, (count, inner, outputs) in enumerate(widths):
        first = bricks.block(arch, residual, inputs, inner, outputs, 2 if stage else 1)
        rest = [bricks.block(arch, residual, outputs, inner, outputs, 1) for _ in range(count - 1)]
        gate = bricks.gate_at("stage", arch, outputs)
        after = [] if gate.cls is nn.Identity else [gate]
        stages.append(call(nn.Sequential, first, *rest, *after))
        inputs = outputs
    return stages


def check_fits(arch: Arch, height: int, width: int) -> None:
    """Raise ValueError where a stride meets a map of one pixel."""
    size = min(height, width)
    for where, strides in _strides(arch):
        for _ in range(strides):
            if size < 2:
                raise ValueError(
                    f"images of {height}×{width} are too small: nothing is left to halve at "
                    f"{where}; take larger images, fewer stages or the conv3 stem"
                )
            size = (size + 1) // 2


def _strides(arch: Arch) -> list[tuple[str, int]]:
    match arch.stem:
        case Conv3():
            stem = 0
        case Conv7():
            stem = 2
        case _:
            assert_never(arch.stem)
    return [(f"the {arch.stem.label} stem", stem)] + [
        (f"stage {stage}", 1) for stage in range(2, arch.stages + 1)
    ]
