"""Presets cut to a depth that a CPU trains at once, and their parameter counts."""

from dataclasses import replace

import torch

from skipsearch.searchspace.arch.arch import Arch, Constant, Doubling, EachStage
from skipsearch.searchspace.assembly.assemble import assemble
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.searchspace.assembly.plan import module
from skipsearch.searchspace.presets import Preset


def params(arch: Arch, classes: int = 10, shape: tuple[int, int, int] = (3, 32, 32)) -> int:
    """Return `describe(…).params`, without the forward pass that counts the macs."""
    with torch.device("meta"):
        return count_params(module(assemble(arch, classes=classes, shape=shape)))


def shortened(one: Preset) -> Arch:
    """Return the same architecture with two blocks per stage and narrow stages."""
    arch = replace(one.arch, blocks=tuple(min(2, n) for n in one.arch.blocks), stem_channels=16)
    widths = {"width": arch.width, "output": arch.output}
    for name, width in widths.items():
        match width:
            case Doubling():
                widths[name] = Doubling(channels=16)
            case Constant():
                widths[name] = Constant(channels=16)
            case EachStage():
                narrow = tuple(16 << stage for stage in range(arch.stages))
                widths[name] = EachStage(channels=narrow)
    return replace(arch, **widths)
