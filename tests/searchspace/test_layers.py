"""Attention over positions and whole networks against their formulas."""

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import self_attention
from skipsearch.searchspace.layers.network import Network, PoolHead

X = (2, 8, 5, 6)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("transposed", [False, True])
def test_self_attention_is_unscaled_over_all_positions(transposed: bool) -> None:
    layer, x = self_attention.SelfAttention(8, transposed).double(), images()
    q, k, v = (f(x).flatten(2) for f in (layer.query, layer.key, layer.value))
    weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k), -1)
    summed = "bij,bci->bcj" if transposed else "bij,bcj->bci"
    close(layer(x), torch.einsum(summed, weights, v).view(X))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_multi_head_attention_has_contiguous_heads_and_a_projection(
    layout: torch.memory_format,
) -> None:
    layer, x = self_attention.MultiHeadAttention(8, 2).double(), images()
    x = x.contiguous(memory_format=layout)
    q, k, v = (f(x).flatten(2) for f in (layer.query, layer.key, layer.value))
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q[:, part], k[:, part]) / 2, -1)
        heads.append(torch.einsum("bij,bcj->bci", weights, v[:, part]))
    close(layer(x), layer.project(torch.cat(heads, 1).view(X)))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("heads", [1, 2, 8])
def test_no_weight_of_a_pair_of_positions_is_kept_for_the_backward(
    heads: int, layout: torch.memory_format
) -> None:
    """Heads of one channel, and all in torch's default layout, once took 22 GiB for a network."""
    layer = self_attention.MultiHeadAttention(8, heads)
    x = torch.randn(2, 8, 12, 12).contiguous(memory_format=layout)
    saved: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    assert saved and max(saved) == x.numel() < 2 * heads * 144**2


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="heads must divide the 8 channels, got 3"):
        self_attention.MultiHeadAttention(8, 3)


def test_networks_give_the_features_of_the_stem_and_of_each_stage() -> None:
    stem, stages = nn.Conv2d(3, 4, 1), [nn.Conv2d(4, 6, 1), nn.Conv2d(6, 8, 1)]
    network = Network(stem, list(stages), PoolHead(8, 5, nn.Identity()), init="kaiming")
    features = network.forward_features(torch.randn(2, 3, 4, 4))
    assert [f.shape[1] for f in features] == [4, 6, 8]
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 5)
