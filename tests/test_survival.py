"""A study that is killed at any write loses nothing and ends as if it were not killed."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from killed import MOMENTS, Death, Killed, Moment, killed_at, small_study, train, violations

from studies.study import Study

Whole = tuple[Study, optuna.Study, Death]


def whole(folder: Path, **of: Any) -> Whole:
    study = small_study(**of)
    with killed_at() as passed:
        done = train(study, folder)
    assert min(passed.passed.values()) > 300 and not violations(study, done, folder)
    return study, done, passed


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(tmp_path_factory.mktemp("whole"))


def check(whole: Whole, folder: Path, moment: Moment, number: int) -> None:
    study, done, _ = whole
    with killed_at(moment, number), pytest.raises(Killed):
        train(study, folder)
    again = train(study, folder)
    assert not violations(study, again, folder, done), f"killed {moment} write {number}"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_study_that_is_killed_at_any_write_ends_like_one_that_was_not(
    tmp_path: Path, search: Whole, moment: Moment
) -> None:
    """A spread of three writes a moment here; `benchmarks/survival.py` has all of them."""
    for third in range(3):
        number = 7 + (3 * third + MOMENTS.index(moment)) * search[2].passed[moment] // 9
        check(search, tmp_path / str(number), moment, number)
