"""The benchmark of proposals, on a made table of all its networks."""

import random
from itertools import product

import pytest

from tests.support import ROOT

BENCHMARKS = ROOT / "benchmarks"


def test_every_loop_trains_networks_of_the_table_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from search_quality import LOOPS, Results

    rng, cells = random.Random(0), map("".join, product("01234", repeat=6))
    results = Results({cell: (rng.random(), rng.random()) for cell in cells}, 0.9)
    for loop in LOOPS.values():
        found = loop(results, 0, 14)
        assert len(found) == len(set(found)) == 14 and {*found} <= {*results.points}
        assert 0 < results.covered(found[:7]) <= results.covered(found) < 1
    assert results.covered(list(results.points)) == pytest.approx(1)
