"""`skipsearch evaluate`: accuracy and calibration of a trained network, in full precision.

Everything is computed from the probabilities p = softmax(logits) of N images, and their labels:

- `top1`, `top5`: fraction of the images whose class is the most likely, or among the five most
  likely (nan for five classes or less)
- `class_accuracy`: top-1 of the images of each class, nan for a class without images
- `confusion`: number of images by true (row) and most likely class (column)
- `nll`: mean of −log p of the true class
- `brier`: mean of the sum over the classes of (p − y)², y being 1 for the true one, else 0
- `calibration_error`: mean of |accuracy − confidence| over 15 equal bins of the confidence max p,
  weighted by their images (https://arxiv.org/abs/1706.04599, equation 3)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from skipsearch.studies.models.load import Choice, load
from skipsearch.studies.models.model import Model, Trained, Untrained
from skipsearch.studies.storage.find import RUNS
from skipsearch.trainers.data.arrays import Array, Data, Images, fingerprint
from skipsearch.trainers.data.datasets import load as load_images
from skipsearch.trainers.loop.augment import normalise
from skipsearch.trainers.loop.evaluate import answers

Part = Literal["validation", "test"]
BINS = 15


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is above `low` and at most `high`."""

    low: float
    high: float
    images: int
    accuracy: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measures of a network on a part of a data set, as defined at the top of the file.

    Accuracies are 0 to 1.
    """

    target: str
    dataset: str
    part: Part
    images: int
    classes: tuple[str, ...]
    top1: float
    top5: float
    class_accuracy: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    nll: float
    brier: float
    calibration_error: float
    bins: tuple[Bin, ...]


def evaluate(
    target: str,
    *,
    data: str | None = None,
    data_dir: str | Path | None = None,
    part: str | None = None,
    trial: Choice | None = None,
    retrained: bool = False,
    folder: Path = RUNS,
    storage: str | None = None,
) -> Evaluation:
    """Evaluate a trained network on its own data set, split as in its study, or on another one.

    Parameters
    ----------
    target
        A study, a trial (`digits#17`), or an exported folder.
    data, data_dir
        Another data set, and the folder of images.
    part
        `validation` or `test`. By default validation for weights of a search, which may not see
        the test images before everything is chosen; test for retrained weights, which have seen
        the validation images, and for another data set.
    trial
        Which trial of a study, by default its knee.
    retrained
        Take the weights of the first retrained seed.

    Raises
    ------
    ValueError
        For bad input, in one line.

    Examples
    --------
    >>> sk.evaluate("exports/digits-17", part="test").top1  # doctest: +SKIP
    """
    model = load(target, trial=trial, retrained=retrained, folder=folder, storage=storage)
    chosen = part_of(model, part, data)
    images = images_of(model, data, data_dir)
    logits, labels = outputs(model, getattr(images, chosen))
    return judged(model, images.name, chosen, logits, labels)


def part_of(model: Model, part: str | None, data: str | None) -> Part:
    """Return the part to evaluate on, by default as `evaluate` says.

    Raises ValueError if the network was never trained, or was trained on the part.
    """
    match model.origin:
        case Untrained():
            raise ValueError(
                f"{model.target} was never trained, there is nothing to evaluate: train it in a "
                "study (a preset under [baselines]) and name its trial"
            )
        case Trained(retrained=retrained):
            if part is None:
                return "test" if retrained or data is not None else "validation"
    if retrained and part == "validation" and data is None:
        raise ValueError(
            f"--part validation: {model.target} was retrained on these images; take --part test"
        )
    return part_named(part)


def part_named(part: str) -> Part:
    """Check the name of a part. Raises ValueError for an unknown one."""
    for known in get_args(Part):
        if part == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"--part must be {' or '.join(get_args(Part))}, got {part!r}")


def images_of(model: Model, name: str | None = None, data_dir: str | Path | None = None) -> Data:
    """Load the network's own data set with its own split, or the data set `name`.

    Raises ValueError if the images are not those of its training, or do not fit the network.
    """
    assert isinstance(model.origin, Trained)
    facts = model.origin.data
    given = {n: facts[n] for n in facts if n not in ("dataset", "fingerprint", "images")}
    if (where := data_dir or model.data_dir) is not None:
        given["data_dir"] = where
    if name is not None:
        for own in ("train_subset", "validation"):
            given.pop(own, None)
    found = load_images(name or facts["dataset"], **given)
    if name is None and facts.get("fingerprint") not in ("", None, fingerprint(found)):
        raise ValueError(
            f"data set {facts['dataset']} is not what {model.target} was trained with: give the "
            "folder with those images (--data-dir), or name a data set with --data"
        )
    check_fit(model, found)
    return found


def check_fit(model: Model, found: Data) -> None:
    """Raise ValueError unless the images' shape and number of classes are the network's."""
    inputs = model.inputs
    if (found.shape, found.num_classes) != (inputs.shape, len(inputs.classes)):
        raise ValueError(
            f"{model.target} reads {_shown(inputs.shape)} in {len(inputs.classes)} classes, data "
            f"set {found.name} has {_shown(found.shape)} in {found.num_classes}"
        )


def outputs(model: Model, images: Images) -> tuple[Array, Array]:
    """Compute the logits (N, K) and labels (N,) of all images."""
    plain = partial(_prepared, mean=model.inputs.mean, std=model.inputs.std)
    pairs: Iterator[tuple[Tensor, Tensor]] = answers(plain, model.network(), images, bf16=False)
    logits, labels = zip(*((a.double().numpy(), b.numpy()) for a, b in pairs), strict=True)
    return np.concatenate(logits), np.concatenate(labels)


def _prepared(x_BHWC: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return normalise(x_BHWC, mean, std)


def judged(model: Model, dataset: str, part: Part, logits: Array, labels: Array) -> Evaluation:
    """Compute all measures from logits (N, K) and labels (N,)."""
    from sklearn.metrics import confusion_matrix, top_k_accuracy_score

    count = logits.shape[1]
    every = np.arange(count)
    log_p = torch.log_softmax(torch.from_numpy(logits), 1).numpy()
    p, answer = np.exp(log_p), logits.argmax(1)
    confusion = confusion_matrix(labels, answer, labels=every)
    each = confusion.sum(1)
    top5 = top_k_accuracy_score(labels, p, k=5, labels=every) if count > 5 else math.nan
    bins = binned(p.max(1), answer == labels)
    gaps = sum(one.images * abs(one.accuracy - one.confidence) for one in bins)
    return Evaluation(
        target=model.target,
        dataset=dataset,
        part=part,
        images=len(labels),
        classes=model.inputs.classes,
        top1=float((answer == labels).mean()),
        top5=float(top5),
        class_accuracy=tuple(
            float(right / n) if n else math.nan
            for right, n in zip(confusion.diagonal(), each, strict=True)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        nll=float(-log_p[np.arange(len(labels)), labels].mean()),
        brier=float(np.square(p - np.eye(count)[labels]).sum(1).mean()),
        calibration_error=float(gaps / len(labels)),
        bins=tuple(bins),
    )


def binned(confidence: Array, right: Array) -> list[Bin]:
    """Group images into bins of confidence, the least confident first; empty bins are left out."""
    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    found = []
    for index in range(BINS):
        inside = number == index
        if count := int(inside.sum()):
            accuracy, mean = float(right[inside].mean()), float(confidence[inside].mean())
            found.append(Bin(index / BINS, (index + 1) / BINS, count, accuracy, mean))
    return found


def _shown(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
