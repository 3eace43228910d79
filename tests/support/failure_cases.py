"""Helpers of the tests of failure cases: fast studies, the command line, drivers to kill.

The list of cases: pytest --collect-only -q -k test_case_
"""

import io
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.cli import main
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from tests.support import ROOT
from tests.support.tabulated_training import Silent, Tabulated, charged, study_of

# One network, described once, whose learning rate is searched: a trial costs what its storage does.
ONE = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
LR = {"lr": {"low": 0.01, "high": 0.3}}
QUICK: dict[str, Any] = {
    "trials": 4,
    "epochs": 3,
    "concurrency": 1,
    "sampler": "random",
    "pruner": "none",
    "space": ONE,
    "recipe": LR,
}


def quick(**more: Any) -> StudyConfig:
    return study_of(**QUICK | more)


def train(config: StudyConfig, folder: Path, **given: Any) -> optuna.Study:
    """Run a study in this process."""
    given = {"observer": Silent(), "begin": Tabulated, **given}
    return run(config, folder=folder, in_process=True, **given)


def assert_whole(done: optuna.Study, config: StudyConfig) -> None:
    """Assert that every charged trial trained all its epochs, none twice, and that none is open."""
    trials = charged(done)
    assert len(trials) == config.trials
    assert {t.state for t in done.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    for trial in trials:
        assert list(trial.intermediate_values) == list(range(1, config.epochs + 1))
    keys = {(t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in trials}
    assert len(keys) == config.trials


@contextmanager
def stops(match: str) -> Iterator[None]:
    """Assert that the block raises ValueError with a matching message of one line."""
    with pytest.raises(ValueError, match=match) as caught:
        yield
    assert "\n" not in str(caught.value)


def skipsearch(*words: object) -> tuple[int, str, str]:
    """Run the command line; return status, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        patch.setattr(sys, "argv", ["skipsearch", *map(str, words)])
        main()
    return int(end.value.code or 0), out.getvalue(), err.getvalue()


def refused(*words: object) -> str:
    """Return the single error line of a command that ends with status 2."""
    status, _, error = skipsearch(*words)
    assert status == 2 and error.startswith("error: ") and error.count("\n") == 1, error
    return error


def write_study(path: Path, tables: Mapping[str, Any]) -> Path:
    import tomli_w

    path.write_text(tomli_w.dumps(tables))
    return path


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Limit every file to `size` bytes, so that real writes fail and may be torn."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Stuck(Tabulated):
    """Touches the file `stuck` in the second epoch of the second trial, then waits to be killed."""

    def train_epoch(self) -> None:
        if (self.job.number, self.epoch) == (1, 2):
            (self.folder / "stuck").touch()
            time.sleep(60)


Process = multiprocessing.context.ForkServerProcess
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.preload"])  # what takes seconds is imported once


@contextmanager
def child(work: Callable[..., None], *given: object) -> Iterator[Process]:
    """Run `work` in a process of its own, which is killed at the end of the test."""
    process = CONTEXT.Process(target=work, args=given)
    with pytest.MonkeyPatch.context() as patch:  # the server imports by this path alone
        patch.setenv("PYTHONPATH", str(ROOT))
        process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def drive(folder: Path, begin: Callable[..., Any] = Stuck, **given: Any) -> None:
    """Run a study; the target of `child`, as a driver in a process of its own."""
    train(quick(), folder, begin=begin, **given)


def wait_for(path: Path, process: Process) -> None:
    while not path.exists():
        assert process.is_alive(), f"the driver ended with {process.exitcode}"
        process.join(0.02)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
