"""Studies on real Ray that lose their driver, a worker, a node: nothing else is lost."""

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.open_study import open_store
from tests.support.kill_processes import (
    AGENTS,
    LONGEST,
    Driver,
    kill_node,
    planned,
    second_node,
    stored,
    two_nodes,
    wait,
)
from tests.support.kills import small_study, train, violations
from tests.support.tabulated_training import Silent, Stillborn, charged

pytestmark = [  # as in studies/engine/test_run.py
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture
def drivers(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Starts drivers of one study; nothing of them outlives the test."""
    started: list[Driver] = []

    def start(kind: str, address: str | None = None) -> Driver:
        started.append(Driver(tmp_path, kind, address))
        return started[-1]

    yield start
    for driver in started:
        driver.clear()


def at_moments(test: Callable[..., None]) -> Callable[..., None]:
    """Of three sequences of random moments one, under `--full` all: a study each, half a minute."""
    return pytest.mark.sampled(1)(pytest.mark.parametrize("seed", range(1, 4))(test))


def maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_a_worker_that_dies_as_it_begins_a_trial_costs_nothing(
    cluster: str, tmp_path: Path
) -> None:
    """Ray's own retries are for trials that train; the last trial is begun when no other comes."""
    config = small_study(trials=6, pruner="none", epochs=2, limits={}, baselines={})
    whole = train(config, tmp_path / "whole")
    done = run(config, folder=tmp_path, observer=Silent(), begin=Stillborn)
    assert not violations(config, done, tmp_path, whole)
    attempts = {t.number: t.user_attrs["attempts"] for t in charged(done)}
    assert attempts == {n: 1 + (n % 3 == 2) for n in range(6)}


@at_moments
def test_a_study_loses_nothing_with_its_drivers_and_its_workers(
    tmp_path: Path, drivers: Callable[[str], Driver], seed: int
) -> None:
    """A driver is killed; one loses a worker and is asked to end, as by SLURM; one may finish. In
    deterministic mode the study ends as the one that the executor without Ray trains.
    """
    moment, config = random.Random(seed), planned("stop")
    whole = train(config, tmp_path / "whole")
    first = drivers("stop")
    assert first.at(moment)
    with pytest.raises(ValueError, match=rf"is being run by process {first.process.pid} of"):
        open_store(config, f"sqlite:///{tmp_path / 'study.db'}", space_hash(config)).take_lease()
    first.kill()
    second = drivers("stop")  # while workers of the first may still be dying
    assert second.at(moment)
    if sys.platform == "linux":  # trainers/loop/memory.py
        assert {"/libjemalloc.so" in maps(pid) for pid in second.workers()} == {True}
    assert second.kill_worker(moment) and second.at(moment)
    second.process.terminate()
    assert second.process.wait(LONGEST) != 0
    assert stored(config, tmp_path).user_attrs["lease"]["closed"]
    drivers("stop").finish()
    assert not violations(config, stored(config, tmp_path), tmp_path, whole)
    for dead in (first, second):
        wait(lambda dead=dead: {p.name() for p in dead.others()} <= AGENTS, "the end of Ray")


@at_moments
def test_a_promoting_study_loses_nothing_with_its_driver(
    cluster: str, tmp_path: Path, drivers: Callable[[str, str], Driver], seed: int
) -> None:
    """On a cluster that outlives its drivers."""
    moment, config = random.Random(seed), planned("promote")
    first = drivers("promote", cluster)
    assert first.at(moment)
    first.kill()
    drivers("promote", cluster).finish()
    done = stored(config, tmp_path)
    assert not violations(config, done, tmp_path)
    assert any(t.user_attrs.get("parked") == 0 for t in charged(done)), "nobody was promoted"


@at_moments
def test_a_study_loses_nothing_with_a_node(
    tmp_path: Path, drivers: Callable[..., Driver], seed: int
) -> None:
    moment, config = random.Random(seed), planned("stop")
    whole = train(config, tmp_path / "whole")
    with two_nodes() as cluster:
        driver = drivers("stop", cluster.address)
        assert driver.at(moment)
        wait(lambda: driver.trains_in({p.pid for p in second_node(cluster)}), "a trial there")
        kill_node(cluster)
        driver.finish()
    done = stored(config, tmp_path)
    assert not violations(config, done, tmp_path, whole)
    assert max(t.user_attrs["attempts"] for t in charged(done)) > 1, "it had no trial"
