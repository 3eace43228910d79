"""The cost that the attention-shortcuts paper states (equations 3.3 to 3.5), against modules."""

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.layers.merge import AttentionMerge, ConcatMerge, Entry, Store

# Side, channels c, kernel k, layers L; macs of queries, keys and values, of the output projection,
# of scores and weighted sum, of the convolutions (a ResNet's), of the AS network, of a DenseNet.
TABLE = (
    (32, 128, 3, 16, 805306368, 268435456, 31457280, 2415919104, 3521118208, 18119393280),
    (8, 128, 1, 16, 50331648, 16777216, 1966080, 16777216, 85852160, 125829120),
)
SMALL = [(5, 16, 3, 4), (6, 8, 1, 7), (4, 32, 5, 2)]


def pointwise(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 1, bias=False)


class Shortcuts(nn.Module):
    """Layers 1 … L as the formula counts them: each projects the newest output, stores its key and
    value, attends over the l − 1 entries stored before it (the first layer over none), and then
    convolves. `project` is the output projection.
    """

    def __init__(self, channels: int, kernel: int, layers: int, project: bool) -> None:
        super().__init__()
        self.stores = nn.ModuleList(
            Store(pointwise(channels), pointwise(channels)) for _ in range(layers)
        )
        self.merges = nn.ModuleList(
            AttentionMerge(
                pointwise(channels), pointwise(channels) if project else nn.Identity(), heads=4
            )
            for _ in range(layers)
        )
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
            for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        memory: list[Entry] = []
        for store, merge, conv in zip(self.stores, self.merges, self.convs, strict=True):
            newest = store(x)
            merged = merge(x, memory) if memory else merge.project(merge.query(x))
            memory.append(newest)
            x = conv(merged)
        return x


class Dense(nn.Module):
    """Layer l reads the l − 1 outputs before it side by side; the first reads nothing."""

    def __init__(self, channels: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.merge = ConcatMerge()
        self.convs = nn.ModuleList(
            nn.Conv2d(n * channels, channels, kernel, padding=kernel // 2, bias=False)
            for n in range(1, layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        memory: list[Entry] = [(x,)]
        for conv in self.convs:
            memory.append((conv(self.merge(memory[-1][0], memory)),))
        return memory[-1][0]


def macs(network: nn.Module, side: int, channels: int) -> int:
    return count_macs(network, (channels, side, side))


def shortcuts(channels: int, kernel: int, layers: int, *, project: bool = True) -> nn.Module:
    with torch.device("meta"):
        return Shortcuts(channels, kernel, layers, project)


def dense(channels: int, kernel: int, layers: int) -> nn.Module:
    with torch.device("meta"):
        return Dense(channels, kernel, layers)


def attention(network: nn.Module, side: int, channels: int, layers: int) -> int:
    """Of the scores and sums, as the layers that do them state it."""
    x = torch.empty(1, channels, side, side, device="meta")
    merges = [layer for layer in network.modules() if isinstance(layer, AttentionMerge)]
    return sum(merges[n].macs(x, [(x, x)] * n) for n in range(1, layers))


@pytest.mark.parametrize("row", TABLE)
def test_the_table_of_costs_is_what_modules_of_those_sizes_cost(row: tuple[int, ...]) -> None:
    side, c, k, layers, qkv, out, attending, convolutions, whole, concatenated = row
    network = shortcuts(c, k, layers)
    assert macs(network, side, c) == whole == qkv + out + attending + convolutions
    assert attention(network, side, c, layers) == attending
    folded = shortcuts(c, k, layers, project=False)
    assert macs(folded, side, c) == whole - out
    with torch.device("meta"):
        assert layers * macs(nn.Conv2d(c, c, k, padding=k // 2), side, c) == convolutions
        assert 3 * layers * macs(pointwise(c), side, c) == qkv
    assert macs(dense(c, k, layers), side, c) == concatenated


@pytest.mark.parametrize("size", SMALL)
def test_the_formula_of_the_cost_holds_at_other_sizes(size: tuple[int, int, int, int]) -> None:
    """Σ_l [4HWc² + 2HW(l − 1)c + HWk²c²] = HW·L·c²·(4 + k²) + HWc·L(L − 1); with the output
    projection folded into what follows, 3 for 4. DenseNet: HWk²c²·L(L − 1)/2.
    """
    side, c, k, layers = size
    pixels, pairs = side * side, layers * (layers - 1)
    for project, maps in ((True, 4), (False, 3)):
        formula = pixels * layers * c * c * (maps + k * k) + pixels * c * pairs
        assert macs(shortcuts(c, k, layers, project=project), side, c) == formula
        each = range(1, layers + 1)
        assert formula == sum(
            pixels * c * (maps * c + 2 * (layer - 1) + k * k * c) for layer in each
        )
    assert macs(dense(c, k, layers), side, c) == pixels * k * k * c * c * pairs // 2


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_heads_change_no_cost(heads: int) -> None:
    x = torch.empty(1, 16, 3, 3)
    layer = AttentionMerge(nn.Identity(), nn.Identity(), heads)
    assert layer.macs(x, [(x, x)] * 5) == 2 * 9 * 5 * 16
