"""Channels of an architecture's blocks: inside them, what they put out, and what they read.

The functions take an `Arch`, also one that is being built, and know variants by their labels.
"""

from typing import Any

Channels = tuple[int, ...]


def inner_widths(arch: Any) -> Channels:
    """Return the channels inside the blocks of each stage: of a single convolution, its output."""
    return output_widths(arch) if arch.body.label == "single" else _widths(arch, arch.width)


def output_widths(arch: Any) -> Channels:
    """Return the output channels of each stage: of its blocks, but for concatenation's growth."""
    if arch.output.label == "expansion":
        return tuple(arch.output.ratio * width for width in _widths(arch, arch.width))
    return _widths(arch, arch.output)


def block_widths(arch: Any) -> Channels:
    """Return the channels that a unit of each stage puts out: under concatenation, the growth."""
    widths = output_widths(arch)
    if arch.shortcut.label != "concat":
        return widths
    return tuple(multiple_of_4(arch.shortcut.growth * width) for width in widths)


def _widths(arch: Any, width: Any) -> Channels:
    channels = width.channels
    match width.label:
        case "doubling":
            return tuple([channels << stage for stage in range(arch.stages)])
        case "constant":
            return tuple([channels] * arch.stages)
        case _:
            return tuple(channels)


def multiple_of_4(channels: float) -> int:
    """Round to the nearest multiple of 4, at least 4."""
    return max(4, round(channels / 4) * 4)


def opening_widths(arch: Any) -> Channels:
    """Return the channels that the first block of each stage reads."""
    own = block_widths(arch)
    if arch.shortcut.label == "concat":
        return tuple([row[0] for row in _concatenated(arch, own)])
    return (arch.stem_channels, *(own[1:] if strided_attention(arch) else own[:-1]))


def read_widths(arch: Any) -> tuple[Channels, ...]:
    """Return the channels that each block of each stage reads."""
    own = block_widths(arch)
    if arch.shortcut.label == "concat":
        return _concatenated(arch, own)
    parts = zip(opening_widths(arch), own, arch.blocks, strict=True)
    return tuple([(first, *(width,) * (count - 1)) for first, width, count in parts])


def _concatenated(arch: Any, own: Channels) -> tuple[Channels, ...]:
    shortcut, newest, stored = arch.shortcut, arch.stem_channels, 0
    rows: list[Channels] = []
    for stage, (width, count) in enumerate(zip(own, arch.blocks, strict=True)):
        if stage and shortcut.transition.label == "compress":
            newest, stored = multiple_of_4(shortcut.transition.theta * (stored + newest)), 0
        row: list[int] = []
        for block in range(count):
            if shortcut.placement == "blocks" or not block:
                stored += newest
                newest = width
                row.append(stored)
            else:
                row.append(width)
        rows.append(tuple(row))
    return tuple(rows)


def strided_attention(arch: Any) -> bool:
    """Return True if keys and values are halved by convolutions before a stage's first block."""
    if arch.shortcut.label != "attention" or arch.shortcut.placement.label != "blocks":
        return False
    placement = arch.shortcut.placement
    return (placement.projections, placement.downsampling) == ("matched", "keys_values")


def blocks_halve(arch: Any) -> bool:
    """Return True if the first block of a later stage halves the resolution by its convolutions."""
    if arch.shortcut.label == "concat":
        return bool(arch.shortcut.transition.label == "subsample")
    return not strided_attention(arch)
