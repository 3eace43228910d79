"""Reduce an architecture to what `diagram.js` draws: stem, stages, shortcuts, gates, head."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.blocks import Conv7
from skipsearch.searchspace.arch.effects import gated_blocks
from skipsearch.searchspace.arch.gates import NoGate
from skipsearch.searchspace.arch.shortcuts import Attention, BetweenStages, NoShortcut, Sum
from skipsearch.searchspace.arch.widths import block_widths
from skipsearch.searchspace.parameters.walk import override


@dataclass(frozen=True)
class DrawnStage:
    """One stage of a sketch."""

    blocks: int
    channels: int  # of a block's output
    side: int  # of its maps, in pixels
    gated: tuple[bool, ...]  # for each block, whether a gate is drawn at it


@dataclass(frozen=True)
class Sketch:
    """The parts of a network that the drawing shows."""

    stem: str
    stem_channels: int
    stages: tuple[DrawnStage, ...]
    shortcut: str
    reach: str  # of the shortcut: `none`, over each `block`, from all earlier `blocks` or `stages`
    gate: str  # "" for none
    place: str  # of the gate: branch, block, stage, convolution
    head: str

    def to_list(self) -> list[Any]:
        """Return the fields in order, as JSON for the script (`sketchOf` in `diagram.js`)."""
        stages = [[s.blocks, s.channels, s.side, list(map(int, s.gated))] for s in self.stages]
        places = [self.reach, self.gate, self.place, self.head]
        return [self.stem, self.stem_channels, stages, self.shortcut, *places]


def sketch(flat: Mapping[str, Any], size: int) -> Sketch | None:
    """Sketch a flat architecture for images of `size` × `size` pixels; None if this version does
    not know it (a shortcut that a user registered).
    """
    return _sketch(tuple(sorted(flat.items())), size)


@lru_cache(maxsize=8192)
def _sketch(flat: tuple[tuple[str, Any], ...], size: int) -> Sketch | None:
    try:
        arch = override(Arch, dict(flat))
    except (ValueError, TypeError):
        return None
    gate = arch.gate
    first = -(-size // 4) if isinstance(arch.stem, Conv7) else size
    rows = zip(arch.blocks, block_widths(arch), gated_blocks(arch), strict=True)
    stages = tuple(
        DrawnStage(blocks, width, max(1, -(-first // 2**number)), gated)
        for number, (blocks, width, gated) in enumerate(rows)
    )
    return Sketch(
        stem=arch.stem.label,
        stem_channels=arch.stem_channels,
        stages=stages,
        shortcut=arch.shortcut.label,
        reach=_reach(arch),
        gate="" if isinstance(gate, NoGate) else gate.label,
        place="" if isinstance(gate, NoGate) else gate.place.label,
        head=arch.head.label,
    )


def _reach(arch: Arch) -> str:
    match arch.shortcut:
        case NoShortcut():
            return "none"
        case Sum():
            return "block"
        case Attention(placement=placement):
            return "stages" if isinstance(placement, BetweenStages) else "blocks"
        case merging:
            return merging.placement
