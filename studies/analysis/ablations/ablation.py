"""Measure the error and cost of a trained network without each of its parts, not trained again.

Removing a gate also removes the mean of its mask, to which the layers behind it have adapted. A
second row therefore fixes the gate at its mean, which removes only its dependence on the input.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.studies.analysis.ablations.fix_gates import Means, fix
from skipsearch.studies.analysis.ablations.remove import Part, parts_of, remove
from skipsearch.studies.analysis.gates.masks import masking, watch_masks
from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject, never_trained

BATCH = 256
Manner = Literal["whole", "removed", "fixed at its mean"]


@dataclass(frozen=True, kw_only=True)
class Ablated:
    """One row of the result: the network without a part, or whole. Errors are from 0 to 1."""

    part: str
    manner: Manner
    error: float
    not_finite: int  # images whose logits are nan or infinite; they count as wrong
    params: int
    macs: int

    def __str__(self) -> str:
        match self.manner:
            case "whole":
                return "nothing"
            case "removed":
                return self.part
        return f"{self.part}, {self.manner}"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The whole network, and in `rows` the network without each part in turn."""

    target: str
    dataset: str
    part: str  # of the data set
    images: int
    whole: Ablated
    rows: tuple[Ablated, ...]


def chosen(subject: Subject, wanted: Sequence[str]) -> list[Part]:
    """Parse `--remove`; by default every part of the network, and the gate of each stage. Raises
    ValueError for a part that the network does not have.
    """
    there = parts_of(subject.network)
    if not wanted:
        return [part for part in there if part.stage is None or part.kind == "gate"]
    parts = list(dict.fromkeys(map(Part.named, wanted)))
    for part in parts:
        if part not in there:
            raise ValueError(f"{subject.name} has no {part} to remove: it has {_listed(there)}")
    return parts


def ablation(subject: Subject, wanted: Sequence[str] = (), *, track: Track = untracked) -> Ablation:
    """Evaluate the network whole and without each part in `wanted`, over all images of the subject.

    Raises ValueError for an untrained network, or a part that it does not have.
    """
    if not subject.trained:
        raise ValueError(never_trained(subject.name))
    parts = chosen(subject, wanted)
    means = _means(subject, track) if any(part.kind == "gate" for part in parts) else Means()
    rows = []
    for part in parts:
        rows.append(_row(subject, str(part), "removed", partial(remove, part=part), track))
        if part.kind == "gate" and any(part.stage in (None, use.stage) for use in means.sums):
            fixed = partial(fix, means=means, stage=part.stage)
            rows.append(_row(subject, str(part), "fixed at its mean", fixed, track))
    return Ablation(
        target=subject.name,
        dataset=subject.dataset,
        part=subject.part,
        images=len(subject.images),
        whole=_row(subject, "", "whole", lambda network: network, track),
        rows=tuple(rows),
    )


def _row(
    subject: Subject,
    part: str,
    manner: Manner,
    change: Callable[[nn.Module], nn.Module],
    track: Track,
) -> Ablated:
    network = change(copy.deepcopy(subject.network)).eval()
    what = f"{subject.name} without {part}" if part else subject.name
    wrong = not_finite = 0
    with torch.no_grad():
        for x_BCHW, label_B in track(subject.batches(BATCH), what):
            logits_BK = network(x_BCHW)
            finite_B = logits_BK.isfinite().all(1)
            wrong += int(((logits_BK.argmax(1) != label_B) | ~finite_B).sum())
            not_finite += int((~finite_B).sum())
    return Ablated(
        part=part,
        manner=manner,
        error=wrong / len(subject.images),
        not_finite=not_finite,
        params=count_params(network),
        macs=count_macs(network, subject.model.inputs.shape),
    )


def _means(subject: Subject, track: Track) -> Means:
    """Return the mean masks over the same images; empty for a network without channel masks."""
    means, network = Means(), subject.network
    if not masking(network):
        return means
    with undisturbed(network) as handles, torch.no_grad():
        watch_masks(network.eval(), handles, means.add)
        for x_BCHW, _ in track(subject.batches(BATCH), f"masks of {subject.name}"):
            network(x_BCHW)
    return means


def _listed(parts: Sequence[Part]) -> str:
    """Format as `shortcut (also @stage2), gate (also @stage1, @stage2)`."""
    found = []
    for kind in dict.fromkeys(part.kind for part in parts):
        numbers = [str(p.stage) for p in parts if p.kind == kind and p.stage is not None]
        said = f" (also @stage{', @stage'.join(numbers)})" if numbers else ""
        found.append(kind + said)
    return ", ".join(found) or "none that could be"
