"""Attention over positions and whole networks against their formulas."""

import pytest
import torch
from torch import Tensor, nn

from searchspace.layers import self_attention
from searchspace.layers.network import Network, PoolHead

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


def test_multi_head_attention_has_contiguous_heads_and_a_projection() -> None:
    layer, x = self_attention.MultiHeadAttention(8, 2).double(), images()
    q, k, v = (f(x).flatten(2) for f in (layer.query, layer.key, layer.value))
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q[:, part], k[:, part]) / 2, -1)
        heads.append(torch.einsum("bij,bcj->bci", weights, v[:, part]))
    close(layer(x), layer.project(torch.cat(heads, 1).view(X)))


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="heads must divide the 8 channels, got 3"):
        self_attention.MultiHeadAttention(8, 3)


def test_networks_give_the_features_of_the_stem_and_of_each_stage() -> None:
    stem, stages = nn.Conv2d(3, 4, 1), [nn.Conv2d(4, 6, 1), nn.Conv2d(6, 8, 1)]
    network = Network(stem, list(stages), PoolHead(8, 5, nn.Identity()), init="kaiming")
    features = network.forward_features(torch.randn(2, 3, 4, 4))
    assert [f.shape[1] for f in features] == [4, 6, 8]
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 5)
