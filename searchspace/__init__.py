"""What a model can be: architectures, their spaces, plans, layers and costs.

arch = PRESETS["as/out"].arch
describe(arch, classes=10, shape=(3, 32, 32))  # params, macs, identity
model = build(arch, classes=10, shape=(3, 32, 32))
"""

from typing import TYPE_CHECKING

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.space import Space, parse_space
from skipsearch.searchspace.parameters.walk import decode, encode, override
from skipsearch.searchspace.presets import PRESETS

if TYPE_CHECKING:
    from torch import nn

    from skipsearch.searchspace.assembly.assemble import Shape
    from skipsearch.searchspace.assembly.cost import Description

__all__ = [
    "PRESETS",
    "Arch",
    "Space",
    "build",
    "decode",
    "describe",
    "encode",
    "override",
    "parse_space",
    "source",
]


def build(arch: Arch, *, classes: int, shape: "Shape" = (3, 32, 32)) -> "nn.Module":
    """The network for images of `shape` (channels, height, width); weights are drawn from
    torch's global generator. Raises ValueError where the images are too small."""
    from skipsearch.searchspace.assembly.assemble import (
        assemble,  # torch is loaded where a network is made
    )
    from skipsearch.searchspace.assembly.plan import module

    return module(assemble(arch, classes=classes, shape=shape))


def describe(arch: Arch, *, classes: int, shape: "Shape" = (3, 32, 32)) -> "Description":
    """Exact `params` and `macs`, and the network's identity, without making its weights."""
    from skipsearch.searchspace.assembly.cost import describe as describe_network

    return describe_network(arch, classes=classes, shape=shape)


def source(arch: Arch, *, classes: int, shape: "Shape" = (3, 32, 32)) -> str:
    """The network as Python: a function `build()` of torch's and the layers' classes."""
    from skipsearch.searchspace.assembly.assemble import assemble
    from skipsearch.searchspace.assembly.plan import source as print_plan

    return print_plan(assemble(arch, classes=classes, shape=shape))
