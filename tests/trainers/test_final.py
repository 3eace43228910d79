"""The final training of a network: without validation, tested once."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.data.datasets import load
from skipsearch.trainers.loop.fit import fit
from skipsearch.trainers.recipe.recipe import Recipe, lr_at
from skipsearch.trainers.recipe.schedule import Plateau
from skipsearch.trainers.trial.final import FinalTraining, final_data, final_recipe
from skipsearch.trainers.trial.job import Job, Report

ARCH = Arch(stages=2, blocks=(1, 1), stem_channels=8)


def small() -> Data:
    data = load("digits", train_subset=100, validation=0.1)
    return replace(data, test=Images(data.test.images[:80], data.test.labels[:80]))


def job(folder: Path, recipe: Recipe, seed: int = 3) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    return Job(0, encode(ARCH), encode(recipe), seed, recipe.epochs, str(folder), 1, "cpu")


def whole(training: FinalTraining) -> list[Report]:
    records = [training.step()]
    while not records[-1].last:
        records.append(training.step())
    return records


def test_it_is_trained_on_all_images_but_those_for_testing() -> None:
    data = small()
    final = final_data(data)
    assert len(final.train) == len(data.train) + len(data.validation) and not len(final.validation)
    assert sorted(final.train.index) == sorted([*data.train.index, *data.validation.index])
    for part, place in ((data.train, 0), (data.validation, len(data.train))):
        own = slice(place, place + len(part))
        assert np.array_equal(final.train.images[own], part.images)
        assert np.array_equal(final.train.labels[own], part.labels)
    assert (final.mean, final.std, final.test) == (data.mean, data.std, data.test)


def test_the_test_images_are_looked_at_once_at_the_end(tmp_path: Path) -> None:
    recipe = final_recipe(Recipe(batch_size=32, lr=0.05), 3)
    records = whole(FinalTraining(job(tmp_path, recipe), final_data(small())))
    assert [r.test_error is None for r in records] == [True, True, False]
    assert all(math.isnan(r.val_error) and math.isnan(r.kept_error) for r in records)
    assert 0 <= records[-1].test_error <= 1


def test_a_training_that_was_interrupted_comes_to_the_same(tmp_path: Path) -> None:
    recipe, data = final_recipe(Recipe(batch_size=32, lr=0.05), 3), final_data(small())
    once = whole(FinalTraining(job(tmp_path / "once", recipe), data))
    FinalTraining(job(tmp_path / "twice", recipe), data).step()
    resumed = whole(FinalTraining(job(tmp_path / "twice", recipe), data))
    again = whole(FinalTraining(job(tmp_path / "twice", recipe), data))  # killed before it was told
    for other in (resumed, again):
        assert other[-1].test_error == once[-1].test_error
        assert other[-1].train_error == once[-1].train_error
    assert [r.epoch for r in again] == [3]


def test_nothing_is_chosen_by_what_is_not_there() -> None:
    searched = Recipe(keep="best", patience=2, epochs=4, lr=0.3)
    recipe = final_recipe(searched, 20)
    changed = {k for k, v in asdict(recipe).items() if asdict(searched)[k] != v}
    assert changed == {"keep", "patience", "epochs"}
    assert (recipe.keep, recipe.patience, recipe.epochs) == ("last", 0, 20)


def test_a_plateau_waits_for_the_training_error() -> None:
    from skipsearch.searchspace import build

    recipe = Recipe(epochs=8, batch_size=32, lr=0.5, schedule=Plateau(patience=0, factor=0.5))
    data = final_data(small())
    training = fit(build(ARCH, classes=10, shape=data.shape), data, recipe, seed=0)
    epochs = list(training)
    errors = [e.train_error for e in epochs]
    steps = 4 * len(epochs)
    rates = [lr_at(recipe, 4 * n, steps, errors[:n]) for n in range(len(epochs))]
    assert [e.lr for e in epochs] == pytest.approx(rates)
    assert all(np.isnan([e.val_error, e.val_loss, e.kept_error]).all() for e in epochs)
    assert not any(e.diverged for e in epochs)
