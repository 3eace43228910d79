"""Let an Optuna trial answer a walk over the space."""

import copy
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.course import Pick
from skipsearch.searchspace.parameters.domains import (
    Choice,
    Domain,
    Floats,
    Integers,
    Scalar,
    size_of,
)
from skipsearch.searchspace.parameters.neighbours import Chosen
from skipsearch.studies.config.distributions import distribution
from skipsearch.studies.config.joint_space import domains, known
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.storage.bulk_writes import write_params
from skipsearch.trainers.recipe.recipe import Recipe


def write_known(config: StudyConfig, trial: optuna.Trial, arch: Arch, recipe: Recipe) -> None:
    """Write the parameters of a given network to its trial; no sampler is asked for them."""
    chosen = {name: Chosen(domain, value) for name, domain, value in known(config, arch, recipe)}
    Draft(trial).write(chosen)


def ranges(config: StudyConfig) -> dict[str, BaseDistribution]:
    """Return the ranges of all numeric parameters; earlier trials may have had other bounds."""
    return {
        name: distribution(domain)
        for name, (domain, _) in domains(config).items()
        if not isinstance(domain, Choice) and size_of(domain) != 1
    }


class Draft:
    """Hold back the parameters that Optuna suggests for a trial; `write` stores the final ones.

    Optuna's trial writes each suggestion into the storage and into its own copy of the record,
    which in-memory storages hand out without copying: the draft takes the storage's place and
    gives the trial a real copy.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self._storage = trial, trial.storage
        self._kept: dict[str, tuple[float, BaseDistribution]] = {}
        record = copy.copy(trial._cached_frozen_trial)
        record.params, record.distributions = {**record.params}, {**record.distributions}
        trial._cached_frozen_trial = record
        trial.storage = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_param(
        self, _trial_id: int, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        """Keep a suggestion, in place of the storage's method of this name."""
        self._kept[name] = value, distribution

    def write(self, instead: Mapping[str, Chosen] | None = None) -> None:
        """Store the kept parameters, or `instead`, and give the trial its own storage back."""
        if instead is not None:
            kinds = {name: distribution(one.domain) for name, one in instead.items()}
            self._kept = {
                name: (kind.to_internal_repr(instead[name].value), kind)
                for name, kind in kinds.items()
            }
        storage, trial_id = self._storage, self._trial._trial_id
        write_params(storage, trial_id, self._kept)
        self._trial.storage = storage
        self._trial._cached_frozen_trial = storage.get_trial(trial_id)


def asking(trial: optuna.Trial) -> Pick:
    """Return a chooser that answers a walk with the suggestions of an Optuna trial."""

    def pick(name: str, domain: Domain, _default: Scalar) -> Scalar:
        match domain:
            case Choice(values):
                answer = trial.suggest_categorical(name, values)
                assert answer is not None
                return answer
            case Integers():
                return trial.suggest_int(name, domain.low, domain.high, step=domain.step)
            case Floats(low, high, log):
                return trial.suggest_float(name, low, high, log=log)

    return pick
