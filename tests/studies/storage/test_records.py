"""The attributes of trials and studies, declared; how a trial ended, of any version."""

import math
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from skipsearch.studies.engine.driver import run
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.results.retrained import SUFFIX
from skipsearch.studies.retraining.retrain import retrain
from skipsearch.studies.storage.find import source_of
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.studies.storage.trial_record import TrialRecord, is_trained, kind_of
from skipsearch.studies.storage.verdict import Kind, Verdict, kind_in_text
from skipsearch.trainers.trial.job import Report
from tests.support.kills import small_study
from tests.support.tabulated_training import Final, Silent, Tabulated

ENDS = {  # the text of each end as it was written before verdicts had a kind
    Kind.COMPLETE: (TrialState.COMPLETE, [""]),
    Kind.PRUNED: (
        TrialState.PRUNED,
        ["not among the best after epoch 3", "asha: epoch 1"],  # the latter by the first version
    ),
    Kind.OVER_LIMIT: (TrialState.PRUNED, ["over limit: params 412,000 > 300,000"]),
    Kind.DIVERGED: (
        TrialState.PRUNED,
        ["diverged: loss is nan at step 17", "diverged: kept_error is nan after epoch 3"],
    ),
    Kind.TOO_LONG: (TrialState.PRUNED, ["took more than 2.5 minutes"]),
    Kind.MISFIT: (TrialState.PRUNED, ["does not fit: stage 3 is left with no pixels", "", "else"]),
    Kind.REPEAT: (TrialState.PRUNED, ["repeats trial 17"]),
    Kind.FAILED: (
        TrialState.FAIL,
        [
            "RuntimeError: no such luck",
            "out of memory: OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
            "its driver died 3 times in epoch 1",
            "ended without reporting val_error",
            "superseded by another training",
            "diverged: what a user's code raised",  # the state goes before the text
            "",
        ],
    ),
    Kind.ABANDONED: (TrialState.FAIL, ["abandoned by its driver"]),
}
OLD = [(kind, state, why) for kind, (state, texts) in ENDS.items() for why in texts]


def test_every_kind_is_one_state_of_optuna_and_has_an_old_text() -> None:
    assert {kind: kind.state for kind in Kind} == {k: state for k, (state, _) in ENDS.items()}


@pytest.mark.parametrize(("kind", "state", "why"), OLD)
def test_a_verdict_of_an_older_version_has_the_kind_that_its_text_says(
    kind: Kind, state: TrialState, why: str
) -> None:
    flat = {"state": state.name, "why": why, "constraints": [0.5], "values": None}
    verdict = Verdict.from_dict(flat)
    assert verdict == Verdict(kind, why, [0.5], None)
    assert Verdict.from_dict(verdict.to_dict()) == verdict
    assert {**flat, "kind": kind.value} == verdict.to_dict()  # older versions read it
    values = [0.5] if state == TrialState.COMPLETE else None
    for attributes in ({"why": why}, {"why": why, "verdict": flat}):
        trial = create_trial(state=state, values=values, user_attrs=attributes)
        assert kind_of(trial) == kind


def test_the_kind_decides_whatever_the_text_says() -> None:
    verdict = Verdict(Kind.TOO_LONG, "diverged: in other words", [0.5])
    trial = create_trial(state=TrialState.PRUNED, user_attrs={"verdict": verdict.to_dict()})
    assert kind_of(trial) == Kind.TOO_LONG
    assert kind_of(create_trial(state=TrialState.RUNNING)) is None


class Fates(Tabulated):
    """The second trial diverges, the third raises, the fourth takes too long."""

    def train_epoch(self) -> None:
        if self.job.number == 2:
            raise RuntimeError("diverged: a text that decides nothing")

    def report(self) -> Report:
        told = replace(super().report(), seconds=1e9 if self.job.number == 3 else 0.5)
        return replace(told, val_error=math.nan) if self.job.number == 1 else told


def undeclared(study: optuna.Study, trials: list[FrozenTrial]) -> set[str]:
    """Keys that were written and that no record declares."""
    keys = {key for trial in trials for key in trial.user_attrs}
    return (keys - {*TrialRecord.declared()}) | ({*study.user_attrs} - {*StudyRecord.declared()})


def test_a_study_declares_all_that_it_writes_and_its_ends_are_told_apart(tmp_path: Path) -> None:
    """Of one that prunes, promotes, refuses and fails, and of what imports and retrains it."""
    given = {"concurrency": 1, "deterministic": False, "halving": "promote"}
    given |= {"max_trial_minutes": 5}
    config = small_study(name="base", **given)
    base = run(config, folder=tmp_path / "base", observer=Silent(), in_process=True, begin=Fates)
    assert not undeclared(base, base.trials)
    ends = {Kind.COMPLETE, Kind.PRUNED, Kind.OVER_LIMIT, Kind.DIVERGED, Kind.FAILED, Kind.TOO_LONG}
    assert {kind_of(trial) for trial in base.trials} - {Kind.REPEAT} == ends
    for trial in base.trials:
        record = TrialRecord.of(trial)
        assert kind_of(trial) == kind_in_text(trial.state, record[TrialRecord.why])
        assert is_trained(trial) == (record.charged is True) == (record.attempts is not None)

    done = run(
        small_study(name="next", **given | {"trials": 1}),
        folder=tmp_path / "next",
        observer=Silent(),
        in_process=True,
        begin=Tabulated,
        imports=[source_of("base", folder=tmp_path)],
    )
    assert not undeclared(done, done.trials)
    skipped = StudyRecord.of(done)[StudyRecord.imports][0]["skipped"]
    assert (skipped["failed"], skipped["not trained to the end"]) == (1, 1)
    told = [t for t in done.trials if TrialRecord.of(t).imported is not None]
    assert {kind_of(t) for t in told} == {Kind.COMPLETE, Kind.PRUNED, Kind.DIVERGED}

    number = front_trials(base)[0].number
    retrain("base", [number], seeds=1, folder=tmp_path, serial=True, begin=Final)
    beside = optuna.load_study(study_name=f"base{SUFFIX}", storage=base._storage)
    assert not undeclared(beside, beside.trials)
    assert [kind_of(t) for t in beside.trials] == [Kind.COMPLETE]


def test_a_key_that_is_not_declared_cannot_be_written() -> None:
    study = optuna.create_study()
    store = Store(study, study._storage, "")
    with pytest.raises(KeyError, match="TrialRecord declares no wy"):
        store.note(study.ask(), why="", wy="")
    with pytest.raises(KeyError, match="TrialRecord declares no baselin"):
        store.enqueue({"baselin": "x"})
    with pytest.raises(KeyError, match="StudyRecord declares no versoins"):
        write_study(study, versoins={})
    assert not study.user_attrs and [t.user_attrs for t in study.trials] == [{}]


def test_what_is_not_written_is_none_and_what_must_be_there_says_its_name() -> None:
    record = TrialRecord({"params": 7, "attempts": 0})
    assert record.params == 7 and record[TrialRecord.attempts] == 0
    assert record.seed is None and record.arch is None and record.measured("macs") is None
    assert record.costs(["params"]) == (7.0,)
    with pytest.raises(KeyError, match="identity"):
        _ = record.cost
    assert StudyRecord({}).settings == {}


def test_every_key_says_what_it_is() -> None:
    for record in (TrialRecord, StudyRecord):
        for name, key in record.declared().items():
            assert key.name == name and len(key.about) > 10
