"""Find the networks to retrain: trials of a study, presets, arch files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.arch_file import read_arch
from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.config.target import ArchFile, PresetTarget, parse_arch
from skipsearch.studies.storage.find import RUNS, require_trial
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
        """Folder name in `retrained/`: a trial number or an identity, never a user's text."""
        return self.name if self.name.isdecimal() else self.cost.identity


def systems(
    study: optuna.Study,
    networks: Networks,
    wanted: Sequence[int | str],
    epochs: int,
    folder: Path = RUNS,
) -> list[System]:
    """Return the systems that `wanted` names, each once; a baseline that the study has trained is
    its trial.

    Raises ValueError for a name that does not exist, two names of one network, and a network that
    does not fit the images.
    """
    trials = study.get_trials(deepcopy=False)
    baselines = baseline_numbers(study)
    found: dict[str, System] = {}
    for target in wanted:
        number = baselines.get(target, target) if isinstance(target, str) else target
        if isinstance(number, int):
            system = _of_trial(study, trials, number, epochs)
        else:
            system = _of_name(networks, number, epochs, folder)
        same = found.setdefault(system.own, system)
        if same.name != system.name:
            raise ValueError(f"{system.name} is the same network as {same.name}: give one of them")
    return list(found.values())


def _of_trial(
    study: optuna.Study, trials: Sequence[FrozenTrial], number: int, epochs: int
) -> System:
    record = TrialRecord.of(trials[require_trial(study, number)])
    if record.identity is None:
        why = record.why or "it was given up before it had one"
        raise ValueError(f"trial {number} of {study.study_name} has no network to retrain: {why}")
    recipe = decode(Recipe, record[TrialRecord.recipe])
    arch = decode(Arch, record[TrialRecord.arch])
    return System(str(number), arch, final_recipe(recipe, epochs), record.cost)


def _of_name(networks: Networks, target: str, epochs: int, folder: Path) -> System:
    """Return the system of a preset or arch file, with the recipe of the study's baselines."""
    config = networks.config
    name, arch = named(config.baselines, target, folder)
    try:
        cost = networks.cost(arch)
    except ValueError as error:
        raise ValueError(f"{name} does not fit the images of {config.name}: {error}") from error
    return System(name, arch, final_recipe(joint_space.preset_recipe(config), epochs), cost)


def named(baselines: Mapping[str, Arch], target: str, folder: Path) -> tuple[str, Arch]:
    """Return the name under which a baseline, preset or arch file is retrained, and its network.

    Raises ValueError for any other target.
    """
    if target in baselines and target not in PRESETS:
        return target, baselines[target]
    found = parse_arch(target, folder=folder, others=list(baselines))
    match found:
        case PresetTarget(text=name):
            return name, PRESETS[name].arch
        case ArchFile(name=name, path=path):
            if name.isdecimal():
                raise ValueError(f"arch file {target} must not be called like a trial: rename it")
            return name, read_arch(path)
        case _:
            assert_never(found)
