"""Turn an architecture into its plan: stem, stages joined by the shortcut, head."""

from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Any, assert_never

from torch import nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.blocks import Conv3, Conv7
from skipsearch.searchspace.arch.heads import Pool, Tokens
from skipsearch.searchspace.arch.shortcuts import (
    Attention,
    Concat,
    NoShortcut,
    PseudoQuery,
    Sum,
    Weighted,
)
from skipsearch.searchspace.assembly import blocks, concat_and_sums, depth_attention
from skipsearch.searchspace.assembly.plan import Call, call
from skipsearch.searchspace.assembly.stage import stages
from skipsearch.searchspace.assembly.units import chained
from skipsearch.searchspace.layers.network import MergeNetwork, Network, PoolHead
from skipsearch.searchspace.layers.tokens import (
    EncoderLayer,
    LearnedPosition,
    TokenAttention,
    TokenHead,
)

Shape = tuple[int, int, int]


def assemble(arch: Arch, *, classes: int, shape: Shape) -> Call:
    """Return the plan of `arch` for images of `shape` (channels, height, width).

    Raises
    ------
    ValueError
        Fewer than 2 classes, channels other than 1 or 3, or images too small for the strides.
    """
    channels, height, width = shape
    if classes < 2 or channels not in (1, 3):
        raise ValueError(
            f"a classifier needs at least 2 classes and images of 1 or 3 channels, "
            f"got {classes} classes and {channels} channels"
        )
    check_fits(arch, height, width)
    kind, parts, widths = _between(arch)
    parts |= {"stem": blocks.stem(arch, channels), "head": head(arch, widths, classes)}
    order = ("stem", "stages", "read", "head")
    return call(kind, **{name: parts[name] for name in order if name in parts}, init=arch.init)


@dataclass(frozen=True)
class Features:
    """Channels and strides of the maps of `forward_features`: of the stem, then of each stage."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]


def features(arch: Arch) -> Features:
    """Return the network's features; those of the last stage are as the head reads them."""
    (_, stem), *halving = _strides(arch)
    strides = [2**stem, 1, *(2**count for _, count in halving)]
    return Features(tuple(_between(arch)[2]), tuple(accumulate(strides, mul)))


def _between(arch: Arch) -> tuple[type, dict[str, Any], list[int]]:
    """Return the network's class, its parts between stem and head, and the features' channels."""
    match arch.shortcut:
        case NoShortcut() | Sum():
            widths = [arch.stem_channels, *arch.output_widths]
            return Network, {"stages": chain(arch, arch.shortcut)}, widths
        case Concat():
            merged = concat_and_sums.concat(arch, arch.shortcut)
        case Weighted() | PseudoQuery():
            merged = concat_and_sums.summed(arch, arch.shortcut)
        case Attention():
            merged = depth_attention.attention(arch, arch.shortcut)
        case _:
            assert_never(arch.shortcut)
    return MergeNetwork, {"stages": merged.stages, "read": merged.read}, merged.channels


def chain(arch: Arch, residual: Sum | NoShortcut) -> list[Call]:
    """Plan the stages, each a sequence of blocks that read only the block before."""
    row, inputs = [], arch.stem_channels
    for stage in stages(arch, arch.output_widths):
        closes = stage.number == arch.stages - 1
        after = blocks.final(arch, stage.outputs) if closes else call(nn.Identity)
        row.append(chained(stage, residual, inputs, 2 if stage.number else 1, after))
        inputs = stage.outputs
    return row


def head(arch: Arch, channels: list[int], classes: int) -> Call:
    """Plan the head for features with these channels: of the stem and of each stage."""
    match arch.head:
        case Pool(before=before):
            pool = call(nn.Identity)
            if before == "max_pool":
                pool = call(nn.MaxPool2d, 2, ceil_mode=True)
            return call(PoolHead, channels[-1], classes, pool)
        case Tokens():
            return _token_head(arch.head, channels, classes)
        case _:
            assert_never(arch.head)


def _token_head(tokens: Tokens, channels: list[int], classes: int) -> Call:
    width, rotary, drop = tokens.channels, tokens.position == "rotary", tokens.dropout
    layers = []
    for _ in range(tokens.layers):
        heads = {"bias": not rotary, "rotary": rotary}
        attention = call(TokenAttention, width, tokens.heads, drop, **heads)
        layers.append(call(EncoderLayer, attention, width, tokens.hidden, drop))
    position = call(nn.Identity)
    if tokens.position == "learned":
        position = call(LearnedPosition, len(channels), width)
    return call(TokenHead, channels, width, layers, classes, position)


def check_fits(arch: Arch, height: int, width: int) -> None:
    """Raise ValueError if a stride meets a map of one pixel."""
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
