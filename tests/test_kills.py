"""Studies on real Ray that lose their driver, a worker, a node: nothing else is lost."""

import os
import random
from pathlib import Path
from typing import Any

import pytest
from killed import ByNetwork, small_study, train, violations
from killing import AGENTS, Driver, kill_node, planned, stored, two_nodes, wait
from tabulated import Silent, charged

from studies.run import run

pytestmark = [  # as in test_run.py
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


class Stillborn(ByNetwork):
    """The worker that is to begin one of some trials dies, once each."""

    def __init__(self, job: Any) -> None:
        super().__init__(job)
        died = self.folder / "died"
        if job.number % 5 == 4 and not died.exists():
            died.touch()
            os._exit(1)


def test_a_worker_that_dies_as_it_begins_a_trial_costs_nothing(
    cluster: None, tmp_path: Path
) -> None:
    """Ray's own retries are for trials that train; the last trial is begun when no other comes."""
    study = small_study(trials=10, pruner="none", epochs=2, limits={}, baselines={})
    whole = train(study, tmp_path / "whole")
    done = run(study, folder=tmp_path, observer=Silent(), begin=Stillborn)
    assert not violations(study, done, tmp_path, whole)
    attempts = {t.number: t.user_attrs["attempts"] for t in charged(done)}
    assert attempts == {n: 1 + (n % 5 == 4) for n in range(10)}
