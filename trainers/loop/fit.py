"""Train one model: an iterator of epoch records for Ray, a script or a test to consume.

>>> for epoch in fit(model, data, recipe, seed=0):
...     print(epoch.epoch, epoch.val_error)

An epoch is a pure function of the weights, the optimiser, the validation errors so far and
(seed, epoch), so a stopped training continues from its state as if it had never stopped (bit-equal
on the CPU).
"""

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.trainers.data.arrays import Array, Data
from skipsearch.trainers.loop.augment import augment, draw, recast
from skipsearch.trainers.loop.device import Batches, autocast, bf16_chosen, peak_memory_bytes
from skipsearch.trainers.loop.evaluate import evaluate, evaluate_as
from skipsearch.trainers.recipe.optimizer import optimizer_of
from skipsearch.trainers.recipe.recipe import Recipe, is_over, lr_at, steps, steps_per_epoch

LOOK = 32  # steps between looks at the loss: each look makes a GPU wait


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch. Errors are fractions of the images, 0 to 1.

    `train_loss` (cross-entropy without penalties, so that all layers compare) and `train_error`
    are over the augmented images, as they were trained on; `images_per_second` is of training
    alone, `seconds` includes the validation. `kept_error` is the validation error of the weights
    that remain if training ends here: of this epoch, or the lowest so far under `keep = best`.
    Without validation images, `val_error`, `val_loss` and `kept_error` are nan. `diverged` says
    where the loss became nan or infinite; it is "" in every sound record.
    """

    epoch: int  # 1 is the first
    lr: float  # of the last step
    train_loss: float
    train_error: float
    val_error: float
    val_loss: float
    kept_error: float
    last: bool  # training is over: all epochs done, patience exhausted, or diverged
    seconds: float
    images_per_second: float
    peak_memory_bytes: int
    diverged: str


@runtime_checkable
class Penalised(Protocol):
    """A layer that adds a loss of its own (SPEM)."""

    def penalty(self) -> Tensor:
        """Return the loss to add, a scalar, before it is weighed by the recipe's `penalty`."""


class Fit:
    """The training of one model: an iterator of `Epoch`, made by `fit`."""

    def __init__(
        self, model: nn.Module, data: Data, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        self.model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data, self.recipe, self.seed, self.device = data, recipe, seed, device
        self.optimizer = optimizer_of(model, recipe)
        self.epoch = 0  # epochs done
        self.errors: list[float] = []  # of each epoch: validation's, or what `_watched` says
        self.best: dict[str, Any] = {}  # under `keep = best`, the model's state at its lowest error
        self.diverged = ""
        self.penalised = [layer for layer in model.modules() if isinstance(layer, Penalised)]
        self.bf16 = bf16_chosen(recipe.precision, device)
        self._batches = Batches(data.train, device)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # at most two batch shapes: it pays at once

    def __iter__(self) -> Iterator[Epoch]:
        return self

    @property
    def done(self) -> bool:
        """True once training is over, and the model has the weights that it keeps."""
        return bool(self.diverged) or is_over(self.recipe, len(self.data.train), self.errors)

    def __next__(self) -> Epoch:
        if self.done:
            raise StopIteration
        self.epoch += 1
        start = time.perf_counter()
        with seeded(_mixed(self.seed, self.epoch), self.device):
            images, loss, error = self._train()
        trained = time.perf_counter()
        val_loss, val_error = self._validate()
        self._keep(self._watched(val_error, error))
        return Epoch(
            epoch=self.epoch,
            lr=float(self.optimizer.param_groups[0]["lr"]),
            train_loss=loss,
            train_error=error,
            val_error=val_error,
            val_loss=val_loss,
            kept_error=self._kept_error(val_error),
            last=self.done,
            seconds=time.perf_counter() - start,
            images_per_second=images / (trained - start),
            peak_memory_bytes=peak_memory_bytes(self.device),
            diverged=self.diverged,
        )

    def _train(self) -> tuple[int, float, float]:
        """Train an epoch; return images seen, mean loss and error over them (nan: diverged)."""
        self.model.train()
        generator = torch.Generator(self.device).manual_seed(_mixed(self.seed, self.epoch, 1))
        n_train, total = len(self.data.train), steps(self.recipe, len(self.data.train))
        first = (self.epoch - 1) * steps_per_epoch(self.recipe, n_train)
        batches = order(n_train, self.recipe, self.seed, self.epoch)[: total - first]
        losses, wrong, sizes = [], [], [len(index) for index in batches]
        for i, index in enumerate(batches):
            lr = lr_at(self.recipe, first + i, total, self.errors)
            loss, errors = self._step(index, lr, generator)
            losses.append(loss)
            wrong.append(errors)
            if (i + 1) % LOOK == 0 or i + 1 == len(batches):
                recent = torch.stack(losses[i - i % LOOK :]).tolist()
                for j, value in enumerate(recent):
                    if not math.isfinite(value):
                        at = first + i - i % LOOK + j + 1
                        self.diverged = f"loss is {value} at step {at}"
                        return sum(sizes[: i + 1]), math.nan, math.nan
        seen = sum(sizes)
        loss_sum = sum(a * n for a, n in zip(torch.stack(losses).tolist(), sizes, strict=True))
        return seen, loss_sum / seen, float(torch.stack(wrong).sum()) / seen

    def _step(self, index: Array, lr: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Take an optimiser step; return mean loss and number of wrong answers, on the device."""
        images_BHWC, label_B = self._batches(index)
        if self.recipe.train_images == "recast":
            images_BHWC = recast(images_BHWC, self.data.mean, self.data.std)
        x_BCHW = self._augmented(images_BHWC, generator)
        with autocast(self.device, self.bf16):
            logits_BK = self.model(x_BCHW)
        logits_BK = logits_BK.float()
        loss = F.cross_entropy(logits_BK, label_B, label_smoothing=self.recipe.label_smoothing)
        objective = loss
        if self.penalised:
            penalties = torch.stack([layer.penalty() for layer in self.penalised])
            objective = loss + self.recipe.penalty * penalties.sum()
        self.optimizer.zero_grad(set_to_none=True)
        objective.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return loss.detach(), (logits_BK.detach().argmax(1) != label_B).sum()

    def _augmented(self, images_BHWC: Tensor, generator: torch.Generator) -> Tensor:
        draws = draw(self.recipe, len(images_BHWC), generator)
        return augment(images_BHWC, draws, self.recipe, self.data.mean, self.data.std)

    def _validate(self) -> tuple[float, float]:
        """Return loss and error of the validation images; nan if diverged, or if there are none."""
        if self.diverged or not len(self.data.validation):
            return math.nan, math.nan
        if self.recipe.validation_images == "plain":
            loss, error = evaluate(self.model, self.data, "validation", bf16=self.bf16)
        else:
            generator = torch.Generator(self.device).manual_seed(_mixed(self.seed, self.epoch, 2))
            prepare = partial(self._augmented, generator=generator)
            loss, error = evaluate_as(prepare, self.model, self.data.validation, bf16=self.bf16)
        if not math.isfinite(loss):
            self.diverged = f"validation loss is {loss} after epoch {self.epoch}"
            return math.nan, math.nan
        return loss, error

    def _watched(self, val_error: float, train_error: float) -> float:
        """Return the error that schedule and patience follow.

        A final training has no validation images: there it is the training error.
        """
        return val_error if len(self.data.validation) else train_error

    def _keep(self, error: float) -> None:
        """Note the error, copy the weights of the best epoch, restore them at the end.

        The copy is deep because `state_dict` returns the very tensors that training goes on to
        change: GradAttn keeps those, so that its "best weights" are always its last ones.
        """
        if not self.diverged:
            if self.recipe.keep == "best" and error < min(self.errors, default=math.inf):
                self.best = copy.deepcopy(self.model.state_dict())
            self.errors.append(error)
        if self.done and self.best:
            self.model.load_state_dict(self.best)
            self.best = {}

    def _kept_error(self, val_error: float) -> float:
        if self.recipe.keep == "last" or not len(self.data.validation):
            return val_error
        return min(self.errors, default=math.nan)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that is needed to continue, of types that `weights_only` loads.

        It has no generator: random numbers are drawn afresh from (seed, epoch) in every epoch.
        """
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "epoch": self.epoch,
            "errors": list(self.errors),
            "best": copy.deepcopy(self.best),
            "diverged": self.diverged,
            **self._identity(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`; raise ValueError if it is of another seed, recipe or data set."""
        for key, value in self._identity().items():
            if state[key] != value:
                raise ValueError(
                    f"checkpoint: {key} must be {value}, got {state[key]}: "
                    "start anew or take the checkpoint of this training"
                )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.diverged = state["epoch"], state["diverged"]
        self.errors, self.best = list(state["errors"]), copy.deepcopy(state["best"])

    def is_own(self, state: dict[str, Any]) -> bool:
        """Return True if a state is of this seed, recipe and number of images."""
        return all(state.get(key) == value for key, value in self._identity().items())

    def _identity(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "images": len(self.data.train),
            "recipe": encode(self.recipe),
        }


def fit(model: nn.Module, data: Data, recipe: Recipe, *, seed: int, device: str = "cpu") -> Fit:
    """Train `model` in place on `data.train`; return an iterator with a record of each epoch.

    `seed` is that of order, augmentation and dropout; initial weights are the model's own. At the
    end the model has the weights that `recipe.keep` names. A loss that is not finite ends the
    training with a record that is `diverged`; out-of-memory errors of torch are raised as they are.

    Examples
    --------
    >>> data = load("digits")
    >>> model = build(Arch(), classes=data.num_classes, shape=data.shape)
    >>> records = list(fit(model, data, Recipe(epochs=3), seed=0))
    """
    return Fit(model, data, recipe, seed, torch.device(device))


def order(n_train: int, recipe: Recipe, seed: int, epoch: int) -> list[Array]:
    """Return the batches of one epoch as indices: every image once, in an order of its own.

    Their sizes differ by one at most, so that no image is dropped and BatchNorm never meets a
    batch of one.
    """
    shuffled = np.random.default_rng((seed, epoch)).permutation(n_train)
    return np.array_split(shuffled, steps_per_epoch(recipe, n_train))


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators (initial weights, dropout) inside a `with` block.

    Afterwards they go on as if nothing had been drawn.
    """
    device = torch.device(device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _mixed(*numbers: int) -> int:
    """Hash several numbers into a 63-bit seed; sums of seeds would be alike."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
