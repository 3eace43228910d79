"""Random architectures of the whole space, with widths and depths that a CPU trains at once."""

import random

from hypothesis import strategies

from skipsearch.searchspace import Arch, Space, parse_space
from skipsearch.searchspace.parameters.domains import Choice, Domain, Floats, Integers, Scalar

SMALL = {
    "blocks": [1, 2, 3],
    "stem_channels": [4, 8, 12, 16, 24],
    "width.doubling.channels": [4, 8, 12, 16],
    "width.constant.channels": [4, 8, 12, 16, 24],
    "width.each.channels": [4, 8, 12, 16, 24, 32],
    "output.constant.channels": [4, 8, 12, 16, 24],
    "output.each.channels": [4, 8, 12, 16, 24, 32],
    "shortcut.attention.placement.stages.width.common.channels": [4, 8, 12, 16, 24],
}
# 1,344 networks, with choices inside choices
CONDITIONAL = {
    "stem": "conv3",
    "stem_channels": [8, 16],
    "stages": [2, 3],
    "blocks": [1, 2],
    "body": "basic",
    "body.basic.dropout": 0.0,
    "width": "each",
    "width.each.channels": 8,
    "output": "expansion",
    "output.expansion.ratio": [1, 2],
    "norm": "batch",
    "last_norm": ["batch", "group"],
    "last_norm.group.groups": [1, 2, 4],
    "activation": "post",
    "downsampling": "stride",
    "shortcut": ["none", "sum"],
    "shortcut.sum.match": ["identity", "zero_pad"],
    "shortcut.sum.add": ["plain", "layer_scale"],
    "shortcut.sum.add.layer_scale.start": [0.1, 1.0],
    "shortcut.sum.drop": 0.0,
    "gate": "none",
    "head": "pool",
}


def small_space(**more: object) -> Space[Arch]:
    return parse_space(Arch, SMALL | more)


def draw(count: int, seed: int = 0) -> list[Arch]:
    """Draw `count` architectures; every choice between alternatives is free."""
    rng, space = random.Random(seed), small_space()
    return [space.sample(rng) for _ in range(count)]


@strategies.composite
def architectures(pick: strategies.DrawFn) -> Arch:
    """Answer the same walk by hypothesis; examples shrink towards the first alternatives."""
    return small_space().draw(lambda _name, domain, _default: pick(values(domain)))


def values(domain: Domain) -> strategies.SearchStrategy[Scalar]:
    match domain:
        case Choice(listed):
            return strategies.sampled_from(listed)
        case Integers(low, high, step):
            return strategies.sampled_from(range(low, high + 1, step))
        case Floats(low, high):
            return strategies.floats(low, high)
