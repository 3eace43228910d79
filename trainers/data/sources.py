"""Sources of images: scikit-learn's digits, torchvision's data sets, a user's own function."""

import importlib
import operator
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skipsearch.trainers.data.arrays import Array, Data, Images
from skipsearch.trainers.data.convert import Wanted, pixels_of

# name → (class in torchvision.datasets, arguments of its training and of its test part)
TORCHVISION: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mnist": ("MNIST", {"train": True}, {"train": False}),
    "fashion-mnist": ("FashionMNIST", {"train": True}, {"train": False}),
    "cifar10": ("CIFAR10", {"train": True}, {"train": False}),
    "cifar100": ("CIFAR100", {"train": True}, {"train": False}),
    "svhn": ("SVHN", {"split": "train"}, {"split": "test"}),
    "stl10": ("STL10", {"split": "train"}, {"split": "test"}),
}


@dataclass(frozen=True)
class Source:
    """A data set before it is split; `test` is None if it has no test part of its own."""

    train: Images
    test: Images | None
    classes: tuple[str, ...]


def digits() -> Source:
    """Load 1,797 grey digits of 8×8 pixels (https://archive.ics.uci.edu/dataset/80)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Source(Images(pixels, found.target), None, tuple(map(str, range(10))))


def from_torchvision(name: str, data_dir: Path) -> Source:
    """Load a data set of torchvision from `data_dir`, after downloading it if it is not there.

    Raises ValueError if files are damaged or the download fails.
    """
    _, train, test = TORCHVISION[name]
    parts = [_torchvision_part(name, data_dir, part) for part in (train, test)]
    images = [Images(_as_nhwc(part.data), _labels(part)) for part in parts]
    classes = getattr(parts[0], "classes", [str(digit) for digit in range(10)])
    return Source(images[0], images[1], tuple(classes))


def _torchvision_part(name: str, data_dir: Path, part: dict[str, Any]) -> Any:
    from torchvision import datasets

    dataset = getattr(datasets, TORCHVISION[name][0])
    with suppress(Exception):  # not there, damaged, or being written by another process
        return dataset(data_dir, download=False, **part)
    with _alone(name, data_dir):
        return _prepared(name, data_dir, dataset, part)


@contextmanager
def _alone(name: str, data_dir: Path) -> Iterator[None]:
    """Hold a file lock: two studies that download at once would read each other's partial files."""
    from filelock import FileLock

    lock: AbstractContextManager[object] = nullcontext()
    with suppress(OSError):  # read-only: the download will say so
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_dir / f".{name}.lock").acquire()
    with lock:
        yield


def _prepared(name: str, data_dir: Path, dataset: Any, part: dict[str, Any]) -> Any:
    try:
        try:
            return dataset(data_dir, download=False, **part)
        except RuntimeError as error:
            if "download=True" not in str(error):  # torchvision's words for files not found
                raise
    except Exception as error:  # whatever a damaged file does to its parser
        raise ValueError(
            f"data set {name} under {data_dir} is damaged ({_line(error)}): "
            "delete its files, and it is downloaded anew"
        ) from error
    try:
        return dataset(data_dir, download=True, **part)
    except Exception as error:  # no network, no such host, no right to write, a broken archive
        raise ValueError(
            f"data set {name} is not (whole) under {data_dir} and its download failed "
            f"({_line(error)}): put its files there or name their folder with --data-dir"
        ) from error


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__


def _as_nhwc(images: Any) -> Array:
    """Return (N, H, W, C); torchvision has (N, H, W), (N, H, W, 3) and (N, 3, H, W)."""
    array: Array = np.asarray(images)
    if array.ndim == 3:
        return array[..., None]
    return array if array.shape[3] == 3 else array.transpose(0, 2, 3, 1)


def _labels(part: Any) -> Array:
    return np.asarray(part.targets if hasattr(part, "targets") else part.labels, np.int64)


def from_function(name: str, wanted: Wanted) -> Source | Data:
    """Load what `module:function` returns, called without arguments.

    It returns (train, test), two torch datasets of (PIL image or tensor, label), or a `Data`,
    whose split is kept. The module is looked for beside the study file too. Raises ValueError if
    it is not found or returns anything else.
    """
    result = _function(name)()
    if isinstance(result, Data):
        return result
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(
            f"data set {name} must return (train, test) or a trainers.data.arrays.Data, "
            f"got {type(result).__name__}"
        )
    train = _collected(name, "train", result[0], wanted)
    test = _collected(name, "test", result[1], wanted)
    count = int(train.labels.max()) + 1 if len(train) else 0
    classes = getattr(result[0], "classes", [str(number) for number in range(count)])
    return Source(train, test, tuple(map(str, classes)))


def _function(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    sys.path.insert(0, "")  # a module beside the study file, as `python -m` would find it
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"data set {name} must be module:function ({error}): check both names, and run where "
            "the module can be imported"
        ) from error
    finally:
        with suppress(ValueError):
            sys.path.remove("")


def _collected(name: str, part: str, dataset: Any, wanted: Wanted) -> Images:
    if len(dataset) == 0:
        raise ValueError(f"data set {name}: {part} must hold at least one image, got none")
    labels = np.empty(len(dataset), np.int64)
    array: Array = np.empty(0)
    for number in range(len(dataset)):
        image, label = dataset[number]
        try:
            pixels = pixels_of(image, wanted)
            labels[number] = operator.index(label)  # refuses 3.7; takes tensors of one integer
        except (TypeError, ValueError) as error:
            raise ValueError(f"data set {name}: {part}[{number}]: {_line(error)}") from error
        if number == 0:
            array = np.empty((len(dataset), *pixels.shape), np.uint8)
        if pixels.shape != array.shape[1:]:
            raise ValueError(
                f"data set {name}: {part}[{number}] must have the shape of the first image, "
                f"{array.shape[1:]}, got {pixels.shape}: resize in the data set or set image_size"
            )
        array[number] = pixels
    return Images(array, labels)
