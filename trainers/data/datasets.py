"""Load a data set by its name into memory: checked, split and converted.

>>> load("cifar10", data_dir="data")
>>> load("folder:photos", image_size=64)
>>> load("digits", train_subset=500)
>>> load("my_module:my_function")
"""

from pathlib import Path

import numpy as np

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.trainers.data.arrays import Data, Images, check, statistics
from skipsearch.trainers.data.convert import Wanted, converted
from skipsearch.trainers.data.folders import from_folder
from skipsearch.trainers.data.sources import (
    TORCHVISION,
    Source,
    digits,
    from_function,
    from_torchvision,
)

NAMES = ("digits", *TORCHVISION)
TEST_PART = 0.2  # of a source that has no test images of its own
TEST_SEED = 0  # fixed: whatever the seed of a study, the test images are the same


def load(
    name: str,
    *,
    data_dir: str | Path = "data",
    image_size: int | None = None,
    channels: int | None = None,
    train_subset: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Data:
    """Load a data set and split it.

    Parameters
    ----------
    name
        One of `NAMES`, `folder:PATH` (images in one sub-folder per class, with or without
        `train/` and `test/` above them) or `module:function` (see `sources.from_function`).
    data_dir
        Folder of torchvision's files; missing ones are downloaded into it.
    image_size
        Side of the square images in pixels: shorter side scaled, middle cut out. None keeps the
        images' size.
    channels
        1 (grey) or 3 (colour); None keeps what the images have.
    train_subset
        Number of training images to keep, drawn after the validation images were set aside.
    validation
        Fraction of the training images to set aside, above 0 and below 1.
    seed
        Seed of both draws, which are stratified by class. The test part of a data set without
        one, 20 % of its images, does not depend on it.

    Raises
    ------
    ValueError
        In one line: the name, the files or a number is wrong.
    """
    wanted = Wanted(image_size, channels)
    if not 0 < validation < 1:
        raise ValueError(f"validation must be above 0 and below 1, got {validation}")
    source = _source(name, Path(data_dir), wanted)
    if isinstance(source, Data):
        train, held_out, test = source.train, source.validation, source.test
        for part, images in (("train", train), ("validation", held_out), ("test", test)):
            check(name, part, images, source.classes)
    else:
        train, test = _train_and_test(name, source)
        train, held_out = split(name, train, source.classes, validation, seed)
    if train_subset is not None:
        train = _subset(name, train, source.classes, train_subset, seed)
    train, held_out, test = (_finished(images, wanted) for images in (train, held_out, test))
    mean, std = statistics(train.images)
    return Data(name, train, held_out, test, source.classes, mean, std)


def _source(name: str, data_dir: Path, wanted: Wanted) -> Source | Data:
    if name == "digits":
        return digits()
    if name in TORCHVISION:
        return from_torchvision(name, data_dir)
    kind, colon, rest = name.partition(":")
    if kind == "folder" and rest:
        return Source(*from_folder(Path(rest).expanduser(), wanted))
    if colon and kind and rest:
        return from_function(name, wanted)
    known = ", ".join(NAMES)
    raise ValueError(
        f"data set must be {known}, folder:PATH or module:function, "
        f"got {name!r}{nearest(name, list(NAMES))}"
    )


def _train_and_test(name: str, source: Source) -> tuple[Images, Images]:
    check(name, "train", source.train, source.classes)
    if source.test is None:
        return split(name, source.train, source.classes, TEST_PART, TEST_SEED)
    check(name, "test", source.test, source.classes)
    return source.train, source.test


def split(
    name: str, images: Images, classes: tuple[str, ...], fraction: float, seed: int
) -> tuple[Images, Images]:
    """Split images into (rest, part), stratified by class.

    The part has `fraction` of the images, at least one of each class. Raises ValueError if there
    are too few images.
    """
    n, count = len(images), max(len(classes), round(fraction * len(images)))
    _enough_of_each(name, images, classes)
    if n - count < len(classes):
        raise ValueError(
            f"data set {name}: {n} images are too few to set {count} aside and keep one of each "
            f"of the {len(classes)} classes: add images or take a smaller part"
        )
    return _split(images, count, seed)


def _subset(name: str, images: Images, classes: tuple[str, ...], count: int, seed: int) -> Images:
    most = len(images) - len(classes)
    if not len(classes) <= count <= most:
        raise ValueError(
            f"train_subset must be {len(classes)} … {most} for data set {name} (after its "
            f"validation part was set aside), got {count}: leave it out to train on all"
        )
    _enough_of_each(name, images, classes)
    return _split(images, count, seed)[1]


def _enough_of_each(name: str, images: Images, classes: tuple[str, ...]) -> None:
    for label, found in enumerate(np.bincount(images.labels, minlength=len(classes))):
        if found < 2:
            raise ValueError(
                f"data set {name}: class {classes[label]!r} must have at least 2 training images "
                f"to be split, got {found}: add images or remove the class"
            )


def _split(images: Images, count: int, seed: int) -> tuple[Images, Images]:
    from sklearn.model_selection import train_test_split

    rest, part = train_test_split(
        np.arange(len(images)), test_size=count, stratify=images.labels, random_state=seed
    )
    return _at(images, np.sort(rest)), _at(images, np.sort(part))


def _at(images: Images, index: "np.typing.NDArray[np.int64]") -> Images:
    source = images.index[index] if len(images.index) else index
    return Images(images.images[index], images.labels[index], source)


def _finished(images: Images, wanted: Wanted) -> Images:
    labels = np.ascontiguousarray(images.labels, np.int64)
    return Images(converted(images.images, wanted), labels, images.index)
