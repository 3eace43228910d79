"""What a recipe makes of the validation errors, of losses of layers and of published mistakes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.channel_gates import SelfEnhanced
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.data.datasets import load
from skipsearch.trainers.loop.augment import normalise, recast
from skipsearch.trainers.loop.evaluate import evaluate
from skipsearch.trainers.loop.fit import Epoch, Fit, fit, order
from skipsearch.trainers.recipe.recipe import SGD, Adam, Recipe
from skipsearch.trainers.recipe.schedule import Plateau, Step
from tests.support.small_fit import SHORT, Exploding, network, timeless

# Errors that rise and fall: lr falls on plateaus, patience ends the training, its last epoch is not
# its best one.
UNSTEADY = replace(
    SHORT,
    epochs=30,
    optimizer=Adam(),
    lr=0.05,
    schedule=Plateau(patience=1, factor=0.7),
    patience=4,
    keep="best",
)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", train_subset=400)


def weights(training: Fit) -> dict[str, Tensor]:
    """Cloned one by one, without the means that `Fit` has for it."""
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def alike(epoch: Epoch) -> Epoch:
    """But for what differs between `keep = last` and `keep = best`."""
    return replace(timeless(epoch), kept_error=0.0)


def test_patience_ends_a_training_and_its_last_record_says_so(digits: Data) -> None:
    training = fit(network(digits), digits, UNSTEADY, seed=0)
    epochs = [next(training)]
    while not training.done:
        epochs.append(next(training))
    assert next(training, None) is None
    errors = [epoch.val_error for epoch in epochs]
    assert 5 < len(epochs) < 30 and min(errors[-4:]) >= min(errors[:-4])
    assert [epoch.last for epoch in epochs] == [False] * (len(epochs) - 1) + [True]
    assert len({epoch.lr for epoch in epochs}) > 2


def test_the_last_of_all_epochs_and_a_divergence_are_the_end_too(digits: Data) -> None:
    whole = list(fit(network(digits), digits, SHORT, seed=0))
    assert [epoch.last for epoch in whole] == [False, False, False, True]
    broken = list(fit(Exploding(network(digits), 8, math.nan), digits, SHORT, seed=0))
    assert [epoch.last for epoch in broken] == [False, True]


def test_the_weights_of_the_best_epoch_remain_buffers_included(digits: Data) -> None:
    """GradAttn's copy is shallow, so that its last weights remain."""
    errors, seed = [0.0], -1
    while errors[-1] == min(errors):  # which seed ends worse than it was depends on the machine
        seed += 1
        assert seed < 20, "all end with their best epoch"
        plain = fit(network(digits), digits, replace(UNSTEADY, keep="last"), seed=seed)
        after = [(epoch, weights(plain)) for epoch in plain]
        errors = [epoch.val_error for epoch, _ in after]
    best = errors.index(min(errors))

    kept = fit(network(digits), digits, UNSTEADY, seed=seed)
    epochs = list(kept)
    assert [alike(epoch) for epoch in epochs] == [alike(epoch) for epoch, _ in after]
    assert equal(weights(kept), after[best][1]) and not equal(weights(kept), after[-1][1])
    assert evaluate(kept.model, digits, "validation", bf16=False)[1] == errors[best]
    assert [e.kept_error for e in epochs] == [min(errors[: n + 1]) for n in range(len(errors))]
    assert equal(weights(plain), after[-1][1])
    assert [epoch.kept_error for epoch, _ in after] == errors


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_that_looks_at_its_errors_resumes_bit_equal_after_any_epoch(
    digits: Data, tmp_path: Path, keep: str
) -> None:
    recipe = replace(UNSTEADY, keep=keep, validation_images="augmented", crop=1)
    whole = fit(network(digits), digits, recipe, seed=1)
    expected, end = [], {}
    for epoch in whole:
        expected.append(timeless(epoch))
        torch.save(whole.state_dict(), tmp_path / f"{epoch.epoch}.pt")
        end = weights(whole)
    for stop in (1, len(expected) // 2, len(expected) - 1, len(expected)):
        state = torch.load(tmp_path / f"{stop}.pt", weights_only=True)
        assert bool(state["best"]) == (keep == "best" and stop < len(expected))
        again = fit(network(digits, seed=9), digits, recipe, seed=1)
        again.load_state_dict(state)
        assert [timeless(epoch) for epoch in again] == expected[stop:]
        assert again.done and equal(weights(again), end)


def test_a_divergence_leaves_the_best_weights_before_it(digits: Data) -> None:
    model = Exploding(network(digits), 17, math.nan)  # in the third epoch
    training = fit(model, digits, replace(SHORT, keep="best"), seed=0)
    epochs = list(training)
    errors = [epoch.val_error for epoch in epochs]
    assert len(errors) == 3 and math.isnan(errors[-1])
    assert epochs[-1].kept_error == min(errors[:2])
    assert evaluate(model, digits, "validation", bf16=False)[1] == min(errors[:2])


class Costly(nn.Module):
    """A layer that changes nothing and adds the square of its parameter to the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([0.5]))

    def penalty(self) -> Tensor:
        return self.p.square().sum()

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * self.p


@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
def test_the_losses_of_layers_are_added_once_each_and_weighted(digits: Data, weight: float) -> None:
    """P ← p − lr · weight · 2p, seven steps long; the loss that is shown is the cross-entropy."""
    recipe = replace(SHORT, epochs=1, lr=0.05, weight_decay=0.0, penalty=weight)
    recipe = replace(recipe, optimizer=SGD(momentum=0.0, nesterov=False), schedule=Step(factor=1.0))
    shared, alone = Costly(), Costly()
    model = nn.Sequential(shared, shared, alone, network(digits))
    (epoch,) = fit(model, digits, recipe, seed=0)
    for layer in (shared, alone):
        assert layer.p.item() == pytest.approx(0.5 * (1 - 0.05 * weight * 2) ** 7)
    (plain,) = fit(network(digits), digits, recipe, seed=0)
    assert epoch.train_loss == plain.train_loss


def with_spem(shared: bool) -> nn.Sequential:
    """Two blocks with SPEM, of one instance or of one each."""
    torch.manual_seed(0)
    gates = [SelfEnhanced(8), SelfEnhanced(8)]
    if shared:
        gates[1] = gates[0]
    blocks = [nn.Sequential(nn.Conv2d(n, 8, 3), nn.BatchNorm2d(8)) for n in (1, 8)]
    parts = [blocks[0], gates[0], nn.ReLU(), blocks[1], gates[1], nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(8, 10))


@pytest.mark.parametrize("shared", [False, True])
def test_the_loss_of_spem_moves_its_shares_and_nothing_else_does(
    digits: Data, shared: bool
) -> None:
    """Its weights start at 0, and p₁ = p₂, so that in a first step the cross-entropy has no
    gradient for p: there p ← p − lr · 0.1 · 2p, once where two blocks share p.
    """
    recipe = replace(SHORT, epochs=1, batch_size=400, lr=0.5, weight_decay=0.0, precision="fp32")
    recipe = replace(recipe, optimizer=SGD(momentum=0.0, nesterov=False), schedule=Step(factor=1.0))
    for weight, expected in ((0.0, 0.5), (0.1, 0.5 * (1 - 0.5 * 0.1 * 2))):
        model = with_spem(shared)
        training = fit(model, digits, replace(recipe, penalty=weight), seed=0)
        assert len(training.penalised) == (1 if shared else 2)
        next(training)
        for layer in training.penalised:
            assert isinstance(layer, SelfEnhanced)
            assert layer.share.tolist() == pytest.approx([expected] * 2, rel=1e-6)
            assert layer.pool_weight.any()


class Looking(nn.Module):
    """Remembers the images that it is shown."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.shown: dict[bool, list[Tensor]] = {True: [], False: []}  # by `training`

    def forward(self, x: Tensor) -> Tensor:
        self.shown[self.training].append(x.detach().clone())
        logits: Tensor = self.model(x)
        return logits


def shown(data: Data, recipe: Recipe) -> tuple[Tensor, Tensor, list[Epoch]]:
    """The first training images, all validation images of all epochs, the records."""
    model = Looking(network(data))
    epochs = list(fit(model, data, recipe, seed=0))
    return model.shown[True][0], torch.stack(model.shown[False]), epochs


def test_recast_images_are_those_of_training_alone(digits: Data) -> None:
    recipe = replace(SHORT, epochs=1, crop=0, train_images="recast")
    train, (validation,), _ = shown(digits, recipe)
    pixels = torch.from_numpy(digits.train.images[order(400, recipe, 0, 1)[0]])
    wrapped = recast(pixels, digits.mean, digits.std)
    assert torch.equal(train, normalise(wrapped, digits.mean, digits.std))
    assert (train - normalise(pixels, digits.mean, digits.std)).abs().max() > 1
    plain = normalise(torch.tensor(digits.validation.images), digits.mean, digits.std)
    assert torch.equal(validation, plain)


def test_augmented_validation_images_change_with_the_epoch_and_nothing_else(digits: Data) -> None:
    recipe = replace(SHORT, epochs=2, crop=2, validation_images="augmented")
    train, (first, second), epochs = shown(digits, recipe)
    plain_train, (plain, same), plain_epochs = shown(
        digits, replace(recipe, validation_images="plain")
    )
    assert torch.equal(plain, same) and torch.equal(train, plain_train)
    moved = [(images != plain).flatten(1).any(1) for images in (first, second)]
    assert all(0.8 < part.float().mean() < 1 for part in moved)  # 24 of 25 crops
    assert not torch.equal(first, second)
    assert [e.train_loss for e in epochs] == [e.train_loss for e in plain_epochs]
    assert epochs[-1].val_error > plain_epochs[-1].val_error
    assert torch.equal(shown(digits, recipe)[1], torch.stack([first, second]))
