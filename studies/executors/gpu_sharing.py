"""How many trials train on one GPU at a time (`trials_per_gpu`), and fewer once memory ran out.

Ray counts parts of a GPU and does not guard its memory. So `auto` measures what a step of the
largest networks takes, and who still runs out of memory halves the number from then on.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Choice
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import SAMPLES, Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job

MARGIN = 1.25  # on what was measured: other networks, fragments, the libraries' workspaces


def trials_that_fit(peak_bytes: float, memory_bytes: float) -> int:
    """The largest k such that each of k trials has its peak and a margin; at least 1."""
    return max(1, int(memory_bytes / (MARGIN * peak_bytes)))


class Sharing:
    """Noted in the study, so that a run that goes on need not learn it again."""

    def __init__(self, config: StudyConfig, store: Store) -> None:
        self.config, self.store = config, store
        self.number: int | None = None  # None: not shared, `gpus_per_trial` is what a trial gets
        given, noted = config.trials_per_gpu, StudyRecord.of(store.study).trials_per_gpu or {}
        if given is not None and noted.get("given") == given:
            self.number = noted["now"]
        elif isinstance(given, int):
            self.number = given

    @property
    def to_measure(self) -> bool:
        return self.config.trials_per_gpu == "auto" and self.number is None

    @property
    def share(self) -> float:
        """Of a GPU, for the next trial."""
        return self.config.gpus_per_trial if self.number is None else 1 / self.number

    def measured(self, peak_bytes: int, memory_bytes: int) -> None:
        self.number = trials_that_fit(peak_bytes, memory_bytes)
        self._note(peak_bytes=peak_bytes, memory_bytes=memory_bytes)

    def back_off(self, share: float) -> None:
        """After a trial with this share of its GPU ran out of memory. One that began when more
        shared it has been heard.
        """
        if self.number is None or self.number == 1 or share * self.number < 1 - 1e-6:
            return
        before, self.number = self.number, self.number // 2
        self._note(said=f"out of memory: from {before} to {self.number} trials per GPU")

    def _note(self, **facts: Any) -> None:
        noted = StudyRecord.of(self.store.study).trials_per_gpu or {}
        now = {"given": self.config.trials_per_gpu, "now": self.number}
        write_study(self.store.study, trials_per_gpu=noted | now | facts)


def gpus_of(config: StudyConfig) -> int:
    """How many GPUs of this machine a study needs; under `auto` it takes what is there."""
    if config.trials_per_gpu == "auto":
        import torch

        return min(config.concurrency, max(1, torch.cuda.device_count()))
    if isinstance(config.trials_per_gpu, int):
        return math.ceil(config.concurrency / config.trials_per_gpu)
    return math.ceil(config.concurrency * config.gpus_per_trial)


Probe = Callable[[Job], tuple[int, int]]  # bytes at most of a step, bytes of the device
RunProbe = Callable[[Probe, Sequence[Job]], Sequence[tuple[int, int]]]


def largest(networks: Networks, samples: int = SAMPLES) -> list[Arch]:
    """Of random networks within the limits and of the baselines: that of most parameters, and that
    of most multiply-accumulates, which stand for activations.
    """
    config, rng = networks.config, random.Random(networks.config.seed)
    found = list(config.baselines.values())
    for _ in range(samples):
        found.append(config.arch_space.sample(rng))
    costs = {}
    for arch in found:
        try:
            cost = networks.cost(arch)
        except ValueError:  # does not fit the images
            continue
        if not networks.over(cost):
            costs[arch] = cost
    by = (lambda arch: costs[arch].params), (lambda arch: costs[arch].macs)
    return list(dict.fromkeys(max(costs, key=key) for key in by))


def largest_batch(networks: Networks) -> Recipe:
    recipe = joint_space.preset_recipe(networks.config)
    domain = networks.config.recipe_space.domain("batch_size")
    top = max(domain.values) if isinstance(domain, Choice) else domain.high
    return replace(recipe, batch_size=int(top))


def measure(sharing: Sharing, run_probe: RunProbe, *, networks: Networks, probe: Probe) -> None:
    """Run `probe` for the largest networks where the executor trains, and note what it found."""
    recipe, threads = encode(largest_batch(networks)), networks.config.cpus_per_trial
    jobs = [Job(-1, encode(arch), recipe, 0, 1, "", threads, "cuda") for arch in largest(networks)]
    peaks, memories = zip(*run_probe(probe, jobs), strict=True)
    sharing.measured(max(peaks), min(memories))
