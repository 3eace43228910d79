"""Failure cases of the driver: killed, interrupted, started twice, its clock set back, run long."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine, event

from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.storage.lease import LEASE_SECONDS
from skipsearch.studies.storage.store import load
from tests.support.failure_cases import (
    assert_whole,
    child,
    die,
    drive,
    quick,
    skipsearch,
    stops,
    train,
    wait_for,
)
from tests.support.tabulated_training import Silent, Tabulated, charged, trained_once


def drive_to_an_ask(folder: Path) -> None:
    """Dies when the third trial is in the storage and nothing is known of it."""
    asked = [0]

    def before(_connection: object, _cursor: object, sql: str, *_rest: object) -> None:
        if asked[0] == 3 and sql.startswith("INSERT"):
            die()
        asked[0] += sql.startswith("INSERT INTO trials ")

    event.listen(Engine, "before_cursor_execute", before)
    train(quick(), folder)


def test_case_01_a_driver_killed_between_asking_and_training_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    with child(drive_to_an_ask, tmp_path) as driver:
        driver.join()
        assert driver.exitcode == -signal.SIGKILL
    url = f"sqlite:///{tmp_path / 'study.db'}"
    left = load("tabulated", storage=url).trials
    assert [t.state for t in left[2:]] == [TrialState.RUNNING] and not left[2].user_attrs
    done = train(quick(), tmp_path)
    assert_whole(done, quick())
    assert done.trials[2].state == TrialState.FAIL
    assert done.trials[2].user_attrs["why"] == "abandoned by its driver"
    assert trained_once(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_case_03_a_signal_ends_a_run_within_seconds_and_nothing_is_lost(
    tmp_path: Path, number: signal.Signals
) -> None:
    with child(drive, tmp_path) as driver:
        wait_for(tmp_path / "trials" / "1" / "stuck", driver)
        os.kill(driver.pid, number)
        driver.join(10)
        assert driver.exitcode == 1  # KeyboardInterrupt; the command line makes 130 of it
    left = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert left.user_attrs["lease"]["closed"]
    assert_whole(train(quick(), tmp_path), quick())
    assert trained_once(tmp_path)


class Blocked(Silent):
    """An observer that never comes back, as a file system that hangs."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def changed(self, store: object) -> None:
        (self.folder / "blocked").touch()
        for _ in range(600):  # in one long sleep Python may miss the second of two signals
            time.sleep(0.1)


def drive_blocked(folder: Path) -> None:
    run(quick(), folder=folder, observer=Blocked(folder), in_process=True, begin=Tabulated)


def test_case_03_a_second_signal_ends_a_run_that_hangs_at_once(tmp_path: Path) -> None:
    with child(drive_blocked, tmp_path) as driver:
        wait_for(tmp_path / "blocked", driver)
        os.kill(driver.pid, signal.SIGTERM)  # two of one kind could reach it as one
        os.kill(driver.pid, signal.SIGINT)
        driver.join(10)
        assert driver.exitcode == 1
    assert_whole(train(quick(), tmp_path), quick())


def test_case_09_a_second_driver_is_told_who_runs_the_study_and_where(tmp_path: Path) -> None:
    with child(drive, tmp_path) as driver:
        wait_for(tmp_path / "trials" / "1" / "stuck", driver)
        who = rf"is being run by process {driver.pid} of .+ on {socket.gethostname()} since"
        before = len(load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}").trials)
        with stops(who):
            train(quick(), tmp_path)
        after = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}")
        assert len(after.trials) == before and after.user_attrs["lease"]["pid"] == driver.pid
    assert_whole(train(quick(), tmp_path), quick())
    assert trained_once(tmp_path)


def named(folder: Path) -> tuple[list[str], bool]:
    """The driver in what `status` prints, as text and as JSON, and to the dashboard."""
    given = ("tabulated", "--folder", folder.parent, "--storage", f"sqlite:///{folder}/study.db")
    (_, lines, _), (_, record, _) = (
        skipsearch("status", *given),
        skipsearch("status", *given, "--json"),
    )
    said = next(line for line in lines.splitlines() if line.startswith("driver"))
    return [said.split(maxsplit=1)[1], str(json.loads(record)["driver"])], "interrupted" in lines


def test_case_09_a_killed_driver_is_named_by_no_command_a_moment_later(tmp_path: Path) -> None:
    """Its last sign is a second old, its trial is RUNNING in the storage."""
    with child(drive, tmp_path) as driver:
        wait_for(tmp_path / "trials" / "1" / "stuck", driver)
        (text, record), interrupted = named(tmp_path)
        assert text.startswith(f"process {driver.pid} on {socket.gethostname()} (last sign ")
        assert record.startswith(f"process {driver.pid} on ") and not interrupted
        driver.kill()
        driver.join()
        assert named(tmp_path) == (["none", "None"], True)
        study = load("tabulated", storage=f"sqlite:///{tmp_path / 'study.db'}")
        assert time.time() - study.user_attrs["lease"]["beat"] < 60
        lease = {**study.user_attrs["lease"], "host": "elsewhere", "beat": time.time()}
        study.set_user_attr("lease", lease)  # as if on another host, of which only signs are seen
        (text, _), interrupted = named(tmp_path)
        assert text.startswith(f"process {driver.pid} on elsewhere (") and not interrupted
        study.set_user_attr("lease", {**lease, "beat": time.time() - LEASE_SECONDS})
        assert named(tmp_path) == (["none", "None"], True)
    assert_whole(train(quick(), tmp_path), quick())
    assert named(tmp_path) == (["none", "None"], False)


def test_case_13_a_wall_clock_that_is_set_back_does_not_silence_a_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, url = quick(), f"sqlite:///{tmp_path / 'study.db'}"
    store, real = open_store(config, url, space_hash(config)), time.time
    store.take_lease()
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    monkeypatch.setattr("skipsearch.studies.storage.store.BEAT_SECONDS", 0.0)
    store.beat()
    assert abs(store.study.user_attrs["lease"]["beat"] - (real() - 3600)) < 60
    store.release()
    assert_whole(train(config, tmp_path), config)


@pytest.mark.parametrize(("ahead", "refused"), [(-30, True), (30, True), (3600, False)])
def test_case_13_a_clock_that_is_ahead_blocks_a_study_no_longer_than_a_lease(
    tmp_path: Path, ahead: float, refused: bool
) -> None:
    config, url = quick(), f"sqlite:///{tmp_path / 'study.db'}"
    store = open_store(config, url, space_hash(config))
    store.take_lease()
    lease = store.study.user_attrs["lease"]
    elsewhere = {**lease, "run": "other", "host": "elsewhere", "beat": time.time() + ahead}
    store.study.set_user_attr("lease", elsewhere)
    again = open_store(config, url, space_hash(config))
    if refused:
        with stops("is being run by process .* on elsewhere"):
            again.take_lease()
    else:
        again.take_lease()


class Counting(Silent):
    """Memory and open files after every trial."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[int] = []
        self.megabytes: list[float] = []

    def changed(self, store: object) -> None:
        me = psutil.Process()
        self.files.append(len(me.open_files()))
        self.megabytes.append(me.memory_info().rss / 2**20)


def test_case_20_many_trials_leave_memory_and_open_files_flat(tmp_path: Path) -> None:
    """`benchmarks/overhead.py` has more of them. What grows is the record of each trial."""
    config, seen = quick(trials=300, epochs=1), Counting()
    done = train(config, tmp_path, observer=seen)
    assert len(charged(done)) == 300
    assert max(seen.megabytes[150:]) - max(seen.megabytes[10:150]) < 15
    assert max(seen.files[150:]) <= max(seen.files[10:150])
