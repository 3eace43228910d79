"""What is looked at: a network with its weights, and images that it was not trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skipsearch.studies.config.target import ExportFolder, TrialTarget, parse
from skipsearch.studies.models.evaluate import Part, check_fit, images_of, part_named, part_of
from skipsearch.studies.models.load import load_parsed
from skipsearch.studies.models.model import Model, Network, Untrained, untrained
from skipsearch.studies.storage.find import RUNS
from skipsearch.trainers.data.arrays import Array, Data, Images
from skipsearch.trainers.data.datasets import load as load_images
from skipsearch.trainers.loop.augment import normalise
from skipsearch.trainers.loop.device import Batches


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """`network` is in evaluation mode, in float32 and on `device`."""

    model: Model
    network: nn.Module
    images: Images
    dataset: str
    part: Part
    device: torch.device = field(default=torch.device("cpu"))

    @property
    def name(self) -> str:
        """As tables have it."""
        return self.model.target

    @property
    def trained(self) -> bool:
        return not isinstance(self.model.origin, Untrained)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.inputs.classes

    @cached_property
    def _gather(self) -> Batches:
        return Batches(self.images, self.device)

    def prepared(self, index: Array) -> tuple[Tensor, Tensor]:
        """The images at `index` as the network sees them, float32 (B, C, H, W), and their labels
        (B,).
        """
        images_BHWC, label_B = self._gather(index)
        inputs = self.model.inputs
        return normalise(images_BHWC, inputs.mean, inputs.std), label_B

    def batches(self, size: int, count: int | None = None, seed: int | None = None) -> "Drawn":
        """`count` batches (all, without it), in order, or drawn without replacement by `seed`."""
        return Drawn(self, size, count, seed)


@dataclass(frozen=True)
class Drawn:
    """Batches of a subject's images, one at a time in memory; `len` is how many. Drawn ones are
    all of one size, where there are so many images.
    """

    subject: Subject
    size: int
    count: int | None
    seed: int | None

    def __len__(self) -> int:
        there = len(self.subject.images)
        most = -(-there // self.size)
        if self.seed is not None:
            most = max(1, there // self.size)
        return most if self.count is None else min(most, self.count)

    @property
    def images(self) -> int:
        return min(len(self) * self.size, len(self.subject.images))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.arange(len(self.subject.images))
        if self.seed is not None:
            order = np.random.default_rng(self.seed).permutation(order)
        for number in range(len(self)):
            yield self.subject.prepared(order[number * self.size : (number + 1) * self.size])


def look(
    target: str,
    *,
    data: str | None = None,
    data_dir: str | Path | None = None,
    part: str | None = None,
    retrained: bool = False,
    trained: bool = False,
    device: str = "auto",
    folder: Path = RUNS,
    storage: str | None = None,
) -> Subject:
    """The network that `target` names (`models.load`) with a part of its own data set, split as it
    was, or of the data set `data`.

    A preset and an architecture file have no data set of their own; their weights are drawn, for
    its images and classes, or refused where they must be `trained`. Raises ValueError in one line.
    """
    on, named = device_of(device), parse(target, folder=folder, storage=storage)
    model = load_parsed(named, retrained=retrained, storage=storage)
    if trained and isinstance(model.origin, Untrained):
        raise ValueError(never_trained(target))
    if isinstance(named, TrialTarget):  # shortcuts#dia says more than the number of its trial
        model = replace(model, target=target)
    if isinstance(model.origin, Untrained):
        exported = isinstance(named, ExportFolder)
        model, found = _with_images(model, data, data_dir, exported=exported)
        chosen = part_named(part or "validation")
    else:
        chosen = part_of(model, part, data)
        found = images_of(model, data, data_dir)
    return Subject(
        model=model,
        network=model.network().to(on).to(memory_format=torch.channels_last),
        images=getattr(found, chosen),
        dataset=found.name,
        part=chosen,
        device=on,
    )


def never_trained(target: str) -> str:
    """What is wrong with it."""
    return (
        f"{target} was never trained and has nothing to lose: name a trial of a study, or what was "
        "exported of one"
    )


def device_of(name: str) -> torch.device:
    """`auto` is the GPU where there is one. Raises ValueError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros((), device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"--device must be auto, cpu or a GPU of this machine such as cuda:0, got {name!r}: "
            f"{reason}"
        ) from error
    return device


def _with_images(
    model: Model, name: str | None, data_dir: str | Path | None, *, exported: bool
) -> tuple[Model, Data]:
    """An untrained network for the images of a data set; one that was exported must fit them."""
    if name is None:
        raise ValueError(
            f"{model.target} was never trained and has no data set of its own: name one with "
            "--data, such as --data digits"
        )
    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    found = load_images(name, **given)
    if exported:
        check_fit(model, found)
    else:
        shape = (found.channels, found.image_size[0], found.image_size[0])
        model = untrained(Network(model.target, model.arch, found.num_classes, shape))
    inputs = replace(model.inputs, classes=found.classes, mean=found.mean, std=found.std)
    return replace(model, inputs=inputs), found
