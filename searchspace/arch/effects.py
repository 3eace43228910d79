"""Parameters that have no effect beside others, and the skips and gates that a network has.

The functions take an `Arch`, also one that is being built, and know variants by their labels. They
say what `searchspace.assembly` builds: tests hold that against the plans of random networks.
"""

from collections.abc import Callable
from typing import Any

from skipsearch.searchspace.arch.widths import (
    Channels,
    block_widths,
    blocks_halve,
    inner_widths,
    opening_widths,
    output_widths,
    read_widths,
)
from skipsearch.searchspace.parameters.domains import At, Needs

GATED = {  # `on` of a gate inside convolutions → the roles of a convolution that has it
    "spatial": {"spatial"},
    "first": {"first"},
    "later": {"later", "projection"},
    "body": {"first", "later"},
    "all": {"first", "later", "projection"},
}
ROLES: dict[str, tuple[set[str], ...]] = {  # of the convolutions of a body, in their order
    "basic": ({"first", "spatial"}, {"later", "spatial"}),
    "bottleneck": ({"first"}, {"later", "spatial"}, {"later"}),
    "single": ({"first", "spatial"},),
}


def has_residuals(arch: Any) -> bool:
    """Return True if blocks are added to what they read: sums, or residuals inside stages."""
    match arch.shortcut.label:
        case "sum":
            return True
        case "none":
            return False
        case "attention":
            return bool(arch.shortcut.placement.label == "stages")
    return bool(arch.shortcut.placement == "stages")


def _match(arch: Any) -> str:
    """Return the label of what is added where the shape changes."""
    found: str = arch.shortcut.match.label if arch.shortcut.label == "sum" else "projection"
    return found


def _wider(arch: Any) -> list[bool]:
    """Return, for each stage, whether its first block changes the width."""
    pairs = zip(opening_widths(arch), block_widths(arch), strict=True)
    return [read != width for read, width in pairs]


def has_skips(arch: Any) -> bool:
    """Return True if any block of a residual network is added to something."""
    return _match(arch) != "identity" or max(arch.blocks) > 1 or not all(_wider(arch))


def _projects(arch: Any, stage: int) -> bool:
    """Return True if the first block of a stage has a projection beside it."""
    if not has_residuals(arch) or _match(arch) != "projection":
        return False
    return bool(stage and blocks_halve(arch)) or _wider(arch)[stage]


def _activates_skip(arch: Any) -> bool:
    """Return True if a skip changes its map: it may read it before or after norm and ReLU."""
    if not has_residuals(arch):
        return False
    halves = blocks_halve(arch)
    if _match(arch) == "identity":
        return halves and not all(_wider(arch)[1:])
    return halves or any(_wider(arch))


def gated_widths(arch: Any, gate: Any) -> list[Channels]:
    """Return the channels of each gate in each stage, none in a stage without the gate."""
    if gate.place.label == "convolution":
        rows = [_convolved(arch, gate, stage) for stage in range(arch.stages)]
    else:
        pairs = zip(block_widths(arch), arch.blocks, strict=True)
        rows = [(width,) * _gates(gate.place, blocks) for width, blocks in pairs]
    if gate.stages.label != "each":
        return rows
    return [row if on else () for row, on in zip(rows, gate.stages.gated, strict=True)]


def _gates(place: Any, blocks: int) -> int:
    """Count the gates of a stage of `blocks` at a place that is not inside convolutions."""
    match place.label:
        case "branch":
            return blocks
        case "block":
            return blocks if place.first else blocks - 1
        case _:
            return 1


def _convolved(arch: Any, gate: Any, stage: int) -> Channels:
    """Return the channels of each gate inside the convolutions of a stage."""
    roles, inner = GATED[gate.place.on], inner_widths(arch)[stage]
    widths = []
    for block, read in enumerate(read_widths(arch)[stage]):
        parts = enumerate(ROLES[arch.body.label])
        widths += [inner if later else read for later, own in parts if own & roles]
        if not block and "projection" in roles and _projects(arch, stage):
            widths.append(read)
    return tuple(widths)


def _convolves(arch: Any, gate: Any, stage: int, block: int) -> bool:
    """Return True if a gate stands inside the convolutions of a block."""
    roles = GATED[gate.place.on]
    if any(own & roles for own in ROLES[arch.body.label]):
        return True
    return not block and "projection" in roles and _projects(arch, stage)


def _has_place(arch: Any, gate: Any, stage: int) -> bool:
    """Return True if a stage has a place for the gate: widths, which cost more, do not matter."""
    if gate.place.label == "convolution":
        return _convolves(arch, gate, stage, 0)
    return _gates(gate.place, arch.blocks[stage]) > 0


def gated_blocks(arch: Any) -> tuple[tuple[bool, ...], ...]:
    """Return, for each block of each stage, whether a gate stands in it or right after it."""
    gate = arch.gate
    if gate.label == "none":
        return tuple((False,) * blocks for blocks in arch.blocks)
    rows = []
    for stage, on in enumerate(gated_stages(arch, gate)):
        numbers = range(arch.blocks[stage])
        match gate.place.label:
            case "branch":
                row = [True for _ in numbers]
            case "block":
                row = [bool(number or gate.place.first) for number in numbers]
            case "stage":
                row = [number == numbers[-1] for number in numbers]
            case _:
                row = [_convolves(arch, gate, stage, number) for number in numbers]
        rows.append(tuple(on and one for one in row))
    return tuple(rows)


def gated_stages(arch: Any, gate: Any) -> tuple[bool, ...]:
    """Return, for each stage, whether it has a gate."""
    places = tuple([_has_place(arch, gate, stage) for stage in range(arch.stages)])
    if gate.stages.label != "each":
        return places
    return tuple([on and there for on, there in zip(gate.stages.gated, places, strict=True)])


def _may_share(at: At) -> bool:
    if at.own.place.label == "stage":
        return False
    return any(len(set(row)) < len(row) for row in gated_widths(at.root, at.own))


def _squeezes_otherwise(at: At) -> bool:
    """Return True if a gate stands on maps of another width than that inside its block."""
    pairs = zip(gated_widths(at.root, at.own), inner_widths(at.root), strict=True)
    return any(width != inner for row, inner in pairs for width in row)


def _gated_on(text: str, fits: Callable[[int], bool]) -> Needs:
    """Need a gate on maps of a width that `fits`."""

    def holds(at: At) -> bool:
        return any(fits(width) for row in gated_widths(at.root, at.own) for width in row)

    return Needs(f"a gated width {text}", holds)


def _keeps_keys_otherwise(at: At) -> bool:
    """Return True if the two ways to halve stored keys and values differ, as they do but for
    projections that are taken literally and widths that differ from stage to stage. Nothing reads
    what the last block stores.
    """
    read = at.root.stages - (at.root.blocks[-1] == 1)
    widths = output_widths(at.root)[:read]
    return at.own.projections == "matched" or len(set(widths)) < len(widths)


def _is_inside(at: At) -> bool:
    if at.root.body.label != "single":
        return True
    return bool(at.root.output.label == "expansion")


def _ends_bare(at: At) -> bool:
    arch = at.root
    bare = arch.activation.label == "pre" and arch.last_norm.label == "none"
    return bool(bare and at.own.place.label == "branch")


WIDTH = Needs("body ≠ single or output = expansion", _is_inside)
STRIDED = Needs("blocks that halve the map themselves", lambda at: blocks_halve(at.root))
ACTIVATED_SKIP = Needs("a skip that changes its map", lambda at: _activates_skip(at.root))
OWN_POOL = Needs("downsampling ≠ average_pool", lambda at: at.root.downsampling != "average_pool")
GATEABLE = Needs(
    "a place for the gate in the stage",
    lambda at: _has_place(at.root, at.parent, at.stage),
)
SHARABLE = Needs("two gates of one width in a stage", _may_share)
SHARED = Needs("sharing = stage", lambda at: at.own.sharing == "stage")
OTHER_WIDTH = Needs("gated maps of another width than inside the block", _squeezes_otherwise)
BARE_BRANCH = Needs("activation = pre, last_norm = none, place = branch", _ends_bare)
STACKED = Needs("cells ≥ 2", lambda at: at.own.cells > 1)
WIDTH_BY_8 = _gated_on("that 8 divides", lambda width: width % 8 == 0)
WIDTH_OF_8 = _gated_on("of 8 at least", lambda width: width >= 8)
WIDTH_OF_12 = _gated_on("of 12 at least", lambda width: width >= 12)
WIDTH_OF_72 = _gated_on("of 72 at least", lambda width: width >= 72)
WIDE_ENOUGH = Needs("an output width of 8 at least", lambda at: max(output_widths(at.root)) >= 8)
OWN_TRANSITION = Needs("projections = matched, or two stages of one width", _keeps_keys_otherwise)
CHANNEL_MASK = Needs("masks ≠ spatial", lambda at: at.own.masks != "spatial")
SPATIAL_MASK = Needs("masks ≠ channel", lambda at: at.own.masks != "channel")
