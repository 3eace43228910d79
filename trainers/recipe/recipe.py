"""A recipe: the settings of a training as a tree, searched, pinned and printed like `Arch`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.parameters.domains import Choice, Floats, choice, integer, one_of, real
from skipsearch.trainers.recipe.schedule import (
    Cosine,
    OneCycle,
    Plateau,
    Schedule,
    Step,
    rate,
    waits,
)


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent; weight decay is L2, added to the gradient."""

    label: ClassVar[str] = "sgd"
    momentum: float = real(0.9, 0.0, 0.999, doc="part of the last step kept in the next")
    nesterov: bool = choice(True, False, doc="look ahead along the momentum")

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError(
                "optimizer.sgd.nesterov must be false without momentum, got true: "
                "set it to false or optimizer.sgd.momentum above 0"
            )


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Parameters that both forms of Adam share."""

    beta1: float = real(0.9, 0.0, 0.999, doc="decay of the mean of gradients")
    beta2: float = real(0.999, 0.0, 0.9999, doc="decay of the mean of squared gradients")


@dataclass(frozen=True, kw_only=True)
class AdamW(Moments):
    """Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101)."""

    label: ClassVar[str] = "adamw"


@dataclass(frozen=True, kw_only=True)
class Adam(Moments):
    """Adam (https://arxiv.org/abs/1412.6980); weight decay is L2, added to the gradient."""

    label: ClassVar[str] = "adam"


Optimizer = SGD | AdamW | Adam
NO_LIMIT = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training: optimiser, schedule, length, augmentation, precision.

    Training ends with `epochs`, `iterations` or `patience`, whichever comes first.

    Patience, schedule and `keep` follow the validation error alone. CNNtention's final runs stop
    early on the test error and DIA reports the best test error of all epochs; neither can be
    expressed here, because a test set that chooses anything is no test set.

    The last two fields repeat mistakes of published code, so that its numbers can be met:

    - `train_images = recast`: GradAttn takes its normalised training images, which leave 0 … 1, for
      plain ones when it makes 8-bit images of them, so that all outside wraps around; augmented and
      normalised once more, they have little in common with those of validation and test.
    - `validation_images = augmented`: CNNtention cuts its validation images out of a set that
      crops and mirrors at random, so that its errors are too high and vary from epoch to epoch.

    Examples
    --------
    >>> Recipe(epochs=30, optimizer=AdamW(), lr=1e-3, crop=4, flip=True)
    >>> override(Recipe, {"schedule": "cosine", "lr": 0.05}, base=RECIPES["short"])
    """

    epochs: int = integer(10, 1, 2000, doc="passes over the training images")
    iterations: int = integer(NO_LIMIT, 100, NO_LIMIT, step=100, doc="most optimiser steps")
    patience: int = integer(
        0,
        0,
        1000,
        search=Choice((0, 10, 20)),
        doc="epochs in a row without improvement that end the training; 0: none do",
    )
    min_improvement: float = real(
        0.0, 0.0, 0.9, doc="part by which the validation error must fall to count for patience"
    )
    keep: str = choice(
        "last", "best", doc="weights that remain: of the last epoch, or of least validation error"
    )
    batch_size: int = integer(
        128, 8, 8192, search=Choice((64, 128, 256)), doc="images per step, at most"
    )
    optimizer: Optimizer = one_of(SGD, AdamW, Adam, doc="what turns gradients into steps")
    lr: float = real(0.1, 1e-6, 10.0, log=True, doc="learning rate at its peak")
    schedule: Schedule = one_of(
        OneCycle, Cosine, Step, Plateau, doc="learning rate over the training"
    )
    weight_decay: float = real(
        5e-4, 0.0, 1.0, search=Floats(1e-5, 1e-2, log=True), doc="pull of the weights towards 0"
    )
    decay: str = choice("weights", "all", doc="what decays: without norms and biases, or all")
    penalty: float = real(
        0.1, 0.0, 10.0, search=Floats(0.0, 1.0), doc="weight of losses that layers add (SPEM)"
    )
    label_smoothing: float = real(0.0, 0.0, 0.5, doc="part of the target spread over all classes")
    crop: int = integer(0, 0, 8, doc="pixels of black padding around the image before a crop")
    flip: bool = choice(False, True, doc="mirror every second image; wrong for digits, letters")
    rotate: float = real(
        0.0, 0.0, 45.0, search=Floats(0.0, 15.0), doc="turn by up to so many degrees either way"
    )
    jitter: float = real(0.0, 0.0, 0.9, doc="brightness and contrast vary by up to this part")
    precision: str = choice("auto", "bf16", "fp32", doc="auto: bf16 where the hardware has it")
    train_images: str = choice(
        "plain", "recast", doc="recast: as published by GradAttn, wrapped around at 8 bits"
    )
    validation_images: str = choice(
        "plain", "augmented", doc="augmented: as CNNtention tuned, cropped and mirrored at random"
    )


def steps_per_epoch(recipe: Recipe, n_train: int) -> int:
    """Count the optimiser steps of a whole epoch over `n_train` images."""
    return math.ceil(n_train / recipe.batch_size)


def steps(recipe: Recipe, n_train: int) -> int:
    """Count the optimiser steps of a training over `n_train` images, unless patience ends it."""
    return min(recipe.iterations, recipe.epochs * steps_per_epoch(recipe, n_train))


def total_epochs(recipe: Recipe, n_train: int) -> int:
    """Count the epochs, unless patience ends them; `iterations` may cut the last one short."""
    return math.ceil(steps(recipe, n_train) / steps_per_epoch(recipe, n_train))


def is_over(recipe: Recipe, n_train: int, errors: Sequence[float]) -> bool:
    """Return True if training is over after epochs with these validation errors.

    An epoch improves if its error is below best · (1 − min_improvement), best being that of the
    last epoch that improved; `patience` epochs in a row that do not improve end the training.
    """
    if len(errors) >= total_epochs(recipe, n_train):
        return True
    part = 1 - recipe.min_improvement
    waited = waits(errors, lambda error, best: error < best * part)
    return recipe.patience > 0 and max(waited, default=0) >= recipe.patience


def lr_at(recipe: Recipe, step: int, total: int, errors: Sequence[float] = ()) -> float:
    """Return the learning rate of step 0 ≤ `step` < `total`.

    `errors` are the validation errors of the epochs before it. The schedule is evaluated at the
    middle of the step, so that neither the first nor the last step of a cycle is spent at 0.
    """
    return rate(recipe.schedule, recipe.lr, (step + 0.5) / total, errors)
