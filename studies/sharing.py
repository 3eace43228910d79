"""How many trials train on one GPU at a time (`trials_per_gpu`), and fewer once memory ran out.

Ray counts parts of a GPU and does not guard its memory. So `auto` measures what a step of the
largest networks takes, and who still runs out of memory halves the number from then on.
"""

import math
from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial

from skipsearch.studies.config.study_config import Study
from skipsearch.studies.errors import out_of_memory, raised_by
from skipsearch.studies.storage.store import Store

MARGIN = 1.25  # on what was measured: other networks, fragments, the libraries' workspaces
MAX_FAILURES = 2  # of a trial, each from its last checkpoint; then it has failed


def trials_that_fit(peak_bytes: float, memory_bytes: float) -> int:
    """The largest k such that each of k trials has its peak and a margin; at least 1."""
    return max(1, int(memory_bytes / (MARGIN * peak_bytes)))


class Sharing:
    """Noted in the study, so that a run that goes on need not learn it again."""

    def __init__(self, study: Study, store: Store) -> None:
        self.study, self.store = study, store
        self.number: int | None = None  # None: not shared, `gpus_per_trial` is what a trial gets
        given, noted = study.trials_per_gpu, store.study.user_attrs.get("trials_per_gpu", {})
        if given is not None and noted.get("given") == given:
            self.number = noted["now"]
        elif isinstance(given, int):
            self.number = given

    @property
    def to_measure(self) -> bool:
        return self.study.trials_per_gpu == "auto" and self.number is None

    @property
    def share(self) -> float:
        """Of a GPU, for the next trial."""
        return self.study.gpus_per_trial if self.number is None else 1 / self.number

    def measured(self, peak_bytes: int, memory_bytes: int) -> None:
        self.number = trials_that_fit(peak_bytes, memory_bytes)
        self._note(peak_bytes=peak_bytes, memory_bytes=memory_bytes)

    def back_off(self, share: float) -> None:
        """After a trial with this share of its GPU ran out of memory. One that began when more
        shared it has been heard."""
        if self.number is None or self.number == 1 or share * self.number < 1 - 1e-6:
            return
        before, self.number = self.number, self.number // 2
        self._note(said=f"out of memory: from {before} to {self.number} trials per GPU")

    def failed(self, trial: Trial) -> None:
        """Before Ray tries a trial again: with its new share, the last time with a whole GPU."""
        if self.number is None or not out_of_memory(raised_by(trial)):
            return
        self.back_off(trial.placement_group_factory.required_resources.get("GPU", 0.0))
        if trial.status == Trial.ERROR:  # else it has failed for good
            last = trial.num_failures >= MAX_FAILURES
            trial.update_resources(resources(self.study, 1.0 if last else self.share))

    def _note(self, **facts: Any) -> None:
        noted = self.store.study.user_attrs.get("trials_per_gpu", {})
        now = {"given": self.study.trials_per_gpu, "now": self.number}
        self.store.study.set_user_attr("trials_per_gpu", noted | now | facts)


def gpus_of(study: Study) -> int:
    """How many GPUs of this machine a study needs; under `auto` it takes what is there."""
    if study.trials_per_gpu == "auto":
        import torch

        return min(study.concurrency, max(1, torch.cuda.device_count()))
    if isinstance(study.trials_per_gpu, int):
        return math.ceil(study.concurrency / study.trials_per_gpu)
    return math.ceil(study.concurrency * study.gpus_per_trial)


def resources(study: Study, gpus: float) -> PlacementGroupFactory:
    """Of one trial."""
    bundle = {"CPU": float(study.cpus_per_trial)}
    return PlacementGroupFactory([bundle | ({"GPU": gpus} if gpus else {})])
