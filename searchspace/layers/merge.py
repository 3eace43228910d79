"""Shortcuts over all earlier outputs: they are stored, merged, and read by the next block.

`memory` is the list of stored entries, oldest first; an entry is a tuple of maps: the output
itself, or its key and its value. Every map is (B, C, H, W).
"""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.depth_attention import depth_attention
from skipsearch.searchspace.layers.recurrent import RecurrentBlock

Entry = tuple[Tensor, ...]


class Store(nn.Module):
    """The newest output as an entry: one map for each of `maps`."""

    def __init__(self, *maps: nn.Module) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)

    def forward(self, x: Tensor) -> Entry:
        return tuple(one(x) for one in self.maps)


class Keep(nn.Module):
    """The memory, unchanged."""

    def forward(self, memory: list[Entry]) -> list[Entry]:
        return memory


class Adapt(nn.Module):
    """The memory in the next stage's shape: `maps` change the maps of each entry, one for one."""

    def __init__(self, *maps: nn.Module) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)

    def forward(self, memory: list[Entry]) -> list[Entry]:
        return [tuple(one(x) for one, x in zip(self.maps, entry, strict=True)) for entry in memory]


class ConcatMerge(nn.Module):
    """All entries, concatenated: DenseNet (https://arxiv.org/abs/1608.06993)."""

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        return torch.cat([entry[0] for entry in memory], dim=1)


class WeightedMerge(nn.Module):
    """x_{l−1} + Σ w_i ⊙ x_i over the older entries, a weight per channel.

    Sources: DSNet; Attention Shortcuts (ERA 33(8)), section 1.6. They leave the initial weights
    open; here they are 1, the sum of all outputs.
    """

    def __init__(self, older: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(older, channels))

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        merged = memory[-1][0]
        for weight, entry in zip(self.weight, memory, strict=False):
            merged = torch.addcmul(merged, entry[0], weight[:, None, None])
        return merged

    def macs(self, x: Tensor, memory: list[Entry]) -> int:
        height, width = x.shape[2:]
        return self.weight.numel() * height * width


class PseudoQueryMerge(nn.Module):
    """Σ_i softmax_i(w·x_i/rms(x_i)) x_i over all entries, at each pixel.

    Source: attention residuals (https://arxiv.org/abs/2603.15031); rms over the channels, w from 0,
    which gives the mean. What differs: the source's RMS norm has a gain, which w absorbs, and its
    tokens are pixels here. The maps are never stacked: beyond them, the backward keeps a few
    numbers per pixel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        maps = [entry[0] for entry in memory]
        weights = torch.softmax(torch.stack([self.score(map_) for map_ in maps]), dim=0)
        merged = maps[0] * weights[0]
        for map_, weight in zip(maps[1:], weights[1:].unbind(), strict=True):
            merged = torch.addcmul(merged, map_, weight)
        return merged.to(maps[-1].dtype)

    def score(self, map_BCHW: Tensor) -> Tensor:
        """Return w·x/rms(x), (B, 1, H, W); in float32 under autocast, for softmax's exponent."""
        product_B1HW: Tensor = (map_BCHW * self.query[:, None, None]).sum(1, keepdim=True)
        precise = torch.promote_types(map_BCHW.dtype, torch.float32)
        norm_B1HW = torch.linalg.vector_norm(map_BCHW, dim=1, keepdim=True, dtype=precise)
        score: Tensor = product_B1HW * (norm_B1HW.square() / map_BCHW.shape[1] + 1e-5).rsqrt()
        return score

    def macs(self, x: Tensor, memory: list[Entry]) -> int:
        """Count scores and weighted sum, 2·H·W·n·C; norms are not counted, as elsewhere."""
        _, channels, height, width = memory[-1][0].shape
        return 2 * height * width * len(memory) * channels


class AttentionMerge(nn.Module):
    """project(Σ_j softmax_j(q·k_j/√d) v_j): at each pixel, the newest output attends over entries.

    Source: Attention Shortcuts (ERA 33(8)), equation 3.2.
    """

    def __init__(self, query: nn.Module, project: nn.Module, heads: int) -> None:
        super().__init__()
        self.query, self.project, self.heads = query, project, heads

    def forward(self, x: Tensor, memory: list[Entry]) -> Tensor:
        keys, values = [k for k, _ in memory], [v for _, v in memory]
        y: Tensor = self.project(depth_attention(self.query(x), keys, values, self.heads))
        return y

    def macs(self, x: Tensor, memory: list[Entry]) -> int:
        """Count scores and weighted sum, 2·H·W·n·c (equations 3.3 to 3.5)."""
        _, channels, height, width = memory[-1][0].shape
        return 2 * height * width * len(memory) * channels


class Start(nn.Module):
    """block(x), with the newest output stored first: the first step, with nothing to merge."""

    def __init__(self, norm: nn.Module, store: Store, block: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.norm, self.store, self.block, self.after = norm, store, block, after

    def open(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        return x, [*memory, self.store(self.norm(x))]

    def close(self, memory: list[Entry]) -> list[Entry]:
        kept: list[Entry] = self.after(memory)
        return kept

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        x, memory = self.open(x, memory)
        return self.block(x), self.close(memory)


class Step(nn.Module):
    """block(merge(x, memory)), with the newest output stored first.

    `before` adapts the memory before it is merged, `after` once the block has run. `open` is all
    that comes before the block, `close` all that comes after.
    """

    def __init__(
        self,
        norm: nn.Module,
        store: Store,
        before: nn.Module,
        merge: nn.Module,
        block: nn.Module,
        after: nn.Module,
    ) -> None:
        super().__init__()
        self.norm, self.store, self.before = norm, store, before
        self.merge, self.block, self.after = merge, block, after

    def open(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        entry = self.norm(x)
        memory = self.before([*memory, self.store(entry)])
        return self.merge(entry, memory), memory

    def close(self, memory: list[Entry]) -> list[Entry]:
        kept: list[Entry] = self.after(memory)
        return kept

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        merged, memory = self.open(x, memory)
        return self.block(merged), self.close(memory)


class CompressStep(nn.Module):
    """DenseNet's transition: `transition` makes one map of all outputs; the memory is emptied."""

    def __init__(self, transition: nn.Module) -> None:
        super().__init__()
        self.transition = transition

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        return self.transition([*(entry[0] for entry in memory), x]), []


class Steps(nn.ModuleList):
    """A stage: its steps one after the other."""

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__(steps)

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        for step in self:
            x, memory = step(x, memory)
        return x, memory


class RecurrentSteps(nn.ModuleList):
    """A stage with recurrent gates: each block's gate passes a state to the next block's.

    The state is None before the first gate.
    """

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__(steps)

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        state: object = None
        for step in self:
            assert isinstance(step, Start | Step)
            assert isinstance(step.block, RecurrentBlock)
            merged, memory = step.open(x, memory)
            z = step.block.open(merged)
            gated, state = step.block.gate(step.block.body(z), state)
            x, memory = step.block.join(z, gated), step.close(memory)
        return x, memory


class Newest(nn.Module):
    """The newest output, for a classifier that reads no shortcut.

    `last` is the end of a pre-activation network (norm and ReLU), or the identity.
    """

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.last = last

    def forward(self, x: Tensor, memory: list[Entry]) -> tuple[Tensor, list[Entry]]:
        return self.last(x), memory
