"""Parameters that have no effect beside others, and the skips and gates that a network has.

The functions take an `Arch`, also one that is being built, and know variants by their labels. They
say what `searchspace.assembly` builds: tests hold that against the plans of random networks.
"""

from collections.abc import Callable, Iterator
from typing import Any

from skipsearch.searchspace.arch.widths import (
    Channels,
    block_widths,
    blocks_halve,
    inner_widths,
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


def _changes(arch: Any) -> Iterator[tuple[int, bool, bool]]:
    """Yield, for each stage, its number and whether its first block changes width, and the map."""
    halves = blocks_halve(arch)
    for stage, (reads, width) in enumerate(zip(read_widths(arch), block_widths(arch), strict=True)):
        yield stage, reads[0] != width, bool(stage and halves)


def has_skips(arch: Any) -> bool:
    """Return True if any block of a residual network is added to something."""
    if _match(arch) != "identity" or max(arch.blocks) > 1:
        return True
    return any(not wider for _, wider, _ in _changes(arch))


def _projects(arch: Any, stage: int) -> bool:
    """Return True if the first block of a stage has a projection beside it."""
    if not has_residuals(arch) or _match(arch) != "projection":
        return False
    return any(wider or halves for one, wider, halves in _changes(arch) if one == stage)


def _activates_skip(arch: Any) -> bool:
    """Return True if a skip changes its map: it may read it before or after norm and ReLU."""
    if not has_residuals(arch):
        return False
    kept = _match(arch) == "identity"
    return any((wider or halves) and not (wider and kept) for _, wider, halves in _changes(arch))


def gated_widths(arch: Any, gate: Any, stage: int) -> Channels:
    """Return the channels of each gate in a stage that has the gate, at the gate's place."""
    blocks = range(arch.blocks[stage])
    match gate.place.label:
        case "branch":
            count = len(blocks)
        case "block":
            count = len(blocks) - (not gate.place.first)
        case "stage":
            count = 1
        case _:
            return tuple(width for one in blocks for width in _convolved(arch, gate, stage, one))
    return (block_widths(arch)[stage],) * count


def _convolved(arch: Any, gate: Any, stage: int, block: int) -> Iterator[int]:
    """Yield the channels of each gate inside the convolutions of a block."""
    roles, inner = GATED[gate.place.on], inner_widths(arch)[stage]
    reads = read_widths(arch)[stage][block]
    for later, own in enumerate(ROLES[arch.body.label]):
        if own & roles:
            yield inner if later else reads
    if not block and "projection" in roles and _projects(arch, stage):
        yield reads


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
                row = [any(_convolved(arch, gate, stage, number)) for number in numbers]
        rows.append(tuple(on and one for one in row))
    return tuple(rows)


def gated_stages(arch: Any, gate: Any) -> tuple[bool, ...]:
    """Return, for each stage, whether it has a gate."""
    stages = gate.stages
    asked = stages.gated if stages.label == "each" else (True,) * arch.stages
    return tuple(on and bool(gated_widths(arch, gate, stage)) for stage, on in enumerate(asked))


def _may_share(at: At) -> bool:
    arch, gate = at.root, at.own
    if gate.place.label == "stage":
        return False
    there = [gated_widths(arch, gate, k) for k, on in enumerate(gated_stages(arch, gate)) if on]
    return any(len(set(widths)) < len(widths) for widths in there)


def _squeezes_otherwise(at: At) -> bool:
    """Return True if a gate stands on maps of another width than that inside its block."""
    arch, gate = at.root, at.own
    there = [k for k, on in enumerate(gated_stages(arch, gate)) if on]
    inner = inner_widths(arch)
    return any(width != inner[k] for k in there for width in gated_widths(arch, gate, k))


def _gated_on(text: str, fits: Callable[[int], bool]) -> Needs:
    """Need a gate on maps of a width that `fits`."""

    def holds(at: At) -> bool:
        arch, gate = at.root, at.own
        there = [k for k, on in enumerate(gated_stages(arch, gate)) if on]
        return any(fits(width) for k in there for width in gated_widths(arch, gate, k))

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
    lambda at: bool(gated_widths(at.root, at.parent, at.stage)),
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
