"""Optuna's samplers by the names of a study file."""

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from skipsearch.studies.samplers.tpe import GroupedTPE, Past


def sampler(name: str, seed: int, *, study_seed: int, past: Past | None = None) -> BaseSampler:
    """Return the sampler that a study file names, for one proposal.

    `seed` is the proposal's own, so that random numbers depend on the number of the proposal and
    not on when the driver was started. `study_seed` fixes the sequence of `quasi-random`. Samplers
    with the same `past` read each trial of a study from storage once.
    """
    with warnings.catch_warnings():  # Optuna calls TPE's group, QMC and NSGA-III experimental
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _sampler(name, seed, study_seed, past or Past())


def _sampler(name: str, seed: int, study_seed: int, past: Past) -> BaseSampler:
    samplers = optuna.samplers
    match name:
        case "tpe":
            return GroupedTPE(seed, past)
        case "gp":  # for what `seeker.Seeker` does not find
            return samplers.RandomSampler(seed=seed)
        # A population of 10: with Optuna's 50, half of a study of 100 trials is random networks
        # (hypervolume on NAS-Bench-201 after 100 trials 0.954 against 0.932).
        case "nsga2":
            return samplers.NSGAIISampler(population_size=10, seed=seed)
        case "nsga3":
            return samplers.NSGAIIISampler(population_size=10, seed=seed)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "quasi-random":  # one sequence per study; Optuna counts in the storage
            return samplers.QMCSampler(
                seed=study_seed,
                scramble=True,
                independent_sampler=samplers.RandomSampler(seed=seed),
                warn_asynchronous_seeding=False,
                warn_independent_sampling=False,
            )
    raise AssertionError(name)
