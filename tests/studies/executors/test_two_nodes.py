"""A Ray cluster of two nodes on this machine, with a token, one of which dies in the middle."""

import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState

from skipsearch.studies.engine.driver import run
from skipsearch.studies.executors.ray_tune import cluster_address
from skipsearch.studies.storage.store import load
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.ray_trainable import begun
from tests.support import ROOT
from tests.support.tabulated_training import Silent, Tabulated, charged, study_of

STUDY = """
[study]
name = "two"
dataset = "digits"
trials = 2
epochs = 40
concurrency = 2
pruner = "none"
train_subset = 1000
[space]
stages = 2
blocks = 1
body = "basic"
shortcut = ["none", "sum"]
"""
Process = subprocess.Popen[bytes]


class Nodes:
    """Processes that share a token; all end with the test."""

    def __init__(self) -> None:
        self.started: list[Process] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        paths = str(ROOT)
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.env = {**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0", **token}
        self.env.pop("RAY_ADDRESS", None)

    def start(self, *command: str) -> Process:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=self.env,
            start_new_session=True,
            **quiet,  # type: ignore[call-overload]
        )
        self.started.append(process)
        return process

    def node(self, *options: str) -> Process:
        size = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000", "--block")
        return self.start("ray.scripts.scripts", "start", *size, *options)


def offspring(process: Process, name: str) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if child.name() == name]


def wait_for_curves(url: str, count: int) -> None:
    """Until every trial has so many points."""
    path = url.removeprefix("sqlite:///")
    query = (
        "select count(*) from (select trial_id from trial_intermediate_values group by trial_id"
        " having count(*) >= ?)"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(sqlite3.OperationalError):
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                if db.execute(query, (count,)).fetchone() == (2,):
                    return
            finally:
                db.close()
        time.sleep(0.1)
    pytest.fail("no curves came")


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    left = [c for p in nodes.started for c in _family(p)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for process in nodes.started:
        process.wait()


def _family(process: Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        return [*root.children(recursive=True), root]
    return []


def test_a_study_on_two_nodes_survives_the_death_of_one(tmp_path: Path, nodes: Nodes) -> None:
    file, url = tmp_path / "two.toml", f"sqlite:///{tmp_path / 'two.db'}"
    file.write_text(STUDY)
    with tempfile.TemporaryDirectory(prefix="tn-", ignore_cleanup_errors=True) as temp:
        health = (
            '--system-config={"health_check_period_ms":1000,"health_check_failure_threshold":3}'
        )
        head = (
            "--head",
            f"--port={nodes.address.rpartition(':')[2]}",
            f"--temp-dir={temp}",
            health,
        )
        nodes.node(*head, "--include-dashboard=false")
        wait_until_there(nodes.address)
        second = nodes.node(f"--address={nodes.address}")
        options = ("--address", nodes.address, "--storage", url, "--folder", str(tmp_path / "r"))
        driver = nodes.start("skipsearch", "run", str(file), "--quiet", *options)
        wait_for_curves(url, 3)
        (raylet,) = offspring(second, "raylet")
        before = charged(load("two", storage=url))
        workers = {t.number: psutil.Process(t.user_attrs["pid"]).ppid() for t in before}
        assert len(set(workers.values())) == 2 and raylet.pid in workers.values()
        raylet.send_signal(signal.SIGKILL)
        assert driver.wait(120) == 0
    for trial in charged(load("two", storage=url)):
        assert trial.state == TrialState.COMPLETE
        assert list(trial.intermediate_values) == list(range(1, 41))
        moved = workers[trial.number] == raylet.pid
        assert trial.user_attrs["attempts"] == (2 if moved else 1)


def wait_until_there(address: str) -> None:
    host, _, port = address.rpartition(":")
    for _ in range(600):
        with suppress(OSError):
            socket.create_connection((host, int(port)), 1).close()
            return
        time.sleep(0.1)
    pytest.fail("the head node did not start")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "Ray cluster 127.0.0.1:1 does not answer: Connection refused: start it"),
        ("head", "Ray cluster head must be auto or HOST:PORT, such as"),
        ("ray://head:10001", "Ray cluster ray://head:10001 must be auto or HOST:PORT"),
        ("127.0.0.1:99999", "Ray cluster 127.0.0.1:99999 does not answer: "),
    ],
)
def test_an_address_that_leads_nowhere_gets_one_line(
    tmp_path: Path, address: str, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        run(study_of(), folder=tmp_path / "run", observer=Silent(), address=address)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_node_that_does_not_see_the_folder_of_a_trial_says_so(tmp_path: Path) -> None:
    job = Job(0, {}, {}, 0, 9, str(tmp_path / "trials" / "0"), 1, "cpu")
    with pytest.raises(ValueError, match=r"trials/0 is not there on node .+: give --folder a path"):
        begun(Tabulated, job)


def test_a_cluster_and_the_serial_executor_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--serial trains in this process, --address on a"):
        run(study_of(), folder=tmp_path, observer=Silent(), address="auto", in_process=True)


def test_the_address_that_ray_sets_for_a_submitted_job_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        there = f"127.0.0.1:{head.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", there)
        assert cluster_address(None) == there and cluster_address("auto") == "auto"
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert cluster_address(None) is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address(None) is None
