"""Remove a part of a trained network by putting a replacement in its place:

shortcut   the skip of a residual becomes zeros; a merge of earlier outputs reads the newest alone
           (a concatenation reads zeros for the others); unread projections and keys are dropped
gate       becomes the identity; a norm that the branch has for the gate's sake stays
norm       becomes the identity, but not in gates, in the head, or before the projections of depth
           attention
head       of tokens: their mean goes to the classifier, without positions and encoder
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.blocks import Activated, Residual
from skipsearch.searchspace.layers.channel_gates import ChannelGate, GlobalResponse
from skipsearch.searchspace.layers.gates.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.gates.combine import Add, Gated
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
    """A removable part, of the whole network (`stage` None) or of one stage (from 1)."""

    kind: Kind
    stage: int | None = None

    def __str__(self) -> str:
        return self.kind if self.stage is None else f"{self.kind}@stage{self.stage}"

    @classmethod
    def named(cls, text: str) -> "Part":
        """Parse `gate` or `gate@stage2`. Raises ValueError for anything else."""
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
    """A child module to replace: attribute `name` of `parent` becomes `new`."""

    parent: nn.Module
    name: str
    new: nn.Module


class PassOn(nn.Module):
    """(a, state): the identity as a recurrent gate."""

    def forward(self, a: Tensor, state: object) -> tuple[Tensor, object]:
        """Return both arguments unchanged."""
        return a, state


class Alone(nn.Module):
    """add(0, F): the branch joins as before, but the skip is zeros."""

    def __init__(self, add: nn.Module) -> None:
        super().__init__()
        self.add = add

    def forward(self, skip: Tensor, branch: Tensor) -> Tensor:
        """Join the branch with zeros instead of the skip."""
        y: Tensor = self.add(torch.zeros_like(branch), branch)
        return y


class Last(nn.Module):
    """project(newest): a merge that reads the newest entry alone (the value, if it has a key)."""

    def __init__(self, project: nn.Module) -> None:
        super().__init__()
        self.project = project

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        """Project the newest entry."""
        y: Tensor = self.project(memory[-1][-1])
        return y


class LastOfAll(nn.Module):
    """concat(0, …, 0, newest): a concatenation that reads the newest entry alone."""

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        """Concatenate zeros and the newest entry."""
        older = [torch.zeros_like(entry[0]) for entry in memory[:-1]]
        return torch.cat([*older, memory[-1][0]], dim=1)


class OlderAsZeros(nn.Module):
    """transition(0, …, 0, newest): a transition that reads the newest output alone."""

    def __init__(self, transition: nn.Module) -> None:
        super().__init__()
        self.transition = transition

    def forward(self, entries: list[Tensor]) -> Tensor:
        """Apply the transition to zeros and the newest output."""
        older = [torch.zeros_like(entry) for entry in entries[:-1]]
        y: Tensor = self.transition([*older, entries[-1]])
        return y


class Forget(nn.Module):
    """An empty memory, for a network in which no module reads it."""

    def forward(self, memory: list[Entry]) -> list[Entry]:
        """Drop all entries."""
        return []


def has(network: nn.Module, part: Part) -> bool:
    """True if the network has the part."""
    return any(True for _ in slots(network, part))


def parts_of(network: nn.Module) -> list[Part]:
    """Return the removable parts: for each kind the whole network's, then each stage's."""
    stages: nn.ModuleList = network.stages  # type: ignore[assignment]
    numbers = range(1, len(stages) + 1)
    every = [Part(kind, stage) for kind in KINDS for stage in (None, *numbers)]
    return [part for part in every if has(network, part)]


def remove(network: nn.Module, part: Part) -> nn.Module:
    """Remove the part in place; return the network."""
    for slot in list(slots(network, part)):
        setattr(slot.parent, slot.name, slot.new)
    return network


def slots(network: nn.Module, part: Part) -> Iterator[Slot]:
    """Yield the replacements that remove a part; none if the network does not have it."""
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
    """Yield (parent, name, child) of every module below `root`, a shared one at each of its places;
    gates are not entered.
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
    """Return the module that joins the branch to zeros; a highway's gate of a zero skip is the
    sigmoid of its bias.
    """
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
    """Yield replacements by which a step stores only what the next merge still reads: the newest
    output, without a key.
    """
    yield Slot(step, "after", Forget())
    if isinstance(step, Start):
        yield Slot(step, "norm", nn.Identity())
        yield Slot(step, "store", Store())
        return
    yield Slot(step, "store", Store(step.store.maps[-1]))
    if isinstance(step.before, Adapt):
        yield Slot(step, "before", Adapt(step.before.maps[-1]))
