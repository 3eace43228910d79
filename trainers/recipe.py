"""How a network is trained: one configuration tree, searched, pinned and printed like `Arch`.

Schedules are stated as parts of the whole training, so that one recipe means the same at any
length, and a search may change `epochs` alone.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, assert_never

from searchspace.domains import Choice, Floats, choice, integer, one_of, real


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
    """What both forms of Adam average."""

    beta1: float = real(0.9, 0.0, 0.999, doc="decay of the mean of gradients")
    beta2: float = real(0.999, 0.0, 0.9999, doc="decay of the mean of squared gradients")


@dataclass(frozen=True, kw_only=True)
class AdamW(Moments):
    """Adam with decoupled weight decay, https://arxiv.org/abs/1711.05101"""

    label: ClassVar[str] = "adamw"


@dataclass(frozen=True, kw_only=True)
class Adam(Moments):
    """https://arxiv.org/abs/1412.6980; weight decay is L2, added to the gradient."""

    label: ClassVar[str] = "adam"


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """A straight rise to `lr` and a straight fall to 0.

    After https://arxiv.org/abs/1708.07120, which also cycles the momentum; here it stays.
    """

    label: ClassVar[str] = "one-cycle"
    peak: float = real(0.25, 0.0, 0.9, doc="part of all steps after which lr is at its peak")


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from `lr` to 0 after the warm-up, https://arxiv.org/abs/1608.03983"""

    label: ClassVar[str] = "cosine"
    warmup: float = real(0.1, 0.0, 0.9, doc="part of all steps over which lr rises from 0")


@dataclass(frozen=True, kw_only=True)
class Step:
    """`lr` multiplied by `factor` at two points."""

    label: ClassVar[str] = "step"
    warmup: float = real(0.0, 0.0, 0.1, doc="part of all steps over which lr rises from 0")
    first: float = real(0.5, 0.1, 0.65, doc="part of all steps after which lr falls")
    second: float = real(0.75, 0.65, 1.0, doc="part of all steps after which lr falls again")
    factor: float = real(0.1, 0.01, 1.0, doc="what lr is multiplied by when it falls")


Optimizer = SGD | AdamW | Adam
Schedule = OneCycle | Cosine | Step
NO_LIMIT = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training ends with `epochs` or `iterations`, whichever comes first."""

    epochs: int = integer(10, 1, 2000, doc="passes over the training images")
    iterations: int = integer(NO_LIMIT, 100, NO_LIMIT, step=100, doc="most optimiser steps")
    batch_size: int = integer(128, 8, 8192, search=Choice((64, 128, 256)), doc="most images a step")
    optimizer: Optimizer = one_of(SGD, AdamW, Adam, doc="what turns gradients into steps")
    lr: float = real(0.1, 1e-6, 10.0, log=True, doc="learning rate at its peak")
    schedule: Schedule = one_of(OneCycle, Cosine, Step, doc="learning rate over the training")
    weight_decay: float = real(
        5e-4, 0.0, 1.0, search=Floats(1e-5, 1e-2, log=True), doc="pull of the weights towards 0"
    )
    decay: str = choice("weights", "all", doc="what decays: without norms and biases, or all")
    label_smoothing: float = real(0.0, 0.0, 0.5, doc="part of the target spread over all classes")
    crop: int = integer(0, 0, 8, doc="pixels of black padding around the image before a crop")
    flip: bool = choice(False, True, doc="mirror every second image; wrong for digits, letters")
    jitter: float = real(0.0, 0.0, 0.9, doc="brightness and contrast vary by up to this part")
    precision: str = choice("auto", "bf16", "fp32", doc="auto: bf16 where the hardware has it")


# `short` keeps flip off, because a mirrored digit is no digit; photographs want `flip = true`.
# A crop of 1 pixel suits 8×8 digits and costs larger images nothing in 10 epochs.
# `he2016`: https://arxiv.org/abs/1512.03385, section 4.2: 64k iterations of 128 images, lr 0.1
# divided by 10 at 32k and 48k, weight decay 1e-4 on everything, no Nesterov momentum.
RECIPES: dict[str, Recipe] = {
    "short": Recipe(crop=1),
    "he2016": Recipe(
        epochs=2000,
        iterations=64_000,
        optimizer=SGD(nesterov=False),
        schedule=Step(),
        weight_decay=1e-4,
        decay="all",
        crop=4,
        flip=True,
    ),
}


def steps_per_epoch(recipe: Recipe, n_train: int) -> int:
    return math.ceil(n_train / recipe.batch_size)


def steps(recipe: Recipe, n_train: int) -> int:
    """Optimiser steps in all, for that many training images."""
    return min(recipe.iterations, recipe.epochs * steps_per_epoch(recipe, n_train))


def total_epochs(recipe: Recipe, n_train: int) -> int:
    """Epochs in all; the last one is shorter where `iterations` end within it."""
    return math.ceil(steps(recipe, n_train) / steps_per_epoch(recipe, n_train))


def lr_at(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step 0 ≤ `step` < `total`, taken at the middle of the step, so that
    neither the first nor the last step of a cycle is spent at 0."""
    return recipe.lr * _part(recipe.schedule, (step + 0.5) / total)


def _part(schedule: Schedule, done: float) -> float:
    match schedule:
        case OneCycle(peak=peak):
            return done / peak if done < peak else (1 - done) / (1 - peak)
        case Cosine(warmup=warmup):
            if done < warmup:
                return done / warmup
            return 0.5 + 0.5 * math.cos(math.pi * (done - warmup) / (1 - warmup))
        case Step(warmup=warmup, first=first, second=second, factor=factor):
            rise = done / warmup if done < warmup else 1.0
            return rise * factor ** ((done >= first) + (done >= second))
        case _:
            assert_never(schedule)
