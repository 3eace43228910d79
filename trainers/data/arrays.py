"""Images of a data set in memory: train, validation and test as plain numpy arrays.

Arrays, not tensors: Ray's object store maps a numpy array into every worker without a copy and
read-only. Nothing here or in training writes to them.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
STEP = 4096  # images converted at a time, since a whole array as floats may not fit in memory


@dataclass(frozen=True, eq=False)  # compared as objects: arrays have no one truth value
class Images:
    """Images and their labels, in the same order."""

    images: Array  # uint8 (N, H, W, C), C-contiguous
    labels: Array  # int64 (N,)
    # int64 (N,), the place of each image in the part of the data set that was split: its training
    # images, or all if it has no test images. Empty for a part that was not split.
    index: Array = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes of the images and labels."""
        return self.images.nbytes + self.labels.nbytes


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in memory, split into training, validation and test images.

    A search sees `train` and `validation`; `test` is only for the final training. `mean` and `std`
    are those of the training images, per channel, on the scale 0 to 1. A function
    `module:function` that a study names as its data set may return such an object.

    Examples
    --------
    >>> data = load("digits", seed=0)
    >>> data.shape, data.num_classes, len(data.train)
    ((1, 8, 8), 10, 1294)
    """

    name: str
    train: Images
    validation: Images
    test: Images
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all images and labels."""
        return sum(part.nbytes for part in (self.train, self.validation, self.test))

    @property
    def channels(self) -> int:
        """Channels of an image: 1 or 3."""
        return int(self.train.images.shape[3])

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of an image, in pixels."""
        return int(self.train.images.shape[1]), int(self.train.images.shape[2])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image, as `build` takes them."""
        return (self.channels, *self.image_size)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


def statistics(images: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compute mean and standard deviation of uint8 images per channel, on the scale 0 to 1.

    A constant channel gets the deviation of one grey level, so that it can be divided by.
    """
    total = np.zeros(images.shape[3])
    squares = np.zeros(images.shape[3])
    for start in range(0, len(images), STEP):
        part = images[start : start + STEP].astype(np.float64) / 255
        total += part.sum((0, 1, 2))
        squares += np.square(part).sum((0, 1, 2))
    count = images[..., 0].size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return tuple(map(float, mean)), tuple(map(float, np.maximum(std, 1 / 255)))


def fingerprint(data: Data) -> str:
    """Hash all images and labels in their order (SHA-256): two splits never share a fingerprint."""
    digest = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        for array in (part.images, part.labels):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check(name: str, part: str, images: Images, classes: tuple[str, ...]) -> None:
    """Raise ValueError unless images, labels and classes have the types and ranges that we need.

    Images: at least one, uint8 (N, H, W, 1 or 3). Labels: N integers, 0 … number of classes − 1.
    Classes: at least 2.
    """
    where = f"data set {name}: {part}"
    pixels, labels = images.images, images.labels
    if len(pixels) == 0:
        raise ValueError(f"{where} must hold at least one image, got none")
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
        got = f"{pixels.dtype} {pixels.shape}"
        raise ValueError(f"{where} images must be uint8 (N, H, W, 1 or 3), got {got}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(pixels),):
        got = f"{labels.dtype} {labels.shape}"
        raise ValueError(f"{where} labels must be {len(pixels)} integers, got {got}")
    if len(classes) < 2:
        raise ValueError(f"data set {name} must have at least 2 classes, got {len(classes)}")
    outside = labels[(labels < 0) | (labels >= len(classes))]
    if len(outside):
        raise ValueError(
            f"{where} labels must be 0 … {len(classes) - 1} (one number for each of the "
            f"{len(classes)} classes), got {outside[0]}: renumber them from 0 without gaps"
        )
