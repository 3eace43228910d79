"""The storage of a study: opened, checked, led by one, told once."""

import getpass
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.storage.connect import connect
from skipsearch.studies.storage.lease import driver
from skipsearch.studies.storage.store import Store, load
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.studies.storage.write_through import Mirror
from tests.support.tabulated_training import GIVEN

STUDY = StudyConfig.from_dict(GIVEN, where="tabulated.toml")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def opened(url: str, config: StudyConfig = STUDY, space_hash: str = "a") -> Store:
    return open_store(config, url, space_hash)


def lease(**changes: Any) -> dict[str, Any]:
    parent = psutil.Process(os.getppid())
    return {
        "run": "other",
        "host": socket.gethostname(),
        "user": getpass.getuser(),
        "pid": parent.pid,
        "started": parent.create_time(),
        "since": "then",
        "beat": time.time(),
        "closed": False,
        **changes,
    }


def test_a_new_study_says_what_it_is(url: str) -> None:
    study = opened(url).study
    assert study.metric_names == ["val_error", "params"]
    assert {d.name for d in study.directions} == {"MINIMIZE"}
    assert study.user_attrs["study"] == STUDY.to_dict()
    assert study.user_attrs["space_hash"] == "a" and "torch" in study.user_attrs["versions"]
    mode = connect(url)._backend.engine.connect()  # type: ignore[attr-defined]
    assert mode.exec_driver_sql("pragma journal_mode").scalar() == "wal"
    mode.close()


def test_another_space_or_study_is_refused_and_more_trials_are_not(url: str) -> None:
    opened(url)
    more = StudyConfig.from_dict(
        {**GIVEN, "study": {**GIVEN["study"], "trials": 99}}, where="t.toml"
    )
    before = opened(url, more).study.user_attrs["study"]
    assert before == STUDY.to_dict()  # only who has the lease writes
    with pytest.raises(ValueError, match="begun with other domains"):
        opened(url, space_hash="b")
    other = StudyConfig.from_dict({**GIVEN, "limits": {"params": 9}}, where="t.toml")
    with pytest.raises(ValueError, match=r"\[limits\] params was not given, now 9"):
        opened(url, other)


def test_a_study_of_somebody_else_is_refused(url: str) -> None:
    optuna.create_study(study_name="tabulated", storage=url)
    with pytest.raises(ValueError, match="is not one of ours"):
        opened(url)


def test_a_study_whose_driver_died_as_it_made_it_is_completed(url: str) -> None:
    """Between Optuna's creation and the first of our attributes nothing says whose it is."""
    optuna.create_study(study_name="tabulated", storage=url, directions=["minimize"] * 2)
    store = opened(url)
    assert store.study.user_attrs["study"] == STUDY.to_dict()
    assert store.study.metric_names == ["val_error", "params"]
    other = optuna.create_study(study_name="other", storage=url, directions=["minimize"] * 2)
    other.tell(other.ask(), [0.5, 1.0])
    config = StudyConfig.from_dict(
        {**GIVEN, "study": {**GIVEN["study"], "name": "other"}}, where="t.toml"
    )
    with pytest.raises(ValueError, match="study other in the storage is not one of ours"):
        opened(url, config)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("sqlite:////nowhere/at/all.db", "folder /nowhere/at does not exist"),
        ("mysql+nothing://x/y", "cannot be opened"),
        ("nonsense", "cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_gets_one_line(where: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        opened(where)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_gets_one_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database" * 100)
    with pytest.raises(ValueError, match="not a database") as caught:
        opened(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"closed": True}, False),
        ({"pid": 2**22 + 1}, False),  # no such process
        ({"started": 1.0}, False),  # the number is another process's by now
        ({"host": "elsewhere"}, True),
        ({"host": "elsewhere", "beat": 1.0}, False),
        ({"beat": 1.0}, True),  # a driver of this host that is silent, and runs
    ],
)
def test_one_driver_at_a_time(url: str, changes: dict[str, Any], refused: bool) -> None:
    store = opened(url)
    store.study.set_user_attr("lease", lease(**changes))
    assert bool(driver(store.study)) == refused  # named by `status` where `run` is refused
    if not refused:
        store.take_lease()
        assert store.study.user_attrs["lease"]["run"] == store.run
        return
    with pytest.raises(ValueError, match=r"is being run by process \d+ of .+ on .+ since then"):
        store.take_lease()


def test_a_driver_that_was_killed_and_not_yet_waited_for_is_dead(url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        store, begun = opened(url), psutil.Process(child.pid).create_time()
        store.study.set_user_attr("lease", lease(pid=child.pid, started=begun))
        with pytest.raises(ValueError, match=f"is being run by process {child.pid}"):
            store.take_lease()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert not driver(store.study)
        store.take_lease()


def test_a_process_names_itself_as_the_driver_and_may_take_its_lease_again(url: str) -> None:
    """After an exception that kept it from closing the lease."""
    first = opened(url)
    first.take_lease()
    assert driver(first.study).startswith(f"process {os.getpid()} on {socket.gethostname()} (last")
    second = opened(url)
    second.take_lease()
    second.release()
    assert not driver(second.study)


def test_a_driver_that_lost_its_lease_stops(url: str) -> None:
    store = opened(url)
    store.take_lease()
    store.study.set_user_attr("lease", lease())
    with pytest.raises(ValueError, match="was taken over"):
        store.beat(force=True)
    store.release()
    assert store.study.user_attrs["lease"]["run"] == "other"


def test_constraints_reach_optuna_in_the_form_that_the_dashboard_reads(url: str) -> None:
    store = opened(url)
    for violation, kind in ((0.0, Kind.COMPLETE), (0.5, Kind.PRUNED)):
        trial = store.study.ask()
        values = [0.1, 5.0] if kind == Kind.COMPLETE else None
        store.conclude(trial, Verdict(kind, "", [-0.1, violation], values))
    complete, pruned = load("tabulated", storage=url).trials
    assert complete.constraints == {"0": -0.1, "1": 0.0} and complete.values == [0.1, 5.0]
    assert pruned.system_attrs["constraints"] == [-0.1, 0.5] and pruned.state == TrialState.PRUNED


def test_what_a_dead_driver_left_is_told_abandoned_or_handed_out(url: str) -> None:
    store = opened(url)
    asked, telling, training = (store.study.ask() for _ in range(3))
    store.note(asked, arch={})
    verdict = Verdict(Kind.COMPLETE, "", [0.0], [0.25, 7.0])
    store.note(telling, charged=True, verdict=verdict.to_dict())
    store.note(training, charged=True)
    again = opened(url)
    assert [t.number for t in again.interrupted()] == [telling.number, training.number]
    again.tell(again.trials[telling.number], verdict)
    states = [t.state for t in again.trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING]
    assert again.trials[1].values == [0.25, 7.0]


def test_the_mirror_reads_what_the_database_holds(url: str) -> None:
    store = opened(url)
    store.study.sampler = optuna.samplers.RandomSampler(seed=0)
    store.study.enqueue_trial({"a": 3}, user_attrs={"baseline": "b"})
    for number in range(4):
        trial = store.study.ask()
        trial.suggest_int("a", 1, 5)
        trial.suggest_categorical("b", [True, "x", 2])
        trial.suggest_float("c", 0.1, 1.0, log=True)
        store.note(trial, arch={"a": 1}, seconds=0.5)
        store.point(trial, 1, 0.5)
        if number < 3:
            store.conclude(trial, Verdict(Kind.COMPLETE, "", [0.0], [0.5, float(number)]))
    durable = load("tabulated", storage=url)
    assert isinstance(store.storage, Mirror)
    assert store.study.get_trials() == durable.get_trials()
    assert store.study.get_trials(states=(TrialState.RUNNING,)) == durable.get_trials()[3:]
    with pytest.raises(KeyError):
        store.storage.get_trial_id_from_study_id_trial_number(store.study._study_id, 9)
