"""Grad-CAM at any stage (https://arxiv.org/abs/1610.02391, eqs 1 and 2).

map = relu(Σ_c α_c A_c), where A is the output of a stage (for the last stage: the features that the
head reads) and α_c the mean over the pixels of d logit / d A_c. Each map is divided by its maximum.

We do not use captum: version 0.8 pins numpy < 2, and its LayerGradCam needs layers with a single
output tensor, while a stage here may also return a memory.

Shapes: B images, C channels, H, W pixels of a stage's output, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import torch
from torch import Tensor, nn

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject
from skipsearch.trainers.data.arrays import Array


@dataclass(frozen=True)
class Predicted:
    """Explain the most likely class of each image."""


@dataclass(frozen=True)
class Label:
    """Explain the true class of each image."""


@dataclass(frozen=True)
class Named:
    """Explain one class, the same for all images."""

    number: int


Of = Predicted | Label | Named


@dataclass(frozen=True, kw_only=True, eq=False)
class Heat:
    """The Grad-CAM map of one image at one stage.

    `map_HW` is scaled to 0…1. It is zero everywhere if no pixel speaks for the class; `centre` and
    `spread` are then None.
    """

    stage: int  # from 1; 0 is the stem
    map_HW: Array
    highest: float  # maximum of the map before scaling

    @property
    def centre(self) -> tuple[float, float] | None:
        """Centre of mass as (right, down), each from 0 to 1."""
        if not self.highest:
            return None
        down, right = _places(self.map_HW)
        share = self.map_HW / self.map_HW.sum()
        return float((share * right).sum()), float((share * down).sum())

    @property
    def spread(self) -> float | None:
        """Root mean square distance from the centre, in image sides; 0.41 for a uniform map."""
        if (centre := self.centre) is None:
            return None
        down, right = _places(self.map_HW)
        share = self.map_HW / self.map_HW.sum()
        squares = (right - centre[0]) ** 2 + (down - centre[1]) ** 2
        return float((share * squares).sum() ** 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A network's answer for one image, and its maps for the class `explained`."""

    image: int  # its index in the part
    label: int
    predicted: int
    explained: int
    probabilities: tuple[float, ...]
    heats: tuple[Heat, ...]  # one per stage

    @property
    def wrong(self) -> bool:
        """True if the image is misclassified."""
        return self.predicted != self.label


def of_named(text: str, classes: Sequence[str]) -> Of:
    """Parse `--of`: `predicted`, `true` or the name of a class. Raises ValueError otherwise."""
    match text:
        case "predicted":
            return Predicted()
        case "true":
            return Label()
        case _ if text in classes:
            return Named(list(classes).index(text))
    hint = nearest(text, list(classes)) or f"; the classes are {', '.join(classes[:12])}"
    raise ValueError(f"--of must be predicted, true or a class, got {text!r}{hint}")


def stages_named(subject: Subject, stages: Sequence[int]) -> tuple[int, ...]:
    """Return the stages without duplicates, by default the last one. Raises ValueError for a stage
    that the network does not have.
    """
    parts: Any = subject.network.stages
    for stage in stages:
        if not 0 <= stage <= len(parts):
            raise ValueError(
                f"--stage must be from 0 (the stem) to {len(parts)} in {subject.name}, got {stage}"
            )
    return tuple(dict.fromkeys(stages)) or (len(parts),)


def grad_cam(
    subject: Subject,
    index: Array,
    *,
    stages: Sequence[int] = (),
    of: Of,
    batch_size: int = 128,
    track: Track = untracked,
) -> tuple[Seen, ...]:
    """Compute the maps of the images at `index`, batch by batch.

    Parameters
    ----------
    stages
        Numbers from 1, 0 being the stem; by default the last stage.
    of
        The class to explain.

    Raises
    ------
    ValueError
        For a stage that the network does not have.
    """
    chosen, found = stages_named(subject, stages), list[Seen]()
    starts = range(0, len(index), batch_size)
    with undisturbed(subject.network), torch.enable_grad():
        network = subject.network.eval().requires_grad_(False)
        for start in track(starts, f"Grad-CAM of {subject.name}"):
            part = index[start : start + batch_size]
            x_BCHW, label_B = subject.prepared(part)
            logits_BK, wanted_B, maps = _maps(network, x_BCHW, label_B, chosen, of)
            probabilities = logits_BK.softmax(1).cpu()
            for place, image in enumerate(part):
                heats = (_heat(s, m[place]) for s, m in zip(chosen, maps, strict=True))
                seen = Seen(
                    image=int(image),
                    label=int(label_B[place]),
                    predicted=int(probabilities[place].argmax()),
                    explained=int(wanted_B[place]),
                    probabilities=tuple(probabilities[place].tolist()),
                    heats=tuple(heats),
                )
                found.append(seen)
    return tuple(found)


def _maps(
    network: nn.Module, x_BCHW: Tensor, label_B: Tensor, stages: Sequence[int], of: Of
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return logits, explained classes, and one unscaled map (B, H, W) per stage."""
    features: list[Tensor] = network.forward_features(x_BCHW.requires_grad_())  # type: ignore[operator]
    logits_BK: Tensor = network.head(features)  # type: ignore[operator]
    match of:
        case Predicted():
            wanted_B = logits_BK.argmax(1)
        case Label():
            wanted_B = label_B
        case Named(number=number):
            wanted_B = torch.full_like(label_B, number)
        case _:
            assert_never(of)
    looked = [features[stage] for stage in stages]
    explained = logits_BK.gather(1, wanted_B[:, None]).sum()
    gradients = torch.autograd.grad(explained, looked)
    maps = []
    for a_BCHW, gradient_BCHW in zip(looked, gradients, strict=True):
        alpha_BC11 = gradient_BCHW.mean((2, 3), keepdim=True)
        maps.append((alpha_BC11 * a_BCHW).sum(1).relu().detach().cpu())
    return logits_BK.detach(), wanted_B, maps


def _heat(stage: int, map_HW: Tensor) -> Heat:
    highest = float(map_HW.max())
    return Heat(stage=stage, map_HW=(map_HW / (highest or 1.0)).numpy(), highest=highest)


def _places(map_HW: Array) -> tuple[Array, Array]:
    """Return the coordinates of the pixels' centres, down (H, 1) and right (1, W), from 0 to 1."""
    down, right = (np.arange(n) + 0.5 for n in map_HW.shape)
    return down[:, None] / len(down), right[None, :] / len(right)
