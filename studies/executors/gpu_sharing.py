"""GPU sharing: the number of trials on one GPU (`trials_per_gpu`), halved when memory runs out.

Ray counts shares of a GPU and does not guard its memory. So `auto` measures the memory of a step of
the largest networks, and a trial that runs out of memory all the same halves the number.
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

MARGIN = 1.25  # above the measured peak: other networks, fragmentation, the libraries' workspaces


def trials_that_fit(peak_bytes: float, memory_bytes: float) -> int:
    """Return the number of trials that fit on a GPU: max(1, ⌊memory / (1.25 · peak)⌋)."""
    return max(1, int(memory_bytes / (MARGIN * peak_bytes)))


class Sharing:
    """The sharing number of a study, stored in it: a continued run does not measure again."""

    def __init__(self, config: StudyConfig, store: Store) -> None:
        self.config, self.store = config, store
        self.number: int | None = None  # None: not shared, a trial gets `gpus_per_trial`
        given, noted = config.trials_per_gpu, StudyRecord.of(store.study).trials_per_gpu or {}
        if given is not None and noted.get("given") == given:
            self.number = noted["now"]
        elif isinstance(given, int):
            self.number = given

    @property
    def to_measure(self) -> bool:
        """True under `auto` until the memory of a step has been measured."""
        return self.config.trials_per_gpu == "auto" and self.number is None

    @property
    def share(self) -> float:
        """The share of a GPU that the next trial gets."""
        return self.config.gpus_per_trial if self.number is None else 1 / self.number

    def measured(self, peak_bytes: int, memory_bytes: int) -> None:
        """Set the sharing number from the peak of a step, and store all three in the study."""
        self.number = trials_that_fit(peak_bytes, memory_bytes)
        self._note(peak_bytes=peak_bytes, memory_bytes=memory_bytes)

    def back_off(self, share: float) -> None:
        """Halve the number after a trial with this share of a GPU ran out of memory.

        Ignored when the trial started under a higher sharing number: that failure has already
        lowered it.
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
    """Return the number of GPUs that a study needs here; with `auto`, at most those present."""
    if config.trials_per_gpu == "auto":
        import torch

        return min(config.concurrency, max(1, torch.cuda.device_count()))
    if isinstance(config.trials_per_gpu, int):
        return math.ceil(config.concurrency / config.trials_per_gpu)
    return math.ceil(config.concurrency * config.gpus_per_trial)


Probe = Callable[[Job], tuple[int, int]]  # peak bytes of a step, bytes of the device
RunProbe = Callable[[Probe, Sequence[Job]], Sequence[tuple[int, int]]]


def largest(networks: Networks, samples: int = SAMPLES) -> list[Arch]:
    """Find the network with most parameters and the one with most multiply-accumulates, as a proxy
    for activations, among the baselines and random networks within the limits.
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
    """Return the study's recipe preset with the largest batch size of its space."""
    recipe = joint_space.preset_recipe(networks.config)
    domain = networks.config.recipe_space.domain("batch_size")
    top = max(domain.values) if isinstance(domain, Choice) else domain.high
    return replace(recipe, batch_size=int(top))


def measure(sharing: Sharing, run_probe: RunProbe, *, networks: Networks, probe: Probe) -> None:
    """Probe the largest networks on the executor's GPU, and set the sharing number by the peak."""
    recipe, threads = encode(largest_batch(networks)), networks.config.cpus_per_trial
    jobs = [Job(-1, encode(arch), recipe, 0, 1, "", threads, "cuda") for arch in largest(networks)]
    peaks, memories = zip(*run_probe(probe, jobs), strict=True)
    sharing.measured(max(peaks), min(memories))
