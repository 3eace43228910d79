"""Describe what a study would search, without training anything (`skipsearch check`)."""

import math
from dataclasses import dataclass

from skipsearch.studies.config.limits import Networks, Sampled, sample
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.data.datasets import load


@dataclass(frozen=True)
class Check:
    """The result of `check`: a study's data, and random networks drawn with a fixed seed."""

    config: StudyConfig
    classes: int
    shape: tuple[int, int, int]
    images: tuple[int, int]  # for training, for validation
    sampled: Sampled

    def lines(self) -> list[str]:
        """Return the report as `skipsearch check` prints it, line by line."""
        config, sampled = self.config, self.sampled
        arch, recipe = config.arch_space.size(), config.recipe_space.size()
        each = config.seeds_per_trial
        seeds = f" with each of {each} seeds" if each > 1 else ""
        lines = [
            f"{config.name}: {config.trials} trials of {config.epochs} epochs{seeds}, "
            f"{config.sampler}, {config.pruner}, {config.concurrency} at a time",
            f"images: {config.dataset}, {self.images[0]:,} to train on, {self.images[1]:,} to "
            f"validate with, {self.classes} classes, {'×'.join(map(str, self.shape))}",
            f"space: at most {_size(arch)} networks, {_size(recipe)} recipes",
        ]
        for name in ("params", "macs"):
            values = sorted(cost.of(name) for cost in sampled.costs)
            if values:
                middle = values[len(values) // 2]
                spread = f"{values[0]:,} … {values[-1]:,} (median {middle:,})"
                lines.append(f"{name} of {len(values)} samples: {spread}")
        fit = f"{len(sampled.costs)} of {sampled.drawn} samples fit the images"
        lines.append(f"{fit}, {sampled.within} are within the limits")
        lines += [f"  {count} {reason}" for reason, count in sampled.reasons.most_common(3)]
        if not sampled.within:
            lines.append("warning: `run` would end with status 3, as nothing may be trained")
        return lines


def check(config: StudyConfig) -> Check:
    """Load the images and count the costs of sampled networks.

    Raises ValueError for data that cannot be used; limits that no sample keeps are a warning.
    """
    data = load_data(config)
    sampled = sample(Networks(config, data.num_classes, data.shape))
    images = len(data.train), len(data.validation)
    return Check(config, data.num_classes, data.shape, images, sampled)


def load_data(config: StudyConfig) -> Data:
    """Load the images of a study, split by its seed."""
    given = {"data_dir": config.data_dir, "validation": config.validation}
    return load(
        config.dataset,
        image_size=config.image_size,
        channels=config.channels,
        train_subset=config.train_subset,
        seed=config.seed,
        **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
    )


def _size(size: float) -> str:
    if math.isinf(size):
        return "infinitely many"
    return f"{size:,.0f}" if size < 1e9 else f"{size:.1e}"
