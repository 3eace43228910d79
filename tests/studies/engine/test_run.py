"""Whole studies on real Ray and real SQLite, with training that costs nothing (and once real)."""

import json
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.check import check, load_data
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.page.files import Report
from skipsearch.studies.retraining.retrain import retrain
from skipsearch.studies.run_study import Together
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.training import Training
from tests.support.tabulated_training import (
    ByNetwork,
    Faulty,
    Final,
    Silent,
    Tabulated,
    charged,
    study_of,
    trained_once,
    val_error,
)

pytestmark = [
    # Ray leaves sockets and /dev/null handles of processes that it ended to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Ray 2.60 on its own future defaults for machines without a GPU.
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


def assert_true_states(study: optuna.Study) -> None:
    """What must hold of every study of tabulated trials, whatever happened to it."""
    assert Counter(t.state for t in study.trials).keys() <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }
    repeated = Counter(
        (t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in charged(study)
    )
    assert max(repeated.values()) == 1
    for trial in charged(study):
        curve, facts = trial.intermediate_values, trial.user_attrs
        assert list(curve) == list(range(1, len(curve) + 1))
        if trial.state == TrialState.COMPLETE:
            assert len(curve) == facts["epochs"] == facts["max_epochs"] == 9
            assert trial.values == [curve[9], facts["params"]]
            assert set(trial.constraints.values()) == {0.0} or max(trial.constraints.values()) <= 0
        elif trial.state == TrialState.PRUNED:
            assert max(trial.constraints.values()) > 0 and facts["why"]
    for member in study.best_trials:
        assert member.user_attrs["epochs"] == member.user_attrs["max_epochs"]


def test_a_study_has_its_trials_with_true_states_and_whole_curves(
    cluster: str, tmp_path: Path
) -> None:
    observer = Silent()
    config = study_of(baselines={"presets": ["cnntention/resnet20"]})
    done = run(config, folder=tmp_path / "a b", observer=observer, begin=Tabulated)
    assert_true_states(done)
    assert len(charged(done)) == 12
    assert done.metric_names == ["val_error", "params"]
    for trial in charged(done):
        curve = {e: val_error(trial.number, e) for e in trial.intermediate_values}
        assert trial.intermediate_values == curve
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["epochs"] in (1, 3)
            assert (
                trial.user_attrs["why"]
                == f"not among the best after epoch {trial.user_attrs['epochs']}"
            )
    assert {t.state for t in charged(done)} == {TrialState.COMPLETE, TrialState.PRUNED}
    baseline = done.trials[0]
    assert baseline.user_attrs["baseline"] == "cnntention/resnet20"
    assert baseline.state == TrialState.COMPLETE and baseline.user_attrs["params"] > 200_000
    assert observer.calls[0] == "started" and observer.calls[-1] == "finished"
    assert {"study.toml", "split.json"} <= {p.name for p in (tmp_path / "a b").iterdir()}
    assert trained_once(tmp_path / "a b")


def test_a_finished_study_does_nothing_and_a_longer_one_goes_on(
    cluster: str, tmp_path: Path
) -> None:
    first = run(study_of(trials=4), folder=tmp_path, observer=Silent(), begin=Tabulated)
    before = [(t.number, t.datetime_complete) for t in first.trials]
    again = run(study_of(trials=4), folder=tmp_path, observer=Silent(), begin=Tabulated)
    assert [(t.number, t.datetime_complete) for t in again.trials] == before
    more = run(study_of(trials=7), folder=tmp_path, observer=Silent(), begin=Tabulated)
    assert [(t.number, t.datetime_complete) for t in more.trials][: len(before)] == before
    assert len(charged(more)) == 7
    assert more.user_attrs["study"]["study"]["trials"] == 7
    assert "trials = 7" in (tmp_path / "study.toml").read_text()
    assert_true_states(more)
    with pytest.raises(ValueError, match=r"\[study\] epochs was 9, now 3: put it back"):
        run(study_of(epochs=3), folder=tmp_path, observer=Silent(), begin=Tabulated)


def test_nan_errors_and_deaths_are_results_with_a_reason(cluster: str, tmp_path: Path) -> None:
    config = study_of(pruner="none", trials=6)
    done = run(config, folder=tmp_path, observer=Silent(), begin=Faulty)
    assert_true_states(done)
    broken, died, diverged, silent = done.trials[1:5]
    assert broken.state == TrialState.FAIL
    assert broken.user_attrs["why"] == "RuntimeError: no such luck"
    assert broken.user_attrs["attempts"] == 3 and broken.intermediate_values == {1: val_error(1, 1)}
    assert "second line" in (tmp_path / "trials" / "1" / "error.txt").read_text()
    assert died.state == TrialState.COMPLETE and died.user_attrs["attempts"] == 2
    assert diverged.state == TrialState.PRUNED
    assert diverged.user_attrs["why"] == "diverged: loss is nan at step 17"
    assert silent.state == TrialState.FAIL
    assert silent.user_attrs["why"].startswith("report has no val_error, which must be a number")
    assert silent.user_attrs["attempts"] == 1 and silent.intermediate_values == {}
    assert len(charged(done)) == 6 and trained_once(tmp_path)


def test_proposals_over_a_limit_are_neither_trained_nor_charged(
    cluster: str, tmp_path: Path
) -> None:
    config = study_of(limits={"params": 20_000}, trials=5)
    done = run(config, folder=tmp_path, observer=Silent(), begin=Tabulated)
    assert_true_states(done)
    refused = [t for t in done.trials if t.user_attrs["why"].startswith("over limit")]
    assert refused and len(charged(done)) == 5
    for trial in refused:
        assert trial.state == TrialState.PRUNED and not trial.intermediate_values
        params = trial.user_attrs["params"]
        assert trial.user_attrs["why"] == f"over limit: params {params:,} > 20,000"
        assert trial.constraints["0"] == params / 20_000 - 1 > 0
    assert all(t.user_attrs["params"] <= 20_000 for t in charged(done))


def test_more_cores_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"concurrency × cpus_per_trial must be at most \d+"):
        run(study_of(cpus_per_trial=999), folder=tmp_path / "run", observer=Silent())
    assert not (tmp_path / "run").exists()


class Looking(Silent):
    """Whether the images that were loaded are still there, change by change."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bool] = []

    def load(self, config: StudyConfig) -> Data:
        data = load_data(config)
        self.loaded = weakref.ref(data.train)
        return data

    def changed(self, store: Store) -> None:
        self.kept.append(self.loaded() is not None)


def test_real_networks_are_trained_on_images_that_ray_alone_keeps(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_ray, in_process = Looking(), Looking()
    config = study_of(trials=3, epochs=2, pruner="none", train_subset=200, keep="all")
    monkeypatch.setitem(run.__globals__, "load_data", on_ray.load)
    done = run(config, folder=tmp_path, observer=Together(on_ray, Report(tmp_path)))
    for trial in charged(done):
        assert trial.state == TrialState.COMPLETE, trial.user_attrs["why"]
        assert trial.user_attrs["epochs"] == 2 and list(trial.intermediate_values) == [1, 2]
        assert trial.user_attrs["seconds"] > 0
        checkpoint = Path(trial.user_attrs["checkpoint"])
        assert checkpoint == tmp_path / "trials" / str(trial.number) / "checkpoint-00002.pt"
        assert checkpoint.exists()
    assert len(pd.read_csv(tmp_path / "trials.csv")) == len(done.trials)
    assert json.loads((tmp_path / "front.json").read_text())["front"]
    monkeypatch.setitem(run.__globals__, "load_data", in_process.load)
    run(replace(config, trials=4), folder=tmp_path, observer=in_process, in_process=True)
    assert set(on_ray.kept) == {False} and set(in_process.kept) == {True}


def test_several_seeds_a_trial_are_trained_side_by_side(cluster: str, tmp_path: Path) -> None:
    config = study_of(trials=2, pruner="none", seeds_per_trial=2)
    done = run(config, folder=tmp_path, observer=Silent(), begin=ByNetwork)
    assert_true_states(done)
    for trial in charged(done):
        facts = trial.user_attrs
        seeds = derived_seed(0, facts["identity"]), derived_seed(0, facts["identity"], 1)
        assert facts["val_errors"] == [val_error(seed, 9) for seed in seeds]
        assert trial.values[0] == sum(facts["val_errors"]) / 2
        for name in ("seed-0", "seed-1"):
            log = tmp_path / "trials" / str(trial.number) / name / "trained.txt"
            assert log.read_text().split() == [str(epoch) for epoch in range(1, 10)]


def test_networks_are_retrained_side_by_side(cluster: str, tmp_path: Path) -> None:
    config = study_of(trials=2, epochs=3, pruner="none")
    done = run(config, folder=tmp_path / config.name, observer=Silent(), begin=Tabulated)
    found = retrain(config.name, [0, 1], seeds=2, folder=tmp_path, begin=Final)
    seeds = {t.number: t.user_attrs["seed"] for t in done.trials}
    assert {n: own.seeds[0] for n, own in found.items()} == seeds
    for own in found.values():
        assert own.test_errors == tuple(val_error(seed, 99) for seed in own.seeds)
    logs = [p.read_text().split() for p in tmp_path.glob("*/retrained/*/*/trained.txt")]
    assert logs == [["1", "2", "3"]] * 4


def test_a_storage_that_fails_in_the_middle_ends_in_one_line_and_loses_nothing(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def fail_later(
        _self: Store, trial: object, epoch: int, error: float, point=Store.point
    ) -> None:  # type: ignore[no-untyped-def]
        written.append(epoch)
        if len(written) == 20:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        point(_self, trial, epoch, error)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "point", fail_later)
        with pytest.raises(ValueError, match=r"storage failed: .*disk is full") as caught:
            run(study_of(), folder=tmp_path, observer=Silent(), begin=Tabulated)
    assert "\n" not in str(caught.value)
    done = run(study_of(), folder=tmp_path, observer=Silent(), begin=Tabulated)
    assert_true_states(done)
    assert len(charged(done)) == 12


def test_check_tells_what_would_be_searched_and_warns_of_limits_that_nothing_keeps() -> None:
    lines = "\n".join(check(study_of(limits={"params": 20_000})).lines())
    assert "12 trials of 9 epochs, gp, pareto-asha, 2 at a time" in lines
    assert "1,437 to train on" in lines or "to validate with, 10 classes, 1×8×8" in lines
    assert "of 200 samples fit the images" in lines and "over params 20,000" in lines
    assert "warning" not in lines
    assert (
        "warning: `run` would end with status 3"
        in check(study_of(limits={"params": 9})).lines()[-1]
    )


def test_a_trial_goes_on_from_its_last_whole_checkpoint(tmp_path: Path) -> None:
    """The worker's half of resuming, without Ray: the checkpointed epoch is reported again, what
    follows is bit-equal to a training that nothing interrupted.
    """
    config = study_of(train_subset=100)
    data = load_data(config)
    arch = Arch(stages=2, blocks=(1, 1), stem_channels=8)
    recipe = {**encode(RECIPES["short"]), "epochs": 4}

    def begun(folder: str) -> Training:
        job = Job(0, encode(arch), recipe, 7, 4, str(tmp_path / folder), 1, "cpu")
        return Training(job, data)

    whole = begun("whole")
    errors = [whole.step().val_error for _ in range(4)]
    for _ in range(3):
        assert begun("killed").step().epoch == 1  # killed before its second epoch, thrice
    killed = begun("killed")
    assert [killed.step().epoch for _ in range(3)] == [1, 2, 3]
    older, newest = sorted((tmp_path / "killed").glob("checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    again = begun("killed")
    reports = [again.step() for _ in range(3)]
    assert [r.epoch for r in reports] == [2, 3, 4] and older.name == "checkpoint-00002.pt"
    assert [r.val_error for r in reports] == errors[1:]
    assert reports[-1].seconds > reports[0].seconds > 0
    curve = pd.read_csv(tmp_path / "killed" / "curve.csv")
    assert list(curve["epoch"]) == [1, 2, 3, 4] and list(curve["val_error"]) == errors
