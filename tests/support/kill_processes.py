"""Kill the driver, a worker or a node of a study on real Ray at a random moment.

Used once by `tests/kills/test_kills.py`, and many times by `benchmarks/survival.py`. Each driver is
a process of its own, which calls `drive(FOLDER, KIND)`.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import optuna
import psutil

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.storage.store import load
from tests.support import ROOT
from tests.support.kills import small_study
from tests.support.tabulated_training import Silent, Slow, charged

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

PYTHONPATH = str(ROOT)
KINDS: dict[str, dict[str, Any]] = {
    "stop": {},
    "promote": {"deterministic": False, "halving": "promote"},
}
POLL = 0.02  # seconds
LONGEST = 600.0  # seconds that anything here is waited for: that it hangs is certain then
AGENTS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}  # outlive a killed driver by 60 s, idle
# A dead node is detected within 3 seconds; a live one on a busy machine is not taken for dead.
HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}


def planned(kind: str) -> StudyConfig:
    return small_study(**KINDS[kind])


def drive(folder: str, kind: str) -> None:
    run(planned(kind), folder=Path(folder), observer=Silent(), begin=Slow)


def stored(config: StudyConfig, folder: Path) -> optuna.Study:
    return load(config.name, storage=f"sqlite:///{folder / 'study.db'}")


def points(folder: Path) -> int:
    """Return the number of points in all curves of the study; 0 before there is a study."""
    with suppress(sqlite3.OperationalError):
        path = f"file:{folder / 'study.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as db:
            return int(db.execute("select count(*) from trial_intermediate_values").fetchone()[0])
    return 0


def wait(until: Callable[[], bool], what: str) -> None:
    begun = time.monotonic()
    while not until():
        if time.monotonic() - begun > LONGEST:
            raise TimeoutError(f"{what} did not come to pass within {LONGEST:g} seconds")
        time.sleep(POLL)


class Driver:
    """A process that runs a study: on a Ray of its own, or on the one at `address`."""

    def __init__(self, folder: Path, kind: str, address: str | None = None) -> None:
        self.folder, self.plan = folder, planned(kind)
        env = {**os.environ, "PYTHONPATH": PYTHONPATH}
        env |= {"RAY_ADDRESS": address} if address else {}
        code = "import sys; from tests.support.kill_processes import drive; drive(*sys.argv[1:])"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "driver.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, str(folder), kind],
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def at(self, moment: random.Random) -> bool:
        """Wait for a random moment in the middle of some epoch; False if the study ended first."""
        due = points(self.folder) + moment.randint(2, 12)
        wait(lambda: self.ended or points(self.folder) >= due, f"point {due}")
        time.sleep(moment.uniform(0, 0.2))
        return not self.ended

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def workers(self) -> list[int]:
        """Return the pids of live workers that the study has noted for an unfinished trial."""
        trials = [t for t in charged(stored(self.plan, self.folder)) if not t.state.is_finished()]
        noted = {t.user_attrs["pid"] for t in trials if "pid" in t.user_attrs}
        return sorted(noted & {p.pid for p in self.others()})

    def kill_worker(self, choice: random.Random) -> bool:
        """Kill a random worker that trains; return False if there is none."""
        alive = self.workers()
        if alive:
            os.kill(choice.choice(alive), signal.SIGKILL)
        return bool(alive)

    def trains_in(self, pids: set[int]) -> bool:
        """Return True if one of these processes trains a trial with more than one epoch to go."""
        open_trials = [
            t for t in charged(stored(self.plan, self.folder)) if not t.state.is_finished()
        ]
        return any(
            t.user_attrs.get("pid") in pids and (t.last_step or 0) + 1 < t.user_attrs["max_epochs"]
            for t in open_trials
        )

    def others(self) -> list[psutil.Process]:
        """Return the live processes that the driver started, also if the driver itself is dead."""
        return [p for p in psutil.process_iter() if p.pid != self.process.pid and self._own(p)]

    def _own(self, process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            mine = os.getsid(process.pid) == self.process.pid
            return mine and process.status() != psutil.STATUS_ZOMBIE
        return False

    def finish(self) -> None:
        """Wait for the driver to end. Raises RuntimeError with its log unless it succeeds."""
        status = self.process.wait(LONGEST)
        if status:
            log = (self.folder / "driver.txt").read_text()
            raise RuntimeError(f"the driver of {self.folder} ended with {status}:\n{log}")

    def clear(self) -> None:
        """Kill the driver and every process that it started."""
        self.kill()
        for process in self.others():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def two_nodes() -> Iterator["Cluster"]:
    """Start a Ray cluster of a head and a second node on this machine, with one slot each."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="rc-")
    (Path(folder) / "ray").mkdir()  # where the cluster writes its address, for itself only
    workers = {"PYTHONPATH": PYTHONPATH, "RAY_TMPDIR": folder}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": HEALTH}
    with patch.dict(os.environ, workers):
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(num_cpus=1)
            yield cluster
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def second_node(cluster: "Cluster") -> list[psutil.Process]:
    """Return the second node's raylet and all processes below it."""
    (node,) = cluster.worker_nodes
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


def kill_node(cluster: "Cluster") -> None:
    """Kill the second node with all its processes, and add a new one in its place."""
    (node,) = cluster.worker_nodes
    for process in second_node(cluster):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)
