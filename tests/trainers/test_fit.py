"""Training: it learns, it resumes exactly, it depends on its seed only, divergence is a result."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.data.datasets import load
from skipsearch.trainers.loop.evaluate import evaluate
from skipsearch.trainers.loop.fit import fit, order
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.recipe.recipe import Adam, AdamW
from skipsearch.trainers.recipe.schedule import Cosine, Step
from tests.support.small_fit import SHORT, Exploding, network, timeless


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from a second thread, and lose much where the cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", train_subset=400)


def test_the_short_recipe_learns_the_digits() -> None:
    data = load("digits")
    epochs = list(fit(network(data), data, RECIPES["short"], seed=0))
    assert [epoch.epoch for epoch in epochs] == list(range(1, 11))
    assert epochs[-1].val_error < 0.1
    assert epochs[-1].train_loss < epochs[0].train_loss / 3
    assert all(epoch.images_per_second > 0 and epoch.peak_memory_bytes > 0 for epoch in epochs)
    assert all(epoch.diverged == "" for epoch in epochs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", [SHORT.optimizer, AdamW(), Adam()])
def test_a_training_stopped_after_epoch_2_of_4_ends_with_the_same_weights(
    digits: Data, tmp_path: Path, optimizer: AdamW, precision: str
) -> None:
    recipe = replace(SHORT, optimizer=optimizer, lr=0.01, rotate=5.0, jitter=0.2)
    recipe = replace(recipe, precision=precision)
    whole = fit(network(digits), digits, recipe, seed=3)
    expected = [timeless(epoch) for epoch in whole]

    first = fit(network(digits), digits, recipe, seed=3)
    found = [timeless(next(first)), timeless(next(first))]
    torch.save(first.state_dict(), tmp_path / "checkpoint.pt")
    del first
    second = fit(network(digits, seed=99), digits, recipe, seed=3)
    second.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    found += [timeless(epoch) for epoch in second]

    assert found == expected
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_a_state_is_a_copy_that_further_training_does_not_touch(digits: Data) -> None:
    training = fit(network(digits), digits, SHORT, seed=0)
    next(training)
    state = training.state_dict()
    before = {name: tensor.clone() for name, tensor in state["model"].items()}
    next(training)
    assert all(torch.equal(before[name], tensor) for name, tensor in state["model"].items())


def test_a_checkpoint_of_another_training_is_refused(digits: Data) -> None:
    state = fit(network(digits), digits, SHORT, seed=0).state_dict()
    for other in (
        fit(network(digits), digits, SHORT, seed=1),
        fit(network(digits), digits, replace(SHORT, lr=0.2), seed=0),
    ):
        with pytest.raises(
            ValueError, match=r"checkpoint: .* take the checkpoint of this training"
        ):
            other.load_state_dict(state)


def test_two_trainings_in_turn_do_not_disturb_each_other_or_the_caller(digits: Data) -> None:
    alone = [timeless(epoch) for epoch in fit(network(digits), digits, SHORT, seed=5)]
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, other = (fit(network(digits), digits, SHORT, seed=seed) for seed in (5, 6))
    pairs = [(timeless(a), timeless(b)) for a, b in zip(one, other, strict=True)]
    assert torch.equal(torch.rand(3), expected)
    assert [a for a, _ in pairs] == alone
    assert [b for _, b in pairs] != alone


@pytest.mark.parametrize(("step", "epoch"), [(1, 1), (7, 1), (8, 2), (17, 3)])
def test_divergence_ends_the_training_with_a_record_that_says_where(
    digits: Data, step: int, epoch: int
) -> None:
    """400 images in batches of at most 64 are 7 steps an epoch."""
    training = fit(Exploding(network(digits), step, math.nan), digits, SHORT, seed=0)
    epochs = list(training)
    assert [e.diverged for e in epochs] == [""] * (epoch - 1) + [f"loss is nan at step {step}"]
    assert math.isnan(epochs[-1].val_error) and math.isnan(epochs[-1].val_loss)
    state = training.state_dict()
    again = fit(Exploding(network(digits), 0, 0.0), digits, SHORT, seed=0)
    again.load_state_dict(state)
    assert list(again) == []


def test_a_learning_rate_far_too_high_is_a_result_and_no_crash(digits: Data) -> None:
    epochs = list(fit(network(digits), digits, replace(SHORT, lr=1e30), seed=0))
    assert epochs[-1].diverged and math.isnan(epochs[-1].val_error)


@pytest.mark.parametrize(("n", "batch"), [(400, 64), (400, 399), (7, 8), (9, 8), (1000, 128)])
def test_an_epoch_shows_every_image_once_in_batches_of_like_size(n: int, batch: int) -> None:
    recipe = replace(SHORT, batch_size=batch)
    batches = order(n, recipe, seed=0, epoch=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    sizes = [len(index) for index in batches]
    assert max(sizes) - min(sizes) <= 1 and min(sizes) > 1 and max(sizes) <= batch


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(order(400, SHORT, seed, epoch)))

    assert flat(1, 2) == flat(1, 2)
    assert len({tuple(flat(seed, epoch)) for seed in (1, 2) for epoch in (1, 2)}) == 4


def test_iterations_end_a_training_within_an_epoch(digits: Data) -> None:
    epochs = list(fit(network(digits), digits, replace(SHORT, iterations=10), seed=0))
    assert len(epochs) == 2  # 7 steps and 3


def test_read_only_arrays_are_trained_on_without_a_warning_or_a_change(digits: Data) -> None:
    for part in (digits.train, digits.validation):
        part.images.setflags(write=False)
        part.labels.setflags(write=False)
    before = digits.train.images.copy()
    recipe = replace(SHORT, epochs=1, crop=2, flip=True, jitter=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(fit(network(digits), digits, recipe, seed=0))
    assert np.array_equal(before, digits.train.images)


@pytest.mark.parametrize("schedule", [Cosine(), Step(warmup=0.1)])
def test_the_record_shows_the_learning_rate_of_its_last_step(
    digits: Data, schedule: Cosine | Step
) -> None:
    epochs = list(fit(network(digits), digits, replace(SHORT, schedule=schedule), seed=0))
    assert epochs[-1].lr < epochs[1].lr <= SHORT.lr


def test_evaluation_counts_every_image_whatever_the_batches(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(digits).eval()
    whole = evaluate(model, digits, "test", bf16=False)
    monkeypatch.setattr("skipsearch.trainers.loop.evaluate.PIXELS_CPU", 64 * 7)  # batches of 7
    assert evaluate(model, digits, "test", bf16=False) == pytest.approx(whole, rel=1e-5)
    x = torch.from_numpy(digits.test.images).permute(0, 3, 1, 2) / 255
    logits = model((x - digits.mean[0]) / digits.std[0])
    wrong = (logits.argmax(1).numpy() != digits.test.labels).mean()
    assert whole[1] == pytest.approx(wrong)


def test_grey_and_non_square_images_train() -> None:
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        part = Images(rng.integers(0, 256, (40, 12, 9, channels), np.uint8), np.arange(40) % 3)
        classes = ("a", "b", "c")
        data = Data("random", part, part, part, classes, (0.5,) * channels, (0.2,) * channels)
        assert data.shape == (channels, 12, 9) and data.image_size == (12, 9)
        assert len(list(fit(network(data), data, replace(SHORT, epochs=2), seed=0))) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_works_on_cuda_and_resumes(digits: Data) -> None:
    first = fit(network(digits), digits, SHORT, seed=0, device="cuda")
    next(first)
    second = fit(network(digits, seed=9), digits, SHORT, seed=0, device="cuda")
    second.load_state_dict(first.state_dict())
    assert [epoch.epoch for epoch in second] == [2, 3, 4]
