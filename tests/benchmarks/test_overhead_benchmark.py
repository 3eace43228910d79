"""The benchmark of the engine's cost: what it looks at and what it says."""

import sys
from collections.abc import Callable

import pytest

from tests.support import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from overhead import (  # type: ignore[import-not-found,unused-ignore]
    Look,
    growth_of_cost,
    growth_of_memory,
    measure,
    table,
    verdicts,
)


def looks(cpu: Callable[[int], float], mib: Callable[[int], float]) -> list[Look]:
    return [Look(n, 2 * cpu(n), cpu(n), mib(n)) for n in range(0, 1001, 100)]


def test_a_steady_driver_grows_neither_in_cost_nor_in_memory() -> None:
    steady = looks(lambda n: 0.05 * n, lambda n: 900.0 + min(n, 200))
    assert growth_of_cost(steady, 1000) == pytest.approx(1)
    assert growth_of_memory(steady) == 0


def test_a_cost_that_grows_with_the_trials_is_seen() -> None:
    """Reading all trials at every proposal: the n-th costs n."""
    growing = looks(lambda n: n * n / 2, lambda n: 900 + n / 10)
    assert growth_of_cost(growing, 1000) == pytest.approx(950 / 150)
    assert growth_of_memory(growing) == pytest.approx(80)


def test_verdicts_are_those_of_the_bars() -> None:
    figures = {"trials": 1000, "sampler": "tpe", "seconds": 90.0}
    said = verdicts(figures | {"memory_growth_mib": 80.0, "growth_of_cost": 3.0})
    assert said[0].endswith("bar 120 s met, aim 60 s not reached")
    assert said[1].endswith("NOT met") and len(said) == 2
    more = {"trials": 10_000, "sampler": "random", "memory_growth_mib": 8.0, "growth_of_cost": 1.5}
    assert [line.rsplit(" ", 2)[1:] for line in verdicts(figures | more)] == [
        ["MiB", "met"],
        ["1.5", "met"],
    ]


def test_a_small_study_is_measured_to_its_end() -> None:
    seen: list[int] = []
    figures = measure(6, "random", 1, True, seen.append)
    assert figures["states"]["PRUNED"] + figures["states"].get("COMPLETE", 0) == seen[-1] >= 6
    assert figures["ask_and_tell_ms"] > 0 and figures["storage_mib"] > 0
    assert verdicts(figures) == []
    assert table(figures).row_count == 1
