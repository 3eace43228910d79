"""Enqueue the networks that are trained first: baselines of the study file, imported fronts.

Each is a waiting trial that carries its network and recipe, so that it can be asked for again after
its driver died, also without the file or study that it came from.
"""

from typing import Any

import optuna

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode, encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.samplers import optuna_walk
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import TrialRecord, undone
from skipsearch.trainers.recipe.recipe import Recipe


def enqueue(config: StudyConfig, store: Store) -> None:
    """Enqueue every baseline once; one abandoned by a dead driver is enqueued again."""
    records = ((t, TrialRecord.of(t)) for t in store.trials)
    asked_for = [(t, record) for t, record in records if record.baseline is not None]
    there = {record.baseline for t, record in asked_for if record.charged or undone(t)}
    wanted = {
        name: baseline(name, arch, joint_space.preset_recipe(config))
        for name, arch in config.baselines.items()
    }
    for record in (record for _, record in asked_for if record.imported is not None):
        kept = ("baseline", "imported", "arch", "recipe")
        wanted[record[TrialRecord.baseline]] = {key: record.attributes[key] for key in kept}
    for name, attributes in wanted.items():
        if name not in there:
            store.enqueue(attributes)


def baseline(name: str, arch: Arch, recipe: Recipe) -> dict[str, Any]:
    """Return the attributes of a waiting trial that trains this network."""
    return {"baseline": name, "arch": encode(arch), "recipe": encode(recipe)}


def asked(config: StudyConfig, trial: optuna.Trial) -> tuple[Arch, Recipe]:
    """Return network and recipe of a baseline, and write them into the trial's parameters."""
    record = TrialRecord.of(trial)
    if record.recipe is not None:
        arch = decode(Arch, record[TrialRecord.arch])
        recipe = joint_space.preset_recipe(config, record.recipe)
    else:  # enqueued by a version that wrote the name alone
        arch = config.baselines[record[TrialRecord.baseline]]
        recipe = joint_space.preset_recipe(config)
    optuna_walk.write_known(config, trial, arch, recipe)
    return arch, recipe
