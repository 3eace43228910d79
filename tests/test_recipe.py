"""Recipes: what their numbers mean, what they refuse, and the length and schedule they give."""

import pytest
from torch import nn

from searchspace.walk import decode, document, encode, override
from trainers.optimizer import decay_groups, optimizer_of
from trainers.recipe import (
    RECIPES,
    SGD,
    Adam,
    AdamW,
    Cosine,
    OneCycle,
    Recipe,
    Step,
    lr_at,
    steps,
    steps_per_epoch,
    total_epochs,
)


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


def test_epochs_shorten_any_recipe() -> None:
    for base in RECIPES.values():
        recipe = override(Recipe, {"epochs": 3}, base)
        assert total_epochs(recipe, 45_000) == 3
        assert steps(recipe, 45_000) == 3 * 352


@pytest.mark.parametrize("schedule", [OneCycle(), OneCycle(peak=0.0), Cosine(), Cosine(warmup=0.0)])
def test_a_cycle_peaks_at_lr_and_ends_near_0(schedule: OneCycle | Cosine) -> None:
    rates = [lr_at(Recipe(schedule=schedule, lr=0.2), step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(0.2, rel=0.01)
    assert 0 < rates[-1] < 0.001
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_even_a_training_of_one_step_moves() -> None:
    for schedule in (OneCycle(), Cosine(), Step()):
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
