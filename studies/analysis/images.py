"""Select images of a subject: a random sample, by number, the first of each class, or those the
network misclassifies.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject
from skipsearch.trainers.data.arrays import Array, Images


def drawn(subject: Subject, count: int | None, seed: int) -> Subject:
    """Return the subject with `count` images sampled without replacement (None: all of them)."""
    images = subject.images
    if count is None or count >= len(images):
        return subject
    index = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    return replace(subject, images=Images(images.images[index], images.labels[index]))


def numbers(text: str) -> list[int]:
    """Parse `--images`: `3,17` → [3, 17], duplicates dropped. Raises ValueError otherwise."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ValueError(f"--images must be numbers from 0 with commas, such as 3,17; got {text!r}")
    return list(dict.fromkeys(map(int, words)))


def named_images(subject: Subject, wanted: Sequence[int]) -> Array:
    """Return `wanted` as an index array. Raises ValueError for a number beyond the last image."""
    there = len(subject.images)
    for number in wanted:
        if number >= there:
            raise ValueError(
                f"--images must be from 0 to {there - 1}, got {number}: the {subject.part} part of "
                f"{subject.dataset} has {there} images"
            )
    return np.array(wanted, np.int64)


def first_of_classes(subject: Subject, count: int) -> Array:
    """Return the index of the first image of each class, for at most `count` classes."""
    _, first = np.unique(subject.images.labels, return_index=True)
    return np.asarray(first[:count], np.int64)


def check_same(subjects: Sequence[Subject]) -> None:
    """Raise ValueError unless all subjects have the same images and the same classes."""
    first = subjects[0]
    for other in subjects[1:]:
        if other.classes != first.classes:
            raise ValueError(
                f"{first.name} and {other.name} have different classes ({len(first.classes)} of "
                f"{first.dataset}, {len(other.classes)} of {other.dataset}): take them one by one"
            )
        a, b = first.images, other.images
        if not (np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)):
            raise ValueError(
                f"{first.name} and {other.name} have different images in {first.part} "
                f"({len(a):,} of {first.dataset}, {len(b):,} of {other.dataset}): "
                "take them one by one"
            )


def mistakes(
    subject: Subject, count: int, *, batch_size: int = 128, track: Track = untracked
) -> Array:
    """Return the indices of at most `count` misclassified images, the most confident first.
    Raises ValueError if every image is classified correctly.
    """
    found, place = list[tuple[float, int]](), 0
    with undisturbed(subject.network), torch.no_grad():
        network = subject.network.eval()
        for x_BCHW, label_B in track(subject.batches(batch_size), f"mistakes of {subject.name}"):
            sure_B, answer_B = network(x_BCHW).softmax(1).max(1)
            wrong = (answer_B != label_B).nonzero().flatten()
            pairs = zip((-sure_B[wrong]).tolist(), wrong.tolist(), strict=True)
            found = sorted([*found, *((sure, place + n) for sure, n in pairs)])[:count]
            place += len(label_B)
    if not found:
        raise ValueError(
            f"{subject.name} is wrong about none of the {place:,} images of {subject.part}: "
            "leave --wrong out, or name images with --images"
        )
    return np.array([number for _, number in found], np.int64)


def asked_for(
    subject: Subject,
    images: str | None,
    count: int,
    *,
    wrong: bool,
    batch_size: int = 128,
    track: Track = untracked,
) -> Array:
    """Return the indices that the options select: `images` (`3,17`), misclassified images
    (`wrong`), or by default the first image of each class. Raises ValueError for both options.
    """
    if wrong and images is not None:
        raise ValueError("--wrong and --images both say which images: leave one out")
    if wrong:
        return mistakes(subject, count, batch_size=batch_size, track=track)
    if images is not None:
        return named_images(subject, numbers(images))
    return first_of_classes(subject, count)
