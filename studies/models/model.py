"""Records of a loaded network: architecture, inputs, weights and their provenance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Scalar

if TYPE_CHECKING:
    from torch import Tensor, nn


UNTRAINED_SEED = 0  # draws the weights of a network that was never trained


@dataclass(frozen=True)
class Network:
    """An architecture and the images that it is for: channels, height, width."""

    target: str
    arch: Arch
    classes: int
    shape: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images that a network reads, and its classes. Pixels are scaled to 0 to 1, then
    (x − mean) / std by channel.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Provenance of trained weights, and the network's errors, 0 to 1."""

    study: str
    trial: int
    retrained: bool  # on the images of training and validation; else trained by the search
    seed: int
    epochs: int  # trained
    max_epochs: int  # of the whole training; more than `epochs` for a pruned trial
    recipe: Mapping[str, Scalar]
    # `dataset` and its split, the arguments of `trainers.data.datasets.load`; then `fingerprint`
    # and `images` by part
    data: Mapping[str, Any]
    val_errors: tuple[float, ...]  # of the search, one per seed
    test_errors: tuple[float, ...] = ()  # of retraining, one per seed
    test_epochs: int = 0
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: str = ""


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """Provenance of an untrained network: a preset or an architecture file."""

    source: str  # the paper, or the file
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded network; `state` has its weights by name, on the CPU."""

    target: str
    name: str  # also a valid folder name: digits-17
    arch: Arch
    inputs: Inputs
    origin: Trained | Untrained
    state: "Mapping[str, Tensor]"
    data_dir: str | None = None  # local data folder; never written into an export

    def network(self) -> "nn.Module":
        """Build the network in evaluation mode, with its weights.

        Raises ValueError if the weights are not this architecture's.
        """
        from skipsearch import searchspace

        inputs = self.inputs
        built = searchspace.build(self.arch, classes=len(inputs.classes), shape=inputs.shape)
        try:
            built.load_state_dict(dict(self.state))
        except RuntimeError as error:
            raise ValueError(f"{self.target}: its weights are not of its architecture") from error
        return built.eval()


def untrained(network: Network) -> Model:
    """Build the model of a preset or an architecture file, with weights from a fixed seed."""
    from skipsearch import searchspace
    from skipsearch.searchspace.presets import PRESETS
    from skipsearch.trainers.loop.fit import seeded

    with seeded(UNTRAINED_SEED):
        built = searchspace.build(network.arch, classes=network.classes, shape=network.shape)
    channels = network.shape[0]
    inputs = Inputs(
        shape=network.shape,
        classes=tuple(map(str, range(network.classes))),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )
    preset = PRESETS.get(network.target)
    source = preset.source if preset else Path(network.target).name
    return Model(
        target=network.target,
        name=safe_name(network.target if preset else Path(network.target).stem),
        arch=network.arch,
        inputs=inputs,
        origin=Untrained(source=source, note=preset.note if preset else ""),
        state=built.state_dict(),
    )


def safe_name(name: str) -> str:
    """Reduce a name to letters, digits, `.`, `_` and `-`: neither a path nor a hidden file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-_")[:80] or "network"
