"""Read image folders: one sub-folder per class, or such folders below `train/` and `test/`."""

import struct
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from skipsearch.trainers.data.arrays import Images
from skipsearch.trainers.data.convert import GREY_MODES, Wanted, from_pil

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # what Pillow raises
Result = TypeVar("Result")


def from_folder(root: Path, wanted: Wanted) -> tuple[Images, Images | None, tuple[str, ...]]:
    """Read a folder into (train, test, classes); test is None if there is no `train/`.

    Raises ValueError for a folder without classes, an image that cannot be read, or images of
    different sizes if `wanted` names none.
    """
    if not root.is_dir():
        raise ValueError(f"folder {root} must be an existing folder: check the path")
    if "train" not in _folders(root):
        classes = _folders(root)
        if not classes:
            raise ValueError(
                f"folder {root} must hold one sub-folder of images per class, got none"
            )
        return _read(root, classes, wanted), None, tuple(classes)
    if "test" not in _folders(root):
        raise ValueError(f"folder {root} must hold test/ beside train/: add it or rename one")
    classes = _folders(root / "train")
    extra = sorted(set(_folders(root / "test")) - set(classes))
    if extra:
        raise ValueError(
            f"folder {root / 'test' / extra[0]} must have a folder of the same name in train/"
        )
    train = _read(root / "train", classes, wanted)
    like = Wanted(wanted.image_size, train.images.shape[3])  # the test images follow suit
    test = _read(root / "test", classes, like)
    if test.images.shape[1:] != train.images.shape[1:]:
        raise ValueError(
            f"folder {root / 'test'} must hold images as large as those in train/, "
            f"{_size(train)}, got {_size(test)}: set image_size"
        )
    return train, test, tuple(classes)


def _folders(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _size(images: Images) -> str:
    return f"{images.images.shape[1]}×{images.images.shape[2]}"


def _read(root: Path, classes: list[str], wanted: Wanted) -> Images:
    """Read all images of one part.

    A first pass reads only the headers, so that the array is allocated once: a list of images and
    its stack would need the memory twice.
    """
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        raise ValueError(
            f"folder {root} must hold images ({', '.join(sorted(SUFFIXES))}), got none"
        )
    paths = [path for path, _ in files]
    height, width, channels = _survey(paths, wanted)
    array = np.empty((len(paths), height, width, channels), np.uint8)
    filled = Wanted(wanted.image_size, channels)

    def decode(number: int) -> None:
        with Image.open(paths[number]) as image:
            if wanted.image_size:  # JPEGs decode at 1/2, 1/4 or 1/8 in a fraction of the time
                image.draft(None, (2 * wanted.image_size, 2 * wanted.image_size))
            array[number] = from_pil(image, filled)

    _each(decode, range(len(paths)), paths)
    return Images(array, np.array([label for _, label in files], np.int64))


def _survey(paths: list[Path], wanted: Wanted) -> tuple[int, int, int]:
    """Return (H, W, C) of all images, grey only if every image is; refuse different sizes."""

    def header(number: int) -> tuple[tuple[int, int], bool]:
        with Image.open(paths[number]) as image:
            return image.size, image.mode in GREY_MODES

    found = _each(header, range(len(paths)), paths)
    channels = wanted.channels or (1 if all(grey for _, grey in found) else 3)
    if wanted.image_size:
        return wanted.image_size, wanted.image_size, channels
    (width, height), _ = found[0]
    for path, (size, _) in zip(paths, found, strict=True):
        if size != (width, height):
            raise ValueError(
                f"image {path} must be {height}×{width} like the first one, "
                f"got {size[1]}×{size[0]}: set image_size"
            )
    return height, width, channels


def _each(work: Callable[[int], Result], numbers: Iterable[int], paths: list[Path]) -> list[Result]:
    """Run `work` in threads: Pillow decodes without Python's lock. Name an unreadable file."""

    def guarded(number: int) -> Result:
        try:
            return work(number)
        except UNREADABLE as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(
                f"image {paths[number]} cannot be read: {reason}; replace or remove it"
            ) from error

    with ThreadPoolExecutor() as pool:
        return list(pool.map(guarded, numbers))
