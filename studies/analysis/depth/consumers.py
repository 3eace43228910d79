"""Find the blocks that read several earlier outputs, and name those outputs.

Names: `stem`, `block 2.1` (the first block of the second stage), `stage 2` if shortcuts run between
stages, `transition 1` (DenseNet's, which clears the memory), `classifier`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.shortcuts import (
    Attention,
    BetweenStages,
    Concat,
    PseudoQuery,
    Weighted,
)
from skipsearch.searchspace.layers import blocks
from skipsearch.searchspace.layers.merge import CompressStep, RecurrentSteps, Start, Step, Steps
from skipsearch.searchspace.layers.network import MergeNetwork, PoolHead
from skipsearch.searchspace.layers.tokens import TokenHead

CLASSIFIER = "classifier"
BODIES = (
    *(blocks.Basic, blocks.Bottleneck, blocks.Single),
    *(blocks.PreBasic, blocks.PreBottleneck, blocks.PreSingle),
)
BLOCKS = (blocks.Residual, blocks.Activated, blocks.Plain)


@dataclass(frozen=True)
class Consumer:
    """A block that reads `sources` (oldest first) through the module `merge`; `next` is the
    convolution or linear layer that reads the merged features.
    """

    name: str
    sources: tuple[str, ...]
    merge: nn.Module
    next: nn.Module


def merging(network: MergeNetwork, arch: Arch) -> list[Consumer]:
    """Return the consumers with at least two sources; with one there is nothing to weigh."""
    stored: list[str] = []
    newest, found = "stem", list[Consumer]()
    for number, stage in enumerate(network.stages, start=1):
        block = 0
        for step in _steps(stage):
            if isinstance(step, CompressStep):
                name, transition = f"transition {number - 1}", step.transition
                assert isinstance(transition, blocks.Transition)
                found.append(Consumer(name, (*stored, newest), transition, transition.conv))
                stored, newest = [], name
                continue
            block += 1
            name = f"stage {number}" if _between_stages(arch) else f"block {number}.{block}"
            stored.append(newest)
            if isinstance(step, Step):
                found.append(Consumer(name, tuple(stored), step.merge, first_layer(step.block)))
            newest = name
    if isinstance(network.read, Step):
        last = _first_of_head(network.head)
        found.append(Consumer(CLASSIFIER, (*stored, newest), network.read.merge, last))
    return [one for one in found if len(one.sources) > 1]


def chained(stages: nn.ModuleList) -> dict[str, nn.Module]:
    """Return the blocks of a network without a memory, by name, in order."""
    return {
        f"block {number}.{place}": block
        for number, stage in enumerate(stages, start=1)
        for place, block in enumerate((m for m in stage.modules() if isinstance(m, BLOCKS)), 1)
    }


def first_layer(block: nn.Module) -> nn.Module:
    """Return the first convolution of a block's body, behind any gate and pooling of its input; for
    a stage, that of its first block.
    """
    body = next(module for module in block.modules() if isinstance(module, BODIES))
    single = isinstance(body, blocks.Single | blocks.PreSingle)
    layer = body.conv if single else body.conv1
    assert isinstance(layer, nn.Module)
    if isinstance(layer, nn.Sequential):
        return [one for one in layer if isinstance(one, nn.Conv2d)][-1]
    return layer


def _first_of_head(head: nn.Module) -> nn.Module:
    """Return the layer of the head that reads the last features."""
    assert isinstance(head, PoolHead | TokenHead)
    return head.taps[-1] if isinstance(head, TokenHead) else head.classifier


def _steps(stage: nn.Module) -> Iterator[nn.Module]:
    if isinstance(stage, Start | Step | CompressStep):
        yield stage
        return
    assert isinstance(stage, Steps | RecurrentSteps)
    for part in stage:
        yield from _steps(part)


def _between_stages(arch: Arch) -> bool:
    match arch.shortcut:
        case Attention(placement=placement):
            return isinstance(placement, BetweenStages)
        case Concat() | Weighted() | PseudoQuery() as shortcut:
            return shortcut.placement == "stages"
        case _:
            return False
