"""How many trials share a GPU: the arithmetic, what is measured, and what is remembered."""

from functools import partial
from pathlib import Path

import pytest
import torch

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.executors import gpu_sharing
from skipsearch.studies.executors.gpu_sharing import (
    Sharing,
    gpus_of,
    largest,
    largest_batch,
    measure,
    trials_that_fit,
)
from skipsearch.studies.executors.ray_adapters import resources
from skipsearch.studies.executors.trial_errors import marked, out_of_memory
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.memory_probe import step_memory
from tests.support.tabulated_training import study_of

GIB = 2**30


def opened(config: StudyConfig, folder: Path) -> Store:
    return open_store(config, f"sqlite:///{folder / 'study.db'}", space_hash(config))


@pytest.mark.parametrize(
    ("peak", "memory", "number"),
    [(1, 80, 64), (16, 80, 4), (15, 80, 4), (17, 80, 3), (40, 80, 1), (100, 80, 1)],
)
def test_each_of_the_trials_on_a_gpu_has_its_peak_and_a_quarter_more(
    peak: int, memory: int, number: int
) -> None:
    assert trials_that_fit(peak * GIB, memory * GIB) == number


def test_what_was_measured_and_learned_is_there_when_the_study_goes_on(tmp_path: Path) -> None:
    config = study_of(gpus_per_trial=1, trials_per_gpu="auto")
    sharing = Sharing(config, opened(config, tmp_path))
    assert sharing.to_measure and sharing.share == 1
    sharing.measured(8 * GIB, 80 * GIB)
    assert sharing.number == 8 and sharing.share == 0.125 and not sharing.to_measure
    sharing.back_off(0.125)
    sharing.back_off(0.125)  # ran beside the first: it was one event
    assert sharing.number == 4
    again = Sharing(config, opened(config, tmp_path))
    assert again.number == 4 and not again.to_measure
    other = study_of(gpus_per_trial=1, trials_per_gpu=6)
    assert Sharing(other, opened(other, tmp_path)).number == 6


def test_a_whole_gpu_is_not_divided_further(tmp_path: Path) -> None:
    config = study_of(gpus_per_trial=1, trials_per_gpu=3)
    sharing = Sharing(config, opened(config, tmp_path))
    for share in (1 / 3, 1.0, 1.0):
        sharing.back_off(share)
    assert sharing.number == 1
    noted = sharing.store.study.user_attrs["trials_per_gpu"]
    assert noted == {"given": 3, "now": 1, "said": "out of memory: from 3 to 1 trials per GPU"}


def test_a_study_asks_for_the_gpus_that_its_trials_need() -> None:
    assert gpus_of(study_of()) == 0
    assert gpus_of(study_of(gpus_per_trial=0.5, concurrency=3)) == 2
    assert gpus_of(study_of(gpus_per_trial=1, trials_per_gpu=4, concurrency=6)) == 2
    assert resources(study_of(), 0).required_resources == {"CPU": 1}
    assert resources(study_of(cpus_per_trial=2), 0.25).required_resources == {"CPU": 2, "GPU": 0.25}


def test_out_of_memory_is_known_by_its_error() -> None:
    alloc = RuntimeError(
        "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
    )
    found = [torch.OutOfMemoryError("CUDA out of memory."), alloc, MemoryError(), RuntimeError("x")]
    assert [out_of_memory(error) for error in found] == [True, True, True, False]
    assert marked(found[2], "MemoryError: ") == "out of memory: MemoryError: "
    assert not out_of_memory(None)


def test_as_many_trials_share_a_gpu_as_the_largest_networks_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_sharing, "largest", partial(largest, samples=8))
    config = study_of(gpus_per_trial=1, trials_per_gpu="auto", cpus_per_trial=2)
    data, sharing = load_data(config), Sharing(config, opened(config, tmp_path))
    networks = Networks(config, data.num_classes, data.shape)
    seen: list[Job] = []

    def probe(job: Job) -> tuple[int, int]:
        seen.append(job)
        return 4 * GIB * len(seen), 80 * GIB

    measure(sharing, lambda run, jobs: [run(job) for job in jobs], networks=networks, probe=probe)
    assert [job.arch for job in seen] == [encode(arch) for arch in largest(networks, 8)]
    assert {(job.device, job.threads) for job in seen} == {("cuda", 2)}
    assert sharing.number == trials_that_fit(4 * GIB * len(seen), 80 * GIB) > 1


def test_a_step_of_the_largest_networks_within_the_limits_is_measured() -> None:
    config = study_of(limits={"params": 60_000}, recipe={"batch_size": [16, 64]})
    data = load_data(config)
    networks = Networks(config, data.num_classes, data.shape)
    archs, recipe = largest(networks, 24), largest_batch(networks)
    params = [networks.cost(arch).params for arch in archs]
    assert 20_000 < params[0] <= 60_000 and params[0] == max(params) and len(archs) <= 2
    assert recipe.batch_size == 64
    job = Job(-1, encode(archs[0]), encode(recipe), 0, 1, "", 1, "cpu")
    peak, memory = step_memory(job, data)
    assert 50 * 2**20 < peak < memory
