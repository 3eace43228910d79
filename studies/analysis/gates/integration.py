"""Feature integration: predict each gate's mask from the masks of the gates before it (DIA, arXiv
2210.16101, Algorithm 1 and figure 7).

In each stage the gates make masks h_1 … h_L of the same images. For every t ≥ 2, a random forest
learns h_t from h_1 … h_{t−1} side by side; the importances of its inputs (impurity), summed for
each earlier gate and divided by the largest sum, are row t of a map.

What differs: the algorithm as printed cannot be run (it never fits, its first x is empty, and its
groups close one channel early). A fifth of the images is held out from the forests to compute R²:
importances mean nothing if the forest predicts nothing. A mask that does not vary gets a row of 0.
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
HELD = 5  # one sample in HELD is held out
STILL = 1e-6  # a mask that varies less than this over the images is constant up to rounding


@dataclass(frozen=True, kw_only=True)
class Row:
    """One gate's row of the map: the importance of each earlier gate (the largest is 1), and R² on
    the held-out images (None if the mask does not vary).
    """

    importances: tuple[float, ...]
    r2: float | None

    @property
    def varies(self) -> bool:
        """False if the gate's mask is the same for every image."""
        return any(self.importances)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The map of one stage; `rows` begin with the second gate."""

    number: int  # from 1
    gates: tuple[str, ...]
    channels: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Integration:
    """The maps of a network, one per stage with at least two gates, and how they were made."""

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
    alone: tuple[int, ...]  # stages with a single gate, which have no map


def integration(
    subject: Subject,
    *,
    samples: int = 500,
    trees: int = 100,
    seed: int = 0,
    track: Track = untracked,
) -> Integration:
    """Compute the maps from `samples` of the subject's images, sampled by `seed`.

    Raises ValueError if the network has no gate with a mask of channels, or no stage with two.
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
            f"{subject.name} has one gate ({arch.gate.label}) per stage: no earlier gate to "
            "integrate"
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
    """Fit a forest from `earlier` masks to the `target` mask, all (samples, channels), the last
    fifth of the samples held out.
    """
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
    """Return the number of held-out samples."""
    return samples // HELD


def _r2(truth: Array, predicted: Array) -> float | None:
    """Return R² over all channels together, as the forest weighs them; None if undefined."""
    spread = float(np.square(truth - truth.mean(0)).sum())
    r2 = 1 - float(np.square(truth - predicted).sum()) / spread if spread else math.nan
    return r2 if math.isfinite(r2) else None


def _masks(subject: Subject, samples: int, seed: int, track: Track) -> dict[Use, Array]:
    """Return the masks (samples, channels) of every use of a gate, on sampled images."""
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
