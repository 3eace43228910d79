"""Counted macs against a twin that writes every product as a matrix product and counts those."""

import math

import pytest
import torch
from drawn import draw
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from searchspace import PRESETS, build, describe
from searchspace.arch import Arch
from searchspace.cost import count_macs, latency_ms
from searchspace.layers import merge, self_attention


class MatmulMode(torch.overrides.TorchFunctionMode):
    """Runs convolutions and linear layers as plain matrix products of unfolded inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if function is functional.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if function in (torch.conv2d, torch.conv1d, functional.conv2d, functional.conv1d):
            return self._convolution(function, *args, **kwargs)
        if function is functional.linear:
            return self._linear(*args, **kwargs)
        return function(*args, **kwargs)

    def _product(self, one: Tensor, other: Tensor) -> Tensor:
        self.macs += math.prod(one.shape[:-1]) * one.shape[-1] * other.shape[-1]
        return one @ other

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        return self._product(torch.softmax(self._product(q, k.mT) * scale, -1), v)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        y = self._product(x, weight.mT)
        return y if bias is None else y + bias

    def _convolution(self, function, x, weight, bias=None, stride=1, padding=0, *_):  # type: ignore[no-untyped-def]
        shape = torch.empty_like(x, device="meta"), torch.empty_like(weight, device="meta")
        height_width = function(*shape, None, stride, padding).shape[2:]
        if x.dim() == 3:
            x, weight, stride, padding = (
                x[:, :, None],
                weight[:, :, None],
                (1, *stride),
                (0, *padding),
            )
        columns = functional.unfold(x, weight.shape[2:], padding=padding, stride=stride)
        y = self._product(columns.mT, weight.flatten(1).T).mT.unflatten(2, height_width)
        return y if bias is None else y + bias.view(-1, *[1] * len(height_width))


def slow_macs(arch: Arch, shape: tuple[int, int, int]) -> int:
    """Every merge is replaced by its obvious form of matrix products, and products counted."""
    network = build(arch, classes=10, shape=shape).eval()
    mode = MatmulMode()
    for layer in network.modules():
        if isinstance(layer, merge.AttentionMerge):
            layer.forward = _stacked(layer, mode)  # type: ignore[method-assign]
        if isinstance(layer, merge.WeightedMerge):
            layer.forward = _diagonal(layer, mode)  # type: ignore[method-assign]
    with mode, torch.no_grad():
        network(torch.zeros(1, *shape))
    return mode.macs


def _stacked(layer: merge.AttentionMerge, mode: MatmulMode):  # type: ignore[no-untyped-def]
    def forward(x: Tensor, memory: list[tuple[Tensor, ...]]) -> Tensor:
        q, h = layer.query(x), layer.heads
        b, c, height, width = q.shape
        keys = torch.stack([k for k, _ in memory]).view(-1, b, h, c // h, height, width)
        values = torch.stack([v for _, v in memory]).view(-1, b, h, c // h, height, width)
        q = q.view(b, h, c // h, height, width).permute(0, 3, 4, 1, 2).unsqueeze(-2)
        scores = mode._product(q, keys.permute(1, 4, 5, 2, 3, 0)) / (c // h) ** 0.5
        mixed = mode._product(scores.softmax(-1), values.permute(1, 4, 5, 2, 0, 3))
        return layer.project(mixed.squeeze(-2).permute(0, 3, 4, 1, 2).reshape(b, c, height, width))

    return forward


def _diagonal(layer: merge.WeightedMerge, mode: MatmulMode):  # type: ignore[no-untyped-def]
    def forward(x: Tensor, memory: list[tuple[Tensor, ...]]) -> Tensor:
        older = torch.stack([entry[0] for entry in memory[:-1]], -1).unsqueeze(-2)
        weight = layer.weight.T[None, :, None, None, :, None]
        return (
            memory[-1][0] + mode._product(older, weight.expand(*older.shape[:4], -1, 1))[..., 0, 0]
        )

    return forward


@pytest.mark.parametrize("name", PRESETS)
def test_the_macs_of_a_preset_are_those_of_its_matmul_twin(name: str) -> None:
    arch = PRESETS[name].arch
    assert describe(arch, classes=10).macs == slow_macs(arch, (3, 32, 32))


@pytest.mark.parametrize("seed", range(3))
def test_the_macs_of_drawn_networks_are_those_of_their_matmul_twins(seed: int) -> None:
    for arch in draw(15, seed + 10):
        assert describe(arch, classes=10, shape=(1, 24, 20)).macs == slow_macs(arch, (1, 24, 20))


def test_the_twins_compute_what_the_layers_compute() -> None:
    torch.manual_seed(0)
    memory = [(torch.randn(2, 8, 3, 5), torch.randn(2, 8, 3, 5)) for _ in range(4)]
    x = torch.randn(2, 8, 3, 5)
    attend = merge.AttentionMerge(nn.Conv2d(8, 8, 1), nn.Identity(), 4)
    torch.testing.assert_close(_stacked(attend, MatmulMode())(x, memory), attend(x, memory))
    weigh = merge.WeightedMerge(3, 8)
    nn.init.normal_(weigh.weight)
    torch.testing.assert_close(_diagonal(weigh, MatmulMode())(x, memory), weigh(x, memory))


def test_plain_convolutions_agree_with_torchs_own_counter() -> None:
    network = build(PRESETS["as/resnet50"].arch, classes=10)
    x = torch.randn(1, 3, 32, 32)
    with MatmulMode(), torch.no_grad():
        torch.testing.assert_close(network.eval()(x), network(x))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    assert count_macs(network, (3, 32, 32)) == counter.get_total_flops() // 2


def test_self_attention_states_its_products() -> None:
    layer = self_attention.MultiHeadAttention(16, 4)
    assert layer.macs(torch.zeros(1, 16, 6, 5)) == 2 * 30 * 30 * 16


def test_counting_leaves_the_network_as_it_was() -> None:
    network = build(Arch(), classes=10)
    count_macs(network, (3, 32, 32))
    assert network.training
    assert not any(layer._forward_hooks for layer in network.modules())


def test_latency_is_a_positive_number_of_milliseconds() -> None:
    measured = latency_ms(Arch(stages=2, blocks=(1, 1)), classes=10, shape=(1, 8, 8), repeats=3)
    assert 0 < measured < math.inf
