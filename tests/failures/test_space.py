"""Failure cases of what is searched: limits nobody meets, a space that ends, networks that cannot
be, fronts of nothing and of everything.
"""

import math
import random
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial

from skipsearch.searchspace import build
from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.space import parse_space
from skipsearch.studies.config.limits import Infeasible
from skipsearch.studies.pareto import non_dominated
from skipsearch.studies.results.front import front_trials, knee
from tests.support.failure_cases import LR, ONE, quick, refused, skipsearch, train, write_study
from tests.support.slow_front import slow_front
from tests.support.tabulated_training import charged

DIGITS = {"dataset": "digits", "trials": 2, "epochs": 1, "name": "s"}


def test_case_11_limits_that_nobody_meets_end_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match=r"none of 200 sampled networks keeps params ≤ 100"):
        train(quick(limits={"params": 100}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    tables = {"study": DIGITS, "space": ONE, "limits": {"params": 100}}
    words = "run", write_study(tmp_path / "s.toml", tables), "--serial", "--folder", tmp_path
    status, _, error = skipsearch(*words, "--quiet")
    assert status == 3 and error.count("\n") == 1 and "raise a limit or narrow [space]" in error


def test_case_11_limits_that_one_network_meets_end_the_study_with_it(tmp_path: Path) -> None:
    """The sample at the start finds it; the proposals that follow do not go on for ever."""
    space = {**ONE, "stem_channels": [8, *range(64, 129, 8)]}
    done = train(quick(space=space, recipe={}, limits={"params": 20_000}), tmp_path)
    (only,) = charged(done)
    assert only.user_attrs["arch"]["stem_channels"] == 8 and only.state == TrialState.COMPLETE
    assert done.user_attrs["exhausted"]
    assert all(t.state.is_finished() for t in done.trials)


def test_case_12_a_space_smaller_than_the_budget_ends_the_study_and_says_so(
    tmp_path: Path,
) -> None:
    config = quick(trials=12, space={**ONE, "stem_channels": [8, 16]}, recipe={})
    done = train(config, tmp_path)
    assert len(charged(done)) == 2
    assert done.user_attrs["exhausted"].startswith("all networks of the space were trained")
    (repeat,) = (t for t in done.trials if "duplicate_of" in t.user_attrs)
    assert repeat.state == TrialState.PRUNED
    asked = len(done.trials)
    again = train(config, tmp_path)
    assert len(charged(again)) == 2 and len(again.trials) <= asked + 1


NARROW = {
    "stages": 2,
    "blocks": 1,
    "body": "basic",
    "stem_channels": 8,
    "width": "constant",
    "width.constant.channels": 8,
    "output": "constant",
    "output.constant.channels": 8,
    "gate": "none",
    "shortcut": "sum",
    "head": "pool",
}
HEADS = [
    ({"shortcut": "attention", "shortcut.attention.heads": [1, 2, 4, 8]}, 8),
    ({"head": "tokens", "head.tokens.channels": 32, "head.tokens.heads": [1, 2, 4, 8, 16]}, 8),
]


@pytest.mark.parametrize(("space", "size"), HEADS)
def test_case_15_every_number_of_heads_of_the_space_divides_its_channels(
    space: dict[str, Any], size: int
) -> None:
    rng, parsed = random.Random(0), parse_space(Arch, {**NARROW, **space}, where="t")
    for _ in range(8):
        build(parsed.sample(rng), classes=3, shape=(1, size, size))(torch.rand(2, 1, size, size))


def test_case_15_heads_that_divide_no_channels_are_refused_by_check(tmp_path: Path) -> None:
    space = {**NARROW, "shortcut": "attention", "shortcut.attention.heads": [3, 5]}
    error = refused("check", write_study(tmp_path / "s.toml", {"study": DIGITS, "space": space}))
    assert "shortcut.attention.heads must be" in error


def test_case_15_downsampling_below_one_pixel_is_refused_before_training(tmp_path: Path) -> None:
    space = {**NARROW, "stages": 4, "stem": "conv7"}
    file = write_study(tmp_path / "s.toml", {"study": DIGITS, "space": space})
    status, out, _ = skipsearch("check", file)
    assert status == 0 and "0 of 200 samples fit the images" in out and "are too small" in out
    status, _, error = skipsearch("run", file, "--serial", "--folder", tmp_path, "--quiet")
    assert status == 3 and "images of 8×8 are too small" in error and error.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("shortcut", ["attention", "concat", "weighted", "sum"])
@pytest.mark.parametrize("size", [(9, 13), (16, 16)])
def test_case_15_sources_of_unlike_resolution_are_joined_or_refused_before_training(
    shortcut: str, size: tuple[int, int]
) -> None:
    space = parse_space(Arch, {**NARROW, "stages": 3, "shortcut": shortcut}, where="t")
    rng = random.Random(0)
    for _ in range(4):
        model = build(space.sample(rng), classes=3, shape=(1, *size))
        logits = model(torch.rand(2, 1, *size))
        assert logits.shape == (2, 3) and bool(torch.isfinite(logits).all())
        logits.sum().backward()


def study_of_values(*values: tuple[float, float]) -> optuna.Study:
    study = optuna.create_study(directions=["minimize"] * 2)
    facts = {"epochs": 3, "max_epochs": 3}
    for pair in values:
        study.add_trial(create_trial(values=list(pair), user_attrs=facts))
    return study


def numbers(study: optuna.Study) -> list[int]:
    return sorted(t.number for t in front_trials(study))


def test_case_16_fronts_of_ties_identical_points_and_one_point() -> None:
    assert numbers(study_of_values((0.2, 5.0))) == [0]
    assert numbers(study_of_values(*[(0.2, 5.0)] * 4)) == [0, 1, 2, 3]
    ties = study_of_values((0.2, 5.0), (0.2, 4.0), (0.1, 5.0), (0.3, 4.0))
    assert numbers(ties) == [1, 2]
    assert knee(front_trials(study_of_values(*[(0.2, 5.0)] * 4))) is None


def test_case_16_a_study_without_a_feasible_trial_has_no_front(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["minimize"] * 2)
    study.add_trial(create_trial(state=TrialState.FAIL))
    infeasible = create_trial(values=[0.1, 5.0], system_attrs={"constraints": [0.5, 0.0]})
    study.add_trial(infeasible)
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.1}))
    assert front_trials(study) == []
    tables = {"study": DIGITS, "space": ONE, "recipe": LR}
    file = write_study(tmp_path / "s.toml", tables)
    changes = ("--set", "max_trial_minutes=0.0000001", "--set", "epochs=2")
    words = "run", file, "--serial", "--folder", tmp_path, "--quiet", *changes
    status, _, error = skipsearch(*words)
    assert status == 3 and "Traceback" not in error
    assert skipsearch("front", "s", "--folder", tmp_path, "--csv")[0] == 0


class Counted(float):
    """A float that counts its comparisons."""

    comparisons = 0

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float.__lt__(self, other)

    def __le__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float.__le__(self, other)

    def __gt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float.__gt__(self, other)

    def __ge__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float.__ge__(self, other)


@pytest.mark.parametrize(("objectives", "kind"), list(product((2, 3), ("random", "all on it"))))
def test_case_16_ten_thousand_trials_are_sorted_and_not_compared_in_pairs(
    objectives: int, kind: str
) -> None:
    rng, n = random.Random(0), 10_000
    rows = [[rng.random() + 1e-3 for _ in range(objectives)] for _ in range(n)]
    if kind == "all on it":
        rows = [[v / sum(row) for v in row] for row in rows]
    points = [tuple(map(Counted, row)) for row in rows]
    Counted.comparisons = 0
    kept = non_dominated(points)
    assert Counted.comparisons < 40 * n * math.log2(n) / 8  # in pairs it would be 50 million
    if kind == "all on it":
        assert all(kept)
    front = [tuple(row) for row, on_it in zip(rows, kept, strict=True) if on_it]
    sample = [tuple(row) for row in rng.sample(rows, 200)]
    best = front[:200]
    expected = slow_front(best + sample)
    assert all(expected[: len(best)])
    on_front = set(front)
    for point, alone in zip(sample, expected[len(best) :], strict=True):
        if point in on_front:
            assert alone
