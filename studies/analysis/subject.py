"""The subject of an analysis: a network with its weights, and images it was not trained on."""

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
    """A network (in evaluation mode, in float32, on `device`) and the images to examine it on.

    `images` are the `part` ("validation" or "test") of the data set named `dataset`.
    """

    model: Model
    network: nn.Module
    images: Images
    dataset: str
    part: Part
    device: torch.device = field(default=torch.device("cpu"))

    @property
    def name(self) -> str:
        """The target as the user wrote it; names the subject in tables."""
        return self.model.target

    @property
    def trained(self) -> bool:
        """False for initial weights: a preset, an architecture file, an untrained export."""
        return not isinstance(self.model.origin, Untrained)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.model.inputs.classes

    @cached_property
    def _gather(self) -> Batches:
        return Batches(self.images, self.device)

    def prepared(self, index: Array) -> tuple[Tensor, Tensor]:
        """Return the images at `index`, normalised, as float32 (B, C, H, W), and their labels
        (B,).
        """
        images_BHWC, label_B = self._gather(index)
        inputs = self.model.inputs
        return normalise(images_BHWC, inputs.mean, inputs.std), label_B

    def batches(self, size: int, count: int | None = None, seed: int | None = None) -> "Drawn":
        """Return `count` batches (None: all), in order, or in an order drawn from `seed`."""
        return Drawn(self, size, count, seed)


@dataclass(frozen=True)
class Drawn:
    """Batches of a subject's images, loaded one at a time; `len` is their number.

    With a `seed` the order is random without replacement and the last, smaller batch is left out
    (unless it is the only one), so that figures per batch compare.
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
        """The number of images in all batches together."""
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
    """Load the network that `target` names (`models.load`) and the images to examine it on.

    The images are a part of the network's own data set, split as in its training, or of `data`. A
    preset and an architecture file have no data set of their own: they need `data`, and get
    initial weights for its image shape and classes.

    Parameters
    ----------
    part
        "validation" (default) or "test".
    retrained
        Take the weights of the first retrained seed.
    trained
        Refuse a network that was never trained.
    device
        "auto" (the GPU if there is one), "cpu" or "cuda:N".

    Raises
    ------
    ValueError
        In one line, for a target, data set, part or device that cannot be had.
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
    """Return the error message for an untrained target where a trained one is needed."""
    return (
        f"{target} was never trained and has nothing to lose: name a trial of a study, or an "
        "export of one"
    )


def device_of(name: str) -> torch.device:
    """Parse `--device`; `auto` is the GPU if there is one. Raises ValueError if it is absent."""
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
    """Return an untrained model and the data set `name`.

    A preset or architecture file is rebuilt for the images and classes of the data set; an
    untrained export is fixed and must fit them.
    """
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
