"""Which networks are retrained: trials of a study, presets, arch files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.arch_file import read_arch
from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.storage.trial_record import TrialRecord, baseline_numbers
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.final import final_recipe


@dataclass(frozen=True)
class System:
    """A network and the recipe of its final training."""

    name: str  # the number of a trial, or the name of a preset or an arch file
    arch: Arch
    recipe: Recipe
    cost: Cost

    @property
    def own(self) -> str:
        """Its folder in `retrained/`; a name is never a path."""
        return self.name if self.name.isdecimal() else self.cost.identity


def systems(
    study: optuna.Study, networks: Networks, wanted: Sequence[int | str], epochs: int
) -> list[System]:
    """Those of `wanted`, each once: numbers of trials, presets, arch files. A baseline that the
    study has trained is its trial. Raises ValueError for what is not there or does not fit."""
    trials = study.get_trials(deepcopy=False)
    baselines = baseline_numbers(study)
    found: dict[str, System] = {}
    for target in wanted:
        number = baselines.get(target, target) if isinstance(target, str) else target
        if isinstance(number, int):
            system = _of_trial(study, trials, number, epochs)
        else:
            system = _of_name(networks, number, epochs)
        same = found.setdefault(system.own, system)
        if same.name != system.name:
            raise ValueError(f"{system.name} is the same network as {same.name}: give one of them")
    return list(found.values())


def _of_trial(
    study: optuna.Study, trials: Sequence[FrozenTrial], number: int, epochs: int
) -> System:
    if not 0 <= number < len(trials):
        there = f"0 to {len(trials) - 1}" if trials else "none yet"
        raise ValueError(f"study {study.study_name} has no trial {number}: its trials are {there}")
    record = TrialRecord.of(trials[number])
    if record.identity is None:
        why = record.why or "it was given up before it had one"
        raise ValueError(f"trial {number} of {study.study_name} has no network to retrain: {why}")
    recipe = decode(Recipe, record[TrialRecord.recipe])
    arch = decode(Arch, record[TrialRecord.arch])
    return System(str(number), arch, final_recipe(recipe, epochs), record.cost)


def _of_name(networks: Networks, target: str, epochs: int) -> System:
    """With the recipe that the study's baselines have."""
    config = networks.config
    name, arch = _named(config.baselines, target)
    try:
        cost = networks.cost(arch)
    except ValueError as error:
        raise ValueError(f"{name} does not fit the images of {config.name}: {error}") from error
    return System(name, arch, final_recipe(joint_space.preset_recipe(config), epochs), cost)


def _named(baselines: Mapping[str, Arch], target: str) -> tuple[str, Arch]:
    if target in PRESETS:
        return target, PRESETS[target].arch
    if target in baselines:
        return target, baselines[target]
    path = Path(target)
    if path.is_file():
        if path.stem.isdecimal():
            raise ValueError(f"arch file {target} must not be called like a trial: rename it")
        return path.stem, read_arch(path)
    hint = nearest(target, [*PRESETS, *baselines]) or "; `skipsearch presets` lists them"
    raise ValueError(f"{target} is no preset, no baseline and no arch file{hint}")
