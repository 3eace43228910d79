"""How far the gate of a block is made of the gates before it: feature integration (DIA, arXiv
2210.16101, Algorithm 1 and figure 7).

In each stage the gates make masks h_1 … h_L of the same images. For every t from 2, a random forest
learns h_t from h_1 … h_{t−1} side by side; the importances of its inputs (impurity), summed for
each earlier gate and divided by the largest sum, are row t of a map.

What differs: the algorithm as printed cannot be run (it never fits, its first x is empty, and its
groups close one channel early). A fifth of the images is kept from the forests, for R²: importances
mean nothing where the forest predicts nothing. Where a mask does not vary, its row is zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from skipsearch.studies.analysis.gates.masks import Use, masking, no_masks, watch_masks
from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject

Array = NDArray[np.float32]
BATCH = 128
HELD = 5  # one sample in so many is kept from the forest
STILL = 1e-6  # a mask that varies less from image to image is constant, but for rounding


@dataclass(frozen=True, kw_only=True)
class Row:
    """Of one gate: importances of each earlier one, and R² on images that the forest did not see
    (None where the mask does not vary).
    """

    importances: tuple[float, ...]
    r2: float | None

    @property
    def varies(self) -> bool:
        return any(self.importances)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`rows` are of its gates from the second one."""

    number: int  # from 1
    gates: tuple[str, ...]
    channels: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Integration:
    target: str
    gate: str
    trained: bool
    dataset: str
    part: str
    samples: int
    held_out: int  # of the samples
    trees: int
    seed: int
    stages: tuple[Stage, ...]
    alone: tuple[int, ...]  # stages with one gate, which has nothing earlier


def integration(
    subject: Subject,
    *,
    samples: int = 500,
    trees: int = 100,
    seed: int = 0,
    track: Track = untracked,
) -> Integration:
    """Of `samples` of the subject's images, drawn by `seed`. Raises ValueError where the network
    has no masks of channels, or none before another in its stage.
    """
    network, arch = subject.network, subject.model.arch
    if not masking(network):
        raise ValueError(no_masks(subject.name, arch))
    by_use = _masks(subject, samples, seed, track)
    numbers = sorted({use.stage for use in by_use})
    uses = {stage: [use for use in by_use if use.stage == stage] for stage in numbers}
    stages = {stage: own for stage, own in uses.items() if len(own) > 1}
    if not stages:
        raise ValueError(
            f"{subject.name} has one gate ({arch.gate.label}) a stage: nothing earlier to integrate"
        )
    found: dict[int, list[Row]] = {stage: [] for stage in stages}
    steps = [(stage, t) for stage, own in stages.items() for t in range(1, len(own))]
    for stage, t in track(steps, f"forests of {subject.name}"):
        masks = [by_use[use] for use in stages[stage][: t + 1]]
        found[stage].append(row(masks[:-1], masks[-1], trees=trees, seed=seed))
    count = len(next(iter(by_use.values())))
    return Integration(
        target=subject.name,
        gate=arch.gate.label,
        trained=subject.trained,
        dataset=subject.dataset,
        part=subject.part,
        samples=count,
        held_out=held(count),
        trees=trees,
        seed=seed,
        stages=tuple(
            Stage(
                number=number,
                gates=tuple(map(str, own)),
                channels=tuple(by_use[use].shape[1] for use in own),
                rows=tuple(found[number]),
            )
            for number, own in stages.items()
        ),
        alone=tuple(stage for stage, own in uses.items() if len(own) == 1),
    )


def row(earlier: Sequence[Array], target: Array, *, trees: int, seed: int) -> Row:
    """From masks (samples, channels), the last fifth of which is held out."""
    from sklearn.ensemble import RandomForestRegressor

    learned = len(target) - held(len(target))
    if np.ptp(target[:learned], axis=0).max() <= STILL:
        return Row(importances=(0.0,) * len(earlier), r2=None)
    inputs = np.concatenate(earlier, axis=1)
    forest = RandomForestRegressor(n_estimators=trees, random_state=seed, n_jobs=-1)
    forest.fit(inputs[:learned], target[:learned])
    ends = np.cumsum([0, *(mask.shape[1] for mask in earlier)])
    gini = forest.feature_importances_
    sums = [float(gini[a:b].sum()) for a, b in pairwise(ends)]
    most = max(sums)
    r2 = _r2(target[learned:], forest.predict(inputs[learned:]))
    return Row(importances=tuple(one / most if most else 0.0 for one in sums), r2=r2)


def held(samples: int) -> int:
    return samples // HELD


def _r2(truth: Array, predicted: Array) -> float | None:
    """Of all channels together, as the forest weighs them."""
    spread = float(np.square(truth - truth.mean(0)).sum())
    r2 = 1 - float(np.square(truth - predicted).sum()) / spread if spread else math.nan
    return r2 if math.isfinite(r2) else None


def _masks(subject: Subject, samples: int, seed: int, track: Track) -> dict[Use, Array]:
    there = len(subject.images)
    if (count := min(samples, there)) < 2 * HELD:
        raise ValueError(
            f"--samples must be at least {2 * HELD}, got {samples} of {there} images of "
            f"{subject.dataset}"
        )
    index = np.random.default_rng(seed).permutation(there)[:count]
    network, found = subject.network, dict[Use, list[torch.Tensor]]()

    def take(use: Use, mask_BC: torch.Tensor) -> None:
        found.setdefault(use, []).append(mask_BC.cpu())

    with undisturbed(network) as handles, torch.no_grad():
        watch_masks(network.eval(), handles, take)
        batches = [index[start : start + BATCH] for start in range(0, count, BATCH)]
        for some in track(batches, f"masks of {subject.name}"):
            network(subject.prepared(some)[0])
    return {use: torch.cat(masks).numpy() for use, masks in found.items()}
