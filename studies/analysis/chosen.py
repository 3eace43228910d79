"""Which images: a random part of them, those that were named, or the first of each class."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from studies.analysis.subject import Subject
from trainers.data import Array, Images


def drawn(subject: Subject, count: int | None, seed: int) -> Subject:
    """The subject with `count` of its images, drawn without replacement; with all, without it."""
    images = subject.images
    if count is None or count >= len(images):
        return subject
    index = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    return replace(subject, images=Images(images.images[index], images.labels[index]))


def numbers(text: str) -> list[int]:
    """`3,17`. Raises ValueError for what is no list of numbers."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ValueError(f"--images must be numbers from 0 with commas, such as 3,17; got {text!r}")
    return list(dict.fromkeys(map(int, words)))


def named_images(subject: Subject, wanted: Sequence[int]) -> Array:
    """Raises ValueError for a number that no image has."""
    there = len(subject.images)
    for number in wanted:
        if number >= there:
            raise ValueError(
                f"--images must be from 0 to {there - 1}, got {number}: the {subject.part} part of "
                f"{subject.dataset} has {there} images"
            )
    return np.array(wanted, np.int64)


def first_of_classes(subject: Subject, count: int) -> Array:
    """The first image of each class, of at most `count` classes."""
    _, first = np.unique(subject.images.labels, return_index=True)
    return np.asarray(first[:count], np.int64)
