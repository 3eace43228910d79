"""Measure the weight with which each block reads each earlier output, as a mean over images and as
maps of chosen images (attention over depth: ERA 33(8), section 3.2).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.searchspace.layers.merge import AttentionMerge, PseudoQueryMerge
from skipsearch.searchspace.layers.network import MergeNetwork
from skipsearch.studies.analysis.depth.consumers import Consumer, chained, merging
from skipsearch.studies.analysis.depth.read_weights import Reading, pixel_weights, watch
from skipsearch.studies.analysis.depth.residual_shares import Carried
from skipsearch.studies.analysis.images import drawn, first_of_classes, named_images, numbers
from skipsearch.studies.analysis.preserved import Handles, undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject
from skipsearch.trainers.data.arrays import Array

CLASSES = 4  # by default, maps are shown for the first image of so many classes


@dataclass(frozen=True, kw_only=True)
class DepthAttention:
    """A network's readings, one per consumer; `error` is its top-1 error on the images, 0 to 1."""

    target: str
    trained: bool
    shortcut: str
    params: int
    macs: int
    dataset: str
    part: str
    images: int
    error: float
    readings: tuple[Reading, ...]

    def mean(self, figure: Callable[[Reading], float]) -> float:
        """Return the mean of a figure over the consumers."""
        return math.fsum(map(figure, self.readings)) / len(self.readings)


def depth_attention(
    subject: Subject,
    *,
    batch_size: int = 128,
    count: int | None = None,
    seed: int = 0,
    track: Track = untracked,
) -> DepthAttention:
    """Measure every consumer over `count` images sampled by `seed` (None: all images).

    Raises ValueError if no block reads more than one earlier output.
    """
    check_reads(subject)
    some, network = drawn(subject, count, seed), subject.network
    batches, wrong = some.batches(batch_size), torch.zeros((), dtype=torch.int64)
    with undisturbed(network) as handles, torch.no_grad():
        macs = count_macs(network.eval(), subject.model.inputs.shape)
        found = _watched(subject, handles)
        for x_BCHW, label_B in track(batches, f"what {subject.name} reads"):
            wrong = wrong.to(label_B.device) + (network(x_BCHW).argmax(1) != label_B).sum()
        readings = found()
    return DepthAttention(
        target=subject.name,
        trained=subject.trained,
        shortcut=subject.model.arch.shortcut.label,
        params=count_params(network),
        macs=macs,
        dataset=subject.dataset,
        part=subject.part,
        images=len(some.images),
        error=int(wrong) / len(some.images),
        readings=readings,
    )


def check_reads(subject: Subject) -> None:
    """Raise ValueError if no block reads two outputs or more."""
    network = subject.network
    if isinstance(network, MergeNetwork):
        there = bool(merging(network, subject.model.arch))
    else:
        there = any(hasattr(block, "add") for block in _chained(network).values())
    if not there:
        raise ValueError(
            f"{subject.name} has no shortcut by which a block reads earlier outputs: its shortcut "
            f"is {subject.model.arch.shortcut.label}; analyze gradient-flow takes any network"
        )


def _watched(subject: Subject, handles: Handles) -> Callable[[], tuple[Reading, ...]]:
    """Register the hooks; return a function that collects the readings after the last batch."""
    network = subject.network
    if not isinstance(network, MergeNetwork):
        return Carried(_chained(network), handles).found
    watches = [watch(one, handles) for one in merging(network, subject.model.arch)]
    return lambda: tuple(one.found() for one in watches)


def _chained(network: nn.Module) -> dict[str, nn.Module]:
    stages = network.stages
    assert isinstance(stages, nn.ModuleList)
    return chained(stages)


@dataclass(frozen=True, eq=False)
class Maps:
    """One consumer's weights (source, image, H, W) in chosen images, mean over the heads."""

    consumer: str
    sources: tuple[str, ...]
    weights_NBHW: Array
    index: Array  # of the images in the part


def mapped(subject: Subject) -> list[str]:
    """Return the names of the consumers whose weights differ by pixel."""
    return [one.name for one in _by_pixel(subject)]


def maps(subject: Subject, consumer: str | None, index: Array) -> Maps:
    """Return the maps of `consumer`, by default the last one whose weights differ by pixel. Raises
    ValueError for a name that is none of them.
    """
    there = _by_pixel(subject)
    chosen = [one for one in there if one.name == (consumer or there[-1].name)]
    if not chosen:
        names = ", ".join(one.name for one in there)
        raise ValueError(f"--consumer must be one of {names} in {subject.name}, got {consumer!r}")
    found: list[Tensor] = []

    def keep(
        merge: AttentionMerge | PseudoQueryMerge, inputs: tuple[Tensor, list[tuple[Tensor, ...]]]
    ) -> None:
        found.append(pixel_weights(merge, *inputs).mean(2).cpu())

    with undisturbed(subject.network) as handles, torch.no_grad():
        handles.append(chosen[0].merge.register_forward_pre_hook(keep))
        for number in range(len(index)):  # one at a time: they may be large, and are few
            subject.network.eval()(subject.prepared(index[number : number + 1])[0])
    weights_NBHW = torch.cat(found, dim=1).numpy()
    return Maps(chosen[0].name, chosen[0].sources, weights_NBHW, index)


def _by_pixel(subject: Subject) -> Sequence[Consumer]:
    network = subject.network
    if not isinstance(network, MergeNetwork):
        return []
    consumers = merging(network, subject.model.arch)
    return [one for one in consumers if isinstance(one.merge, AttentionMerge | PseudoQueryMerge)]


def looks(
    subjects: Sequence[Subject], consumer: str | None, images: str | None
) -> tuple[list[tuple[Subject, Maps]], list[str]]:
    """Return the maps of every network that has some, and one line for each that has none.

    `images` (`3,17`) are by default the first of four classes. Raises ValueError for a network that
    reads no earlier output, and if no network has maps of the requested `consumer`.
    """
    found, lines = list[tuple[Subject, Maps]](), list[str]()
    for subject in subjects:
        check_reads(subject)
        index = first_of_classes(subject, CLASSES)
        if images is not None:
            index = named_images(subject, numbers(images))
        if mapped(subject):
            found.append((subject, maps(subject, consumer, index)))
        else:
            label = subject.model.arch.shortcut.label
            lines.append(f"{subject.name}: no maps, a {label} shortcut weighs all pixels alike")
    if consumer is not None and not found:
        raise ValueError(f"--consumer needs weights that differ by pixel; {'; '.join(lines)}")
    return found, lines
