"""Make the job that a worker trains from a trial and its study."""

import json
from pathlib import Path

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.config.limits import Cost
from skipsearch.studies.config.study_config import StudyConfig, checkpoint_home
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job


def more_seeds(config: StudyConfig, identity: str) -> tuple[int, ...]:
    """Return the seeds after a network's first one, `seeds_per_trial` − 1 of them."""
    further = range(1, config.seeds_per_trial)
    return tuple(derived_seed(config.seed, identity, number) for number in further)


def job_of(
    config: StudyConfig,
    folder: Path,
    number: int,
    arch: Arch,
    recipe: Recipe,
    cost: Cost,
    epochs: int,
    below: int | None,
    baseline: bool,
) -> Job:
    """Make a trial's job and folder; its seeds follow from the study's seed and the network."""
    own, minutes = folder / "trials" / str(number), config.max_trial_minutes
    own.mkdir(parents=True, exist_ok=True)
    (own / "arch.json").write_text(json.dumps(encode(arch), indent=1) + "\n")
    return Job(
        number=number,
        arch=encode(arch),
        recipe=encode(recipe),
        seed=derived_seed(config.seed, cost.identity),
        more_seeds=more_seeds(config, cost.identity),
        max_epochs=epochs,
        folder=str(own.resolve()),
        threads=config.cpus_per_trial,
        device="cuda" if config.gpus_per_trial else "cpu",
        baseline=baseline,
        costs=tuple(float(cost.of(name)) for name in config.costs),
        max_seconds=None if minutes is None else 60 * minutes,
        checkpoints=f"{checkpoint_home(config, folder)}/{number}",
        below=below,
    )
