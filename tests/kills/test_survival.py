"""A study that is killed at any write loses nothing and ends as if it were not killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.trainers.trial import training
from skipsearch.trainers.trial.checkpoints import Checkpoints
from tests.support.kills import (
    MOMENTS,
    SPACES,
    Death,
    Killed,
    Moment,
    killed_at,
    outcome,
    small_study,
    train,
    violations,
)
from tests.support.tabulated_training import Silent, study_of

Whole = tuple[StudyConfig, optuna.Study, Death]
PARTS = 30


def whole(folder: Path, **of: Any) -> Whole:
    config = small_study(**{"trials": 13, **of})
    with killed_at() as passed:
        done = train(config, folder)
    statements, transactions = passed.passed["after"], passed.passed["committed"]
    assert statements > 300 and transactions > 100 and not violations(config, done, folder)
    return config, done, passed


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(tmp_path_factory.mktemp("whole"))


def check(whole: Whole, folder: Path, moment: Moment, number: int) -> None:
    study, done, _ = whole
    with killed_at(moment, number), pytest.raises(Killed):
        train(study, folder)
    again = train(study, folder)
    assert not violations(study, again, folder, done), f"killed {moment} write {number}"


@pytest.mark.sampled(9)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_study_that_is_killed_at_any_write_ends_like_one_that_was_not(
    tmp_path: Path, search: Whole, moment: Moment, part: int
) -> None:
    """Writes spread over the whole study, each a second: three a moment, under `--full` `PARTS`;
    `benchmarks/survival.py` has every one.
    """
    check(search, tmp_path, moment, 7 + part * (search[2].passed[moment] - 7) // PARTS)


# What a kill leaves of a checkpoint that is written; how often its epoch is trained again.
LEFT: dict[str, tuple[Callable[[Path], object], int]] = {
    "half of it, unnamed": (lambda path: halve(path.rename(path.with_suffix(".part"))), 1),
    "all of it, unnamed": (lambda path: path.rename(path.with_suffix(".part")), 1),
    "all of it, unreported": (lambda path: None, 0),
}


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(("leave", "again"), LEFT.values(), ids=LEFT)
def test_a_training_that_is_killed_at_a_checkpoint_goes_on_bit_by_bit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[Path], object],
    again: int,
) -> None:
    config = study_of(trials=2, epochs=2, pruner="none", train_subset=100, space=SPACES["narrow"])
    saved: list[str] = []

    def save(place: Checkpoints, *rest: Any, real: Any = training.save) -> None:
        real(place, *rest)
        saved.append(place.name(place.epochs()[0]))
        if len(saved) == 2:
            leave(Path(saved[1]))
            raise Killed

    whole = run(config, folder=tmp_path / "whole", observer=Silent(), in_process=True)
    monkeypatch.setattr(training, "save", save)
    with pytest.raises(Killed):
        run(config, folder=tmp_path, observer=Silent(), in_process=True)
    done = run(config, folder=tmp_path, observer=Silent(), in_process=True)
    assert outcome(done) == outcome(whole)
    assert [t.state for t in done.trials] == [TrialState.COMPLETE] * 2
    assert len(saved) == 4 + again
