"""Small subjects, made in no time, for tests of analyses."""

import json
from pathlib import Path

import numpy as np
import torch

from skipsearch import searchspace
from skipsearch.searchspace.arch.arch import Arch, Doubling
from skipsearch.searchspace.arch.gates import Gate, NoGate
from skipsearch.searchspace.parameters.walk import encode, override
from skipsearch.studies.analysis.subject import Subject, look
from skipsearch.studies.models.model import Inputs, Model, Untrained
from skipsearch.trainers.data.arrays import Images
from skipsearch.trainers.loop.fit import seeded

CLASSES = 3


def arch(**changes: object) -> Arch:
    """Return an architecture of two stages of two blocks, with 8 and 16 channels, and the changes
    applied (`shortcut="none"`; a name with dots in a dict: `**{"shortcut.sum.add": "rezero"}`).
    """
    small = {"stages": 2, "blocks": 2, "stem_channels": 8, "width.doubling.channels": 8}
    return override(Arch, {**small, **changes})


def images(count: int = 24, size: int = 8, channels: int = 1, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return Images(pixels, np.arange(count, dtype=np.int64) % CLASSES)


def subject(network: Arch, shown: Images | None = None, seed: int = 0, name: str = "it") -> Subject:
    """Return a subject with weights from a seed; weights initialised to zero stay zero."""
    shown = shown or images()
    height, width, channels = shown.images.shape[1:]
    shape = (channels, height, width)
    with seeded(seed):
        built = searchspace.build(network, classes=CLASSES, shape=shape)
    inputs = Inputs(
        shape=shape, classes=("a", "b", "c"), mean=(0.5,) * channels, std=(0.25,) * channels
    )
    model = Model(
        target=name,
        name=name,
        arch=network,
        inputs=inputs,
        origin=Untrained(source="a test"),
        state=built.state_dict(),
    )
    return Subject(
        model=model, network=built.eval(), images=shown, dataset="noise", part="validation"
    )


def state_of(network: torch.nn.Module) -> dict[str, object]:
    """Return all state of a network that an analysis must leave as it was."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "values": {name: value.clone() for name, value in network.state_dict().items()},
        "modes": [module.training for module in network.modules()],
        "hooks": [len(getattr(module, name)) for module in network.modules() for name in hooks],
        "gradients": [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        "wanted": [p.requires_grad for p in network.parameters()],
    }


def assert_undisturbed(network: torch.nn.Module, before: dict[str, object]) -> None:
    torch.testing.assert_close(state_of(network), before, rtol=0, atol=0)


def small(gate: Gate | None = None, **settings: object) -> Arch:
    """Return an architecture of two stages of 8 and 16 channels, with a gate if one is given."""
    given = {"stages": 2, "blocks": (3, 2), "stem_channels": 8, "width": Doubling(channels=8)}
    return Arch(**{**given, "gate": gate or NoGate(), **settings})


def looked_at(folder: Path, arch: Arch, name: str = "tiny") -> Subject:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(encode(arch)))
    return look(str(file), data="digits", device="cpu")
