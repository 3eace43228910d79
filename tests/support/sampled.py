"""Run all instances of a test under `pytest --full`, else a seeded sample of them.

A test that is parametrised over all cases and marked `@pytest.mark.sampled(COUNT)` runs COUNT of
its instances. The seed is the test's name, so that every run, and every process of one, has the
same sample.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import pytest


def left_out(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the instances that a sample leaves out."""
    instances = defaultdict(list)
    for item in items:
        if mark := item.get_closest_marker("sampled"):
            instances[item.nodeid.partition("[")[0], *mark.args].append(item)
    without = set[pytest.Item]()
    for (test, count), ones in instances.items():
        chosen = spread(len(ones), count, seed=test.partition("::")[2])
        without |= set(ones) - {ones[at] for at in chosen}
    return without


def spread(total: int, count: int, seed: str) -> list[int]:
    """Sample `count` of `total` places, one from each of `count` equal runs of neighbours.

    Neighbours are alike (presets of a paper, forms of a gate), so that the sample has some of each
    kind.
    """
    if total <= count:
        return list(range(total))
    rng = random.Random(seed)
    ends = [part * total // count for part in range(count + 1)]
    return [rng.randrange(*run) for run in pairwise(ends)]
