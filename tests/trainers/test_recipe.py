"""Recipes: what their numbers mean, what they refuse, and the length and schedule they give."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import nn

from skipsearch.searchspace.parameters.walk import decode, document, encode, override
from skipsearch.trainers.recipe.optimizer import decay_groups, optimizer_of
from skipsearch.trainers.recipe.presets import PRESETS, RECIPES
from skipsearch.trainers.recipe.recipe import (
    SGD,
    Adam,
    AdamW,
    Recipe,
    is_over,
    lr_at,
    steps,
    steps_per_epoch,
    total_epochs,
)
from skipsearch.trainers.recipe.schedule import Cosine, OneCycle, Plateau, Step


@pytest.mark.parametrize("name", RECIPES)
def test_every_preset_is_inside_its_domains(name: str) -> None:
    assert decode(Recipe, encode(RECIPES[name])) == RECIPES[name]


def test_every_parameter_has_a_doc_and_its_default_is_inside_its_domain() -> None:
    for parameter in document(Recipe):
        assert parameter.doc
        assert parameter.default in parameter.domain


def test_he2016_takes_64k_iterations_and_falls_at_32k_and_48k() -> None:
    recipe, n_train = RECIPES["he2016"], 45_000
    assert steps_per_epoch(recipe, n_train) == 352
    assert steps(recipe, n_train) == 64_000
    assert total_epochs(recipe, n_train) == 182
    rates = {step: lr_at(recipe, step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000)}
    assert rates == pytest.approx({0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001})


# name → (epochs, lr, what lr is multiplied by, the epochs after which it is), from the papers
FALLS = {
    "dia/resnet": (164, 0.1, 0.1, (81, 122)),
    "dia/resnet-plain": (164, 0.1, 0.1, (81, 122)),
    "dia/wrn": (200, 0.1, 0.2, (80, 120, 160)),
    "dia/resnext": (300, 0.1, 0.1, (150, 225)),
    "dia/repository": (180, 0.1, 0.1, (60, 120)),
    "cnntention/baseline": (182, 0.1, 0.1, (91, 136)),
    "cnntention/mnist": (182, 0.1, 0.1, (91, 136)),
    "cnntention/tuning": (182, 0.1, 0.1, (91, 136)),
    "cnntention/no-residual": (182, 1e-3, 0.1, (91, 136)),
    "cnntention/attention": (182, 5e-4, 0.1, (91, 115)),
    "cnntention/cbam": (182, 5e-3, 0.1, (45, 91, 136)),
    "aicnn/cifar": (200, 0.1, 0.1, (100, 150)),
    "aicnn/imagenet": (90, 0.1, 0.1, (30, 60)),
}


@pytest.mark.parametrize("n_train", [45_000, 50_000, 1_437, 8])
@pytest.mark.parametrize("name", FALLS)
def test_the_learning_rate_falls_at_the_published_epoch_boundaries(name: str, n_train: int) -> None:
    recipe, (epochs, lr, factor, milestones) = RECIPES[name], FALLS[name]
    assert total_epochs(recipe, n_train) == epochs
    size, total = steps_per_epoch(recipe, n_train), steps(recipe, n_train)
    for epoch in range(epochs):  # from 0, as torch's MultiStepLR counts
        expected = lr * factor ** sum(epoch >= milestone for milestone in milestones)
        for step in (epoch * size, (epoch + 1) * size - 1):
            assert lr_at(recipe, step, total) == pytest.approx(expected, rel=1e-12), epoch


def test_falls_may_be_given_in_any_order() -> None:
    points = (0.2, 0.5, 1.0)
    rates = {
        tuple(lr_at(Recipe(schedule=Step(first=a, second=b, third=c)), s, 90) for s in range(90))
        for a, b, c in permutations(points)
    }
    assert len(rates) == 1
    assert [len({*r}) for r in rates] == [3]  # a fall at 1 is none


def test_presets_say_where_they_are_from_and_differ_where_they_should() -> None:
    assert all(preset.source for preset in PRESETS.values())
    assert {*PRESETS} - {*FALLS} == {
        "short",
        "he2016",
        "as/cifar",
        "gradattn/default",
        "gradattn/plain",
        "gradattn/as-published",
        "gradattn/as-published-plain",
    }
    assert RECIPES["as/cifar"] == RECIPES["he2016"]
    assert (RECIPES["dia/resnet-plain"].crop, RECIPES["dia/resnet-plain"].flip) == (0, False)
    for name in ("gradattn/plain", "gradattn/as-published-plain"):
        plain = RECIPES[name]
        assert (plain.crop, plain.flip, plain.rotate, plain.jitter) == (0, False, 0, 0)
    kept = {name: r.keep for name, r in RECIPES.items() if name.startswith("gradattn/")}
    assert {name for name, keep in kept.items() if keep == "last"} == {
        "gradattn/as-published",
        "gradattn/as-published-plain",
    }
    waits = {name: r.patience for name, r in RECIPES.items() if name.startswith("cnntention/")}
    assert waits == {
        "cnntention/baseline": 20,
        "cnntention/mnist": 10,
        "cnntention/attention": 20,
        "cnntention/cbam": 20,
        "cnntention/tuning": 0,
        "cnntention/no-residual": 0,
    }
    decays = {name: RECIPES[name].weight_decay for name in ("dia/wrn", "dia/resnext", "dia/resnet")}
    assert decays == {"dia/wrn": 5e-4, "dia/resnext": 5e-4, "dia/resnet": 1e-4}
    for name, recipe in RECIPES.items():
        if name != "short":
            assert recipe.decay == "all" and recipe.label_smoothing == 0
            if isinstance(recipe.optimizer, SGD):
                assert (recipe.optimizer.momentum, recipe.optimizer.nesterov) == (0.9, False)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("dia/", "0.2023, 0.1994, 0.2010"),
        ("dia/", "best test error of all epochs: refused"),
        ("cnntention/mnist", "not normalised at all"),
        ("cnntention/mnist", "32×32 out of the padded 36×36"),
        ("cnntention/baseline", "0.24697"),
        ("cnntention/baseline", "stops on the test error: refused"),
        ("gradattn/default", "PAD-UFES-20 wants batch_size = 64"),
        ("gradattn/plain", "SVHN, PCam and Tiny ImageNet"),
        ("gradattn/as-published-plain", "SVHN, PCam and Tiny ImageNet"),
    ],
)
def test_presets_say_what_of_a_paper_they_leave_out(start: str, said: str) -> None:
    told = [preset.source for name, preset in PRESETS.items() if name.startswith(start)]
    assert told and all(said in source for source in told)


def test_as_published_switches_are_on_in_their_own_presets_alone() -> None:
    switched = {
        name: (recipe.train_images, recipe.validation_images)
        for name, recipe in RECIPES.items()
        if (recipe.train_images, recipe.validation_images) != ("plain", "plain")
    }
    assert switched == {
        "gradattn/as-published": ("recast", "plain"),
        "cnntention/tuning": ("plain", "augmented"),
    }


def histories(count: int) -> list[list[float]]:
    """Errors of 40 epochs: falling, level, rising, with ties and gains around 1e-4 of accuracy."""
    rng, found = random.Random(0), []
    for _ in range(count):
        errors, error = [], 0.9
        for _ in range(40):
            change = rng.choice((0.0, 0.0, -5e-5, -2e-4, 1e-4, -0.02, 0.02))
            error = min(1.0, max(0.0, error + change))
            errors.append(error)
        found.append(errors)
    return found


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_a_plateau_is_that_of_torch(patience: int) -> None:
    plateau = Plateau(patience=patience, factor=0.2, lowest=1e-7)
    recipe, seen = Recipe(lr=1e-3, schedule=plateau), set()
    for errors in histories(30):
        parameter = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=1e-3)
        twin = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.2, patience=patience, min_lr=1e-7, eps=0.0
        )
        for epoch in range(len(errors)):
            expected = float(optimizer.param_groups[0]["lr"])
            assert lr_at(recipe, 0, 1, errors[:epoch]) == pytest.approx(expected, rel=1e-9)
            seen.add(round(expected, 12))
            twin.step(1 - errors[epoch])
    assert len(seen) > 3


def test_a_plateau_never_raises_the_rate() -> None:
    recipe = Recipe(lr=1e-3, schedule=Plateau(lowest=0.5))
    assert lr_at(recipe, 0, 1, [0.5] * 9) == 1e-3


def ended(recipe: Recipe, errors: list[float]) -> int:
    """Slow twin of `is_over`: the epoch after which a loop with a counter breaks."""
    best, bad = None, 0
    for epoch, error in enumerate(errors, start=1):
        if best is None or error < best * (1 - recipe.min_improvement):
            best, bad = error, 0
        else:
            bad += 1
        if bad == recipe.patience:
            return epoch
    return len(errors)


@pytest.mark.parametrize(("patience", "least"), [(1, 0.0), (7, 0.0), (3, 1e-3), (2, 0.1)])
def test_patience_ends_a_training_as_a_counter_would(patience: int, least: float) -> None:
    recipe, lengths = Recipe(epochs=40, patience=patience, min_improvement=least), set()
    for errors in histories(30):
        length = next(n for n in range(41) if is_over(recipe, 100, errors[:n]))
        assert length == ended(recipe, errors)
        assert not is_over(replace(recipe, patience=0), 100, errors[: length - 1])
        lengths.add(length)
    assert min(lengths) < 40


def test_epochs_shorten_any_recipe() -> None:
    for base in RECIPES.values():
        recipe = override(Recipe, {"epochs": 3}, base)
        assert total_epochs(recipe, 45_000) == 3
        assert steps(recipe, 45_000) == 3 * steps_per_epoch(recipe, 45_000)


@pytest.mark.parametrize("schedule", [OneCycle(), OneCycle(peak=0.0), Cosine(), Cosine(warmup=0.0)])
def test_a_cycle_peaks_at_lr_and_ends_near_0(schedule: OneCycle | Cosine) -> None:
    rates = [lr_at(Recipe(schedule=schedule, lr=0.2), step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(0.2, rel=0.01)
    assert 0 < rates[-1] < 0.001
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_even_a_training_of_one_step_moves() -> None:
    for schedule in (OneCycle(), Cosine(), Step(), Plateau()):
        assert lr_at(Recipe(schedule=schedule), 0, 1) > 0


def test_warm_up_of_the_step_schedule_rises_in_a_straight_line() -> None:
    recipe = Recipe(schedule=Step(warmup=0.1), lr=1.0)
    rates = [lr_at(recipe, step, 100) for step in range(12)]
    assert rates == pytest.approx([0.05 + 0.1 * step for step in range(10)] + [1.0, 1.0])


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optimizer\.sgd\.nesterov must be false"):
        SGD(momentum=0.0)


def test_an_unknown_or_inactive_name_is_refused() -> None:
    with pytest.raises(ValueError, match="nearest: epochs"):
        override(Recipe, {"epoch": 3})
    with pytest.raises(ValueError, match="needs schedule = cosine"):
        override(Recipe, {"schedule.cosine.warmup": 0.2})
    with pytest.raises(ValueError, match=r"epochs must be 1 … 2000, got 0"):
        override(Recipe, {"epochs": 0})


def test_decay_spares_norms_and_biases_unless_told_to_take_all() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    weights, spared = decay_groups(model, Recipe(decay="weights", weight_decay=0.1))
    assert [tuple(p.shape) for p in weights["params"]] == [(2, 1, 3, 3), (2, 8)]  # type: ignore[attr-defined]
    assert (weights["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    (everything,) = decay_groups(model, Recipe(decay="all", weight_decay=0.1))
    assert len(everything["params"]) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize("choice", [SGD(), SGD(momentum=0.0, nesterov=False), AdamW(), Adam()])
def test_every_optimiser_can_be_made(choice: SGD | AdamW | Adam) -> None:
    optimizer = optimizer_of(nn.Linear(2, 2), Recipe(optimizer=choice))
    assert type(optimizer).__name__.lower() == choice.label


def test_the_short_recipe_is_adamw_with_a_rate_that_is_high_after_a_tenth_of_all_steps() -> None:
    recipe = RECIPES["short"]
    assert recipe == Recipe(optimizer=AdamW(), lr=0.01, schedule=OneCycle(peak=0.1))
    assert isinstance(optimizer_of(nn.Linear(2, 2), recipe), torch.optim.AdamW)
    rates = [lr_at(recipe, step, 200) for step in range(200)]
    assert rates.index(max(rates)) in (19, 20) and max(rates) == pytest.approx(0.01, rel=0.03)
    assert (recipe.crop, recipe.flip, recipe.rotate, recipe.jitter) == (0, False, 0, 0)
