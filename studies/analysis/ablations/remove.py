"""Parts of a network that can be taken away without training it again: what stands in their place.

shortcut   the skip of a residual is zeros; what merges earlier outputs reads the newest alone (one
           that concatenates reads zeros for the others); projections and keys that nothing reads go
gate       the identity; a norm that the branch has for the gate's sake stays
norm       the identity, but in gates, in the head, and before depth attention's projections
head       of tokens: their mean goes to the classifier, without positions and encoder
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.blocks import Activated, Residual
from skipsearch.searchspace.layers.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.channel_gates import ChannelGate, GlobalResponse
from skipsearch.searchspace.layers.combine import Add, Gated
from skipsearch.searchspace.layers.joins import Highway, LayerScale, StochasticDepth
from skipsearch.searchspace.layers.layer_attention import LayerAttention
from skipsearch.searchspace.layers.merge import (
    Adapt,
    AttentionMerge,
    CompressStep,
    ConcatMerge,
    Entry,
    Start,
    Step,
    Store,
)
from skipsearch.searchspace.layers.norms import LayerNorm2d
from skipsearch.searchspace.layers.recurrent import LightLSTM, SharedLSTM
from skipsearch.searchspace.layers.self_attention import MultiHeadAttention, SelfAttention
from skipsearch.searchspace.layers.spatial_gates import (
    CoordinateAttention,
    GlobalContext,
    Masked,
    SpatialGroupEnhance,
)
from skipsearch.searchspace.layers.tokens import TokenHead

Kind = Literal["shortcut", "gate", "norm", "head"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RECURRENT = SharedLSTM | LightLSTM | LayerAttention
CHANNELS = ChannelGate | GlobalResponse | ConvBlockAttention
POSITIONS = Masked | SpatialGroupEnhance | GlobalContext | CoordinateAttention
GATES = RECURRENT | CHANNELS | POSITIONS | SelfAttention | MultiHeadAttention | Add | Gated
NORMS = nn.BatchNorm2d | LayerNorm2d | nn.GroupNorm


@dataclass(frozen=True)
class Part:
    """Of the whole network, or of one stage (from 1)."""

    kind: Kind
    stage: int | None = None

    def __str__(self) -> str:
        return self.kind if self.stage is None else f"{self.kind}@stage{self.stage}"

    @classmethod
    def named(cls, text: str) -> "Part":
        """`gate`, `gate@stage2`. Raises ValueError."""
        found = re.fullmatch(r"(\w+)(?:@stage([1-9]\d*))?", text)
        for kind in KINDS:
            if found and found[1] == kind:
                return cls(kind, int(found[2]) if found[2] else None)
        raise ValueError(
            f"--remove must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, of one stage as in "
            f"gate@stage2, got {text!r}"
        )


@dataclass(frozen=True, eq=False)
class Slot:
    """A place in a network, and what is to stand there."""

    parent: nn.Module
    name: str
    new: nn.Module


class PassOn(nn.Module):
    """(a, state): a recurrent gate that does nothing."""

    def forward(self, a: Tensor, state: object) -> tuple[Tensor, object]:
        return a, state


class Alone(nn.Module):
    """add(0, F): a branch as it joins, without a skip."""

    def __init__(self, add: nn.Module) -> None:
        super().__init__()
        self.add = add

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        y: Tensor = self.add(torch.zeros_like(branch), branch)
        return y


class Last(nn.Module):
    """project(newest): of key and value the value."""

    def __init__(self, project: nn.Module) -> None:
        super().__init__()
        self.project = project

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        y: Tensor = self.project(memory[-1][-1])
        return y


class LastOfAll(nn.Module):
    """All entries side by side, zeros for all but the newest."""

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        older = [torch.zeros_like(entry[0]) for entry in memory[:-1]]
        return torch.cat([*older, memory[-1][0]], dim=1)


class OlderAsZeros(nn.Module):
    """A transition that reads zeros for all outputs but the newest."""

    def __init__(self, transition: nn.Module) -> None:
        super().__init__()
        self.transition = transition

    def forward(self, entries: list[Tensor]) -> Tensor:
        older = [torch.zeros_like(entry) for entry in entries[:-1]]
        y: Tensor = self.transition([*older, entries[-1]])
        return y


class Forget(nn.Module):
    """No memory: nothing reads it."""

    def forward(self, memory: list[Entry]) -> list[Entry]:
        return []


def has(network: nn.Module, part: Part) -> bool:
    return any(True for _ in slots(network, part))


def parts_of(network: nn.Module) -> list[Part]:
    """All that can be taken away, whole parts before those of stages."""
    stages: nn.ModuleList = network.stages  # type: ignore[assignment]
    numbers = range(1, len(stages) + 1)
    every = [Part(kind, stage) for kind in KINDS for stage in (None, *numbers)]
    return [part for part in every if has(network, part)]


def remove(network: nn.Module, part: Part) -> nn.Module:
    """Changes the network, and returns it."""
    for slot in list(slots(network, part)):
        setattr(slot.parent, slot.name, slot.new)
    return network


def slots(network: nn.Module, part: Part) -> Iterator[Slot]:
    """Nothing where the network has no such part."""
    stages: nn.ModuleList = network.stages  # type: ignore[assignment]
    if part.stage is not None and part.stage > len(stages):
        return
    root = network if part.stage is None else stages[part.stage - 1]
    match part.kind:
        case "gate":
            for parent, name, child in children(root):
                if isinstance(child, GATES):
                    new = PassOn() if isinstance(child, RECURRENT) else nn.Identity()
                    yield Slot(parent, name, new)
        case "norm":
            for parent, name, child in children(root):
                if isinstance(child, NORMS) and not isinstance(parent, Start | Step):
                    yield Slot(parent, name, nn.Identity())
        case "shortcut":
            yield from _shortcut(root, whole=part.stage is None)
        case "head":
            head = network.head
            if part.stage is None and isinstance(head, TokenHead):
                yield Slot(head, "position", nn.Identity())
                yield Slot(head, "encoder", nn.Identity())


def children(root: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, child) of every place below, also where a shared module stands again; not
    inside of gates.
    """
    for name, child in root._modules.items():
        if child is not None:
            yield root, name, child
            if not isinstance(child, GATES):
                yield from children(child)


def _shortcut(root: nn.Module, *, whole: bool) -> Iterator[Slot]:
    modules = list(root.modules())
    merges = [m.merge if isinstance(m, Step) else m for m in modules]
    for module in modules:
        if isinstance(module, Residual | Activated):
            yield Slot(module, "skip", nn.Identity())
            yield Slot(module, "add", Alone(_scaling(module.add)))
        if isinstance(module, CompressStep):
            yield Slot(module, "transition", OlderAsZeros(module.transition))
        if isinstance(module, Step):
            yield Slot(module, "merge", _last(module.merge))
    depth = any(isinstance(m, Step) for m in modules)
    if whole and depth and not any(isinstance(m, ConcatMerge | CompressStep) for m in merges):
        for module in modules:
            if isinstance(module, Start | Step):
                yield from _forgetting(module)


def _last(merge: nn.Module) -> nn.Module:
    if isinstance(merge, ConcatMerge):
        return LastOfAll()
    return Last(merge.project if isinstance(merge, AttentionMerge) else nn.Identity())


def _scaling(add: nn.Module) -> nn.Module:
    """How the branch joins; a highway's mask of a skip of zeros is that of its bias."""
    if isinstance(add, StochasticDepth):
        return _scaling(add.add)
    if isinstance(add, Highway):
        bias = add.conv.bias
        assert bias is not None
        scale = LayerScale(len(bias), 0.0).to(bias.device)
        scale.weight.data.copy_(torch.sigmoid(bias.detach()))
        return scale
    return add


def _forgetting(step: Start | Step) -> Iterator[Slot]:
    """A step that stores no more than the next merge reads: the newest, without a key."""
    yield Slot(step, "after", Forget())
    if isinstance(step, Start):
        yield Slot(step, "norm", nn.Identity())
        yield Slot(step, "store", Store())
        return
    yield Slot(step, "store", Store(step.store.maps[-1]))
    if isinstance(step.before, Adapt):
        yield Slot(step, "before", Adapt(step.before.maps[-1]))
