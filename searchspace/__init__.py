"""Architectures, the spaces they are drawn from, their networks and costs.

>>> arch = PRESETS["as/out"].arch
>>> describe(arch, classes=10, shape=(3, 32, 32))  # params, macs, identity
>>> model = build(arch, classes=10, shape=(3, 32, 32))
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
    """Build the network of an architecture, with new weights from torch's global generator.

    Parameters
    ----------
    arch
        The architecture, such as `PRESETS["as/out"].arch` or `override(Arch, {...})`.
    classes
        Number of classes, at least 2.
    shape
        (channels, height, width) of an image; 1 or 3 channels.

    Returns
    -------
    nn.Module
        Images (B, C, H, W) in, logits (B, classes) out; `forward_features` gives the output of
        the stem and of each stage.

    Raises
    ------
    ValueError
        The images are too small for the strides, or their channels or the classes are refused.

    Examples
    --------
    >>> torch.manual_seed(0)
    >>> network = build(PRESETS["cnntention/resnet20"].arch, classes=10)
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    from skipsearch.searchspace.assembly.assemble import (
        assemble,  # torch is loaded where a network is made
    )
    from skipsearch.searchspace.assembly.plan import module

    return module(assemble(arch, classes=classes, shape=shape))


def describe(arch: Arch, *, classes: int, shape: "Shape" = (3, 32, 32)) -> "Description":
    """Count a network's parameters and multiply-accumulates exactly, without making its weights.

    Returns
    -------
    Description
        `params` (trainable, a shared one once), `macs` (of one image; FLOPs = 2 × macs) and
        `identity`, equal for two architectures exactly if they are the same network.

    Raises
    ------
    ValueError
        The architecture does not fit images of this shape.

    Examples
    --------
    >>> describe(PRESETS["cnntention/resnet20"].arch, classes=10).params
    269722
    """
    from skipsearch.searchspace.assembly.cost import describe as describe_network

    return describe_network(arch, classes=classes, shape=shape)


def source(arch: Arch, *, classes: int, shape: "Shape" = (3, 32, 32)) -> str:
    """Return the network as Python: a function `build()` that calls torch's and our layers.

    The layers are not part of the text; `skipsearch export` writes a file that stands alone.

    Raises
    ------
    ValueError
        The architecture does not fit images of this shape.
    """
    from skipsearch.searchspace.assembly.assemble import assemble
    from skipsearch.searchspace.assembly.plan import source as print_plan

    return print_plan(assemble(arch, classes=classes, shape=shape))
