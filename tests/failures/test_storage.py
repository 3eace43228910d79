"""Failure cases of storages: full, read-only, missing, locked, read along, of another version,
torn; and folders with odd names.
"""

import gc
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import TrialState

from skipsearch.studies.config.target import parse_study
from skipsearch.studies.retraining.retrain import retrain
from skipsearch.studies.storage import journal
from skipsearch.studies.storage.connect import sqlite_url
from skipsearch.studies.storage.find import find, source_of, url_of
from skipsearch.studies.storage.store import load
from tests.support.failure_cases import (
    ONE,
    assert_whole,
    child,
    die,
    file_size_limit,
    quick,
    read_json,
    refused,
    skipsearch,
    stops,
    train,
    write_study,
)
from tests.support.tabulated_training import Final, Silent, Tabulated, charged, trained_once

NOBODY = 65534


class Filling(Silent):
    """The disk is full once two trials have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.room = file_size_limit(1)

    def changed(self, store: object) -> None:
        super().changed(store)
        if self.calls.count("changed") == 2:
            self.room.__enter__()


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_case_07_a_database_on_a_full_disk_stops_the_run_and_loses_nothing(
    tmp_path: Path, kind: str
) -> None:
    url = f"journal://{tmp_path}/study.log" if kind == "journal" else None
    filling = Filling()
    with stops("storage failed: .*mend it and run the same command again"):
        try:
            train(quick(), tmp_path, observer=filling, storage=url)
        finally:
            filling.room.__exit__(None, None, None)
    assert_whole(train(quick(), tmp_path, storage=url), quick())
    assert trained_once(tmp_path)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write whatever its permissions are; another user may not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_case_07_a_read_only_storage_and_folder_get_one_line_each() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let nobody in
        folder = Path(name)
        folder.chmod(0o755)
        train(quick(trials=2), folder)
        (folder / "study.db").chmod(0o444)
        folder.chmod(0o555)
        with as_nobody():
            with stops(r"readonly database|unable to open database|cannot be (used|opened)"):
                train(quick(), folder)
            with stops(f"folder {folder}/new cannot be written: Permission denied"):
                train(quick(), folder / "new")
        gc.collect()  # SQLite reads on through what this process opened as nobody
        folder.chmod(0o755)
        (folder / "study.db").chmod(0o644)
        assert_whole(train(quick(), folder), quick())


def test_case_07_a_file_in_the_place_of_a_folder_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with stops(r"folder .+/file/run cannot be written: Not a directory"):
        train(quick(), tmp_path / "file" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "trials").touch()
    with stops(r"storage failed: .*trials'.*Not a directory.*run the same command again"):
        train(quick(), tmp_path / "run")
    (tmp_path / "run" / "trials").unlink()
    assert_whole(train(quick(), tmp_path / "run"), quick())


def test_case_07_paths_may_hold_spaces_letters_of_any_alphabet_and_signs(tmp_path: Path) -> None:
    """Signs of SQLAlchemy's URLs and of Optuna's templates of them among these."""
    odd = tmp_path / "Läufe & 名前 50%25 {x} #1?"
    odd.mkdir()
    tables = {
        "study": {"dataset": "digits", "trials": 2, "epochs": 1, "train_subset": 100},
        "space": ONE,
        "recipe": {"lr": [0.05, 0.1]},
    }
    file = write_study(odd / "größe.toml", {**tables, "study": {**tables["study"], "name": "s"}})
    status, _, error = skipsearch("run", file, "--folder", odd, "--serial", "--quiet")
    assert (status, error) == (0, "")
    assert (odd / "s" / "study.db").is_file() and (odd / "s" / "front.html").is_file()
    status, out, _ = skipsearch("status", "s", "--folder", odd, "--json")
    assert status == 0 and '"complete": 2' in out
    assert read_json(odd / "s" / "front.json")["front"]


ODD = ["a?b", "a{b}", "{}", "100%", "50%25", "a#b", "a b & c=d", "größe 名前"]


@pytest.mark.parametrize("odd", ODD)
def test_case_07_a_study_in_an_odd_folder_is_run_found_imported_and_retrained(
    tmp_path: Path, odd: str
) -> None:
    home = tmp_path / odd
    train(quick(trials=1, name="base"), home / "base")
    url = sqlite_url(home / "base" / "study.db")
    for target in ("base", str(home / "base"), f"{url}#base"):
        assert source_of(target, folder=home) == ("base", url)
    assert url_of(parse_study("base", folder=home)) == url
    assert find("base", folder=home).study_name == "base"
    status, out, error = skipsearch("status", "base", "--folder", home)
    assert (status, error) == (0, "") and "1 of 1 trials: 1 complete" in out
    grown = quick(trials=1, name="next")
    for _ in range(2):  # the second time as the same study from the same place
        sources = [source_of("base", folder=home)]
        done = train(grown, home / "next", imports=sources)
        assert done.user_attrs["imports"][0]["done"]
    assert {t.user_attrs.get("imported") for t in done.trials} == {"base#0", None}
    with stops("study base cannot import itself"):
        train(quick(trials=1, name="base"), home / "base", imports=sources)
    again = retrain("base", [0], seeds=1, folder=home, serial=True, begin=Final)
    assert again[0].n == 1
    assert [path.name for path in tmp_path.iterdir()] == [odd]
    assert len(list(tmp_path.rglob("*.db"))) == 2


@pytest.mark.parametrize("odd", ODD)
def test_case_07_a_storage_in_an_odd_folder_is_the_file_that_its_url_names(
    tmp_path: Path, odd: str
) -> None:
    (tmp_path / odd).mkdir()
    url = sqlite_url(tmp_path / odd / "own.db")
    train(quick(trials=1), tmp_path / "run", storage=url)
    assert (tmp_path / odd / "own.db").is_file()
    given = ("tabulated", "--folder", tmp_path, "--storage")
    status, out, error = skipsearch("status", *given, url)
    assert (status, error) == (0, "") and "1 of 1 trials" in out
    plain = f"sqlite:///{tmp_path / odd / 'own.db'}"  # as somebody types it
    if "?" in odd or "%25" in odd:
        said = "must be written as %3F" if "?" in odd else "there is no file"
        assert said in refused("status", *given, plain)
        with stops("must be written as %3F" if "?" in odd else "does not exist"):
            train(quick(trials=1), tmp_path / "run", storage=plain)
    else:
        assert skipsearch("status", *given, plain) == (status, out, error)
        train(quick(trials=1), tmp_path / "run", storage=plain)
    assert {path.name for path in tmp_path.iterdir()} == {odd, "run"}


def test_case_07_a_mistyped_storage_is_not_created_by_reading_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'typo.db'}"
    error = refused("status", "tabulated", "--folder", tmp_path, "--storage", url)
    assert f"cannot be read: there is no file {tmp_path / 'typo.db'}" in error
    with stops("there is no file"):
        source_of(f"{url}#base")
    assert not any(tmp_path.iterdir())


def test_case_07_an_import_that_an_older_version_noted_unescaped_is_the_same(
    tmp_path: Path,
) -> None:
    """It wrote the path of the database as it is, and failed where that was no URL."""
    home = tmp_path / "a?b"
    train(quick(trials=1, name="base"), home / "base")
    done = train(quick(trials=1, name="next"), home / "next")
    raw = f"sqlite:///{home / 'base' / 'study.db'}"
    done.set_user_attr("imports", [{"study": "base", "url": raw, "done": False}])
    with stops("the import of study base was begun and is not finished: .*must be written as %3F"):
        train(quick(trials=2, name="next"), home / "next")
    sources = [source_of("base", folder=home)]
    done = train(quick(trials=1, name="next"), home / "next", imports=sources)
    (record,) = done.user_attrs["imports"]
    assert record["done"] and record["url"] == sources[0][1]


@pytest.mark.parametrize("url", ["sqlite:///{}/none/study.db", "journal://{}/none/study.log"])
def test_case_07_a_missing_storage_gets_one_line(tmp_path: Path, url: str) -> None:
    where = url.format(tmp_path)
    with stops(f"folder {tmp_path}/none does not exist"):
        train(quick(), tmp_path, storage=where)
    error = refused("status", "tabulated", "--storage", where)
    assert str(tmp_path) in error
    error = refused("status", "s", "--folder", tmp_path)
    assert f"no study has run in {tmp_path}/: `skipsearch run STUDY.toml`" in error


class Locking(Silent):
    """Another program writes while a trial ends."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__()
        self.path, self.seconds = path, seconds
        self.free = threading.Event()
        self.threads: list[threading.Thread] = []

    def changed(self, store: object) -> None:
        super().changed(store)
        if self.calls.count("changed") == 1:
            locked = threading.Event()
            self.threads.append(threading.Thread(target=self.hold, args=(locked,)))
            self.threads[0].start()
            assert locked.wait(10)

    def hold(self, locked: threading.Event) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("BEGIN IMMEDIATE")
        locked.set()
        self.free.wait(self.seconds)
        connection.rollback()
        connection.close()


def test_case_08_a_dashboard_may_read_along_and_a_writer_may_hold_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    train(quick(trials=1), tmp_path)
    long = sqlite3.connect(path)
    long.execute("BEGIN")
    assert long.execute("select count(*) from trials").fetchone() == (1,)
    ended, failures, looks = threading.Event(), [], [0]

    def look() -> None:
        storage = optuna.storages.get_storage(f"sqlite:///{path}")
        while not ended.is_set():
            try:
                looks[0] += bool(optuna.load_study(study_name="tabulated", storage=storage).trials)
            except Exception as error:
                failures.append(error)
        storage.remove_session()
        storage._backend.engine.dispose()

    reader, writer = threading.Thread(target=look), Locking(path, 1.0)
    reader.start()
    try:
        config = quick(trials=8)
        done = train(config, tmp_path, observer=writer)
    finally:
        ended.set()
        reader.join()
        writer.threads[0].join()
    assert_whole(done, config)
    assert looks[0] > 1 and not failures
    assert long.execute("select count(*) from trials").fetchone() == (1,)
    long.close()


def test_case_08_a_database_that_stays_locked_gets_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skipsearch.studies.storage.connect.LOCKED_SECONDS", 0.2)
    writer = Locking(tmp_path / "study.db", 60)
    with stops("storage failed: .*database is locked.*run the same command again"):
        try:
            train(quick(), tmp_path, observer=writer)
        finally:
            writer.free.set()
            writer.threads[0].join()
    assert_whole(train(quick(), tmp_path), quick())
    assert trained_once(tmp_path)


def test_case_10_a_grown_choice_is_refused_with_the_difference(tmp_path: Path) -> None:
    train(quick(trials=1, space={**ONE, "stem_channels": [8, 16]}), tmp_path)
    with stops(r"stem_channels was 8 \| 16, now 8 \| 16 \| 32"):
        train(quick(space={**ONE, "stem_channels": [8, 16, 32]}), tmp_path)


def test_case_10_a_database_of_another_optuna_gets_one_line(tmp_path: Path) -> None:
    train(quick(trials=1), tmp_path)
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("update alembic_version set version_num = 'v1.3.0.a'")
    connection.execute("update version_info set schema_version = 1")
    connection.commit()
    connection.close()
    with stops("storage .* was written by another version of Optuna: .*optuna storage upgrade"):
        train(quick(), tmp_path)
    error = refused("status", "tabulated", "--storage", f"sqlite:///{tmp_path / 'study.db'}")
    assert "version" in error


class Dying(Tabulated):
    """Its driver dies holding the journal's lock, in the middle of a line."""

    def train_epoch(self) -> None:
        if (self.job.number, self.epoch) == (1, 2):
            path = self.folder.parents[1] / "study.log"
            JournalFileSymlinkLock(str(path)).acquire()
            with path.open("ab", buffering=0) as file:
                file.write(b'{"op_code":8,"worker_id":"x","trial_id":1,"user_a')
            die()


def drive_to_death(folder: Path) -> None:
    train(quick(), folder, begin=Dying, storage=f"journal://{folder}/study.log")


def test_case_19_a_journal_with_a_dead_lock_and_a_torn_line_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal://{tmp_path}/study.log"
    with child(drive_to_death, tmp_path) as driver:
        driver.join()
    assert (tmp_path / "study.log.lock").is_symlink()
    assert not (tmp_path / "study.log").read_bytes().endswith(b"\n")
    left = load("tabulated", storage=url).trials  # a reader repairs nothing, and reads
    assert [t.state for t in left] == [TrialState.COMPLETE, TrialState.RUNNING]
    monkeypatch.setattr(journal, "GRACE_SECONDS", 3)
    done = train(quick(), tmp_path, storage=url)
    assert_whole(done, quick())
    assert trained_once(tmp_path) and not (tmp_path / "study.log.lock").exists()
    status, out, _ = skipsearch("status", "tabulated", "--storage", url, "--json")
    assert status == 0 and '"complete": 4' in out
    assert len(charged(load("tabulated", storage=url))) == 4


WHOLE = b'{"op_code":8,"n":1}\n'


@pytest.mark.parametrize(
    ("there", "mended"),
    [
        (b"", b""),
        (WHOLE * 2, WHOLE * 2),
        (WHOLE + WHOLE[:9], WHOLE),  # torn
        (WHOLE + WHOLE[:-1], WHOLE * 2),  # torn before its end of line
        (WHOLE + WHOLE[:12] + WHOLE, WHOLE * 2),  # the next one was glued to it
        (WHOLE + WHOLE[:4] + WHOLE * 2, WHOLE * 3),
        (WHOLE + b"\x00\x00\x00\n" + WHOLE, WHOLE * 2),  # a hole after a loss of power
    ],
)
def test_case_19_a_journal_is_mended_line_by_line(
    tmp_path: Path, there: bytes, mended: bytes
) -> None:
    path = tmp_path / "study.log"
    path.write_bytes(there)
    journal.mend(f"journal://{path}")
    assert path.read_bytes() == mended
    assert [p.name for p in tmp_path.iterdir()] == ["study.log"]
