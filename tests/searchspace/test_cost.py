"""Counted macs against a twin that writes every product as a matrix product and counts those.

Convolutions, linear layers and attention are rewritten where torch is called, what the layers of
ours write as other products is rewritten layer by layer (`TWINS`), from the formulas. No layer is
asked for its own `macs`. Masks, norms, pooling and activations are left as they are: not counted.
"""

import functools
import inspect
import math
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from skipsearch.searchspace import PRESETS, build, describe, layers, override
from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.assembly.cost import count_macs, latency_ms
from skipsearch.searchspace.layers import (
    downsampling,
    layer_attention,
    merge,
    recurrent,
    self_attention,
    spatial_gates,
    tokens,
)
from tests.support.random_archs import draw
from tests.support.variants import TINY, opened, variants

Memory = list[tuple[Tensor, ...]]
PRODUCTS = (torch.matmul, Tensor.matmul, Tensor.__matmul__)
# What would be a product that the twin does not see.
UNSEEN = (torch.einsum, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm, torch.baddbmm, torch.addmm)


class MatmulMode(torch.overrides.TorchFunctionMode):
    """Runs convolutions, linear layers and attention as matrix products, and counts all of those.

    A product of (…, n, k) and (…, k, m) is n·k·m multiply-accumulates for each … there is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        assert function not in UNSEEN, f"{function} is not counted: write it as a product"
        if function in PRODUCTS:
            return self._product(*args, **kwargs)
        if function is functional.linear:
            return self._linear(*args, **kwargs)
        if function is functional.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if function is functional.conv1d:
            return self._convolution_1d(*args, **kwargs)
        if function is functional.conv2d:
            return self._convolution(*args, **kwargs)
        return function(*args, **kwargs)

    def _product(self, one: Tensor, other: Tensor) -> Tensor:
        y = one @ other
        self.macs += y.numel() * one.shape[-1]
        return y

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        y = self._product(x, weight.mT)
        return y if bias is None else y + bias

    def _attention(
        self, q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, dropout_p: float = 0.0
    ) -> Tensor:
        assert dropout_p == 0, "the twin evaluates"
        scores = self._product(q, k.mT) * (q.shape[-1] ** -0.5 if scale is None else scale)
        return self._product(scores.softmax(-1), v)

    def _convolution_1d(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, *rest: Any
    ) -> Tensor:
        """As that of a map of one row."""
        row = x.unsqueeze(2), weight.unsqueeze(2), bias, (1, *stride), (0, *padding)
        return self._convolution(*row, *rest).squeeze(2)

    def _convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        """A (pixels, window) by (window, outputs) product for each group of channels."""
        assert set(_pair(dilation)) == {1}
        windows = functional.unfold(x, weight.shape[2:], padding=padding, stride=stride)
        columns = windows.unflatten(1, (groups, -1)).mT
        y = self._product(columns, weight.flatten(1).unflatten(0, (groups, -1)).mT)
        sides = zip(x.shape[2:], weight.shape[2:], _pair(padding), _pair(stride), strict=True)
        size = [(side + 2 * pad - kernel) // step + 1 for side, kernel, pad, step in sides]
        y = y.mT.flatten(1, 2).unflatten(2, size)
        return y if bias is None else y + bias[:, None, None]


def _pair(one: int | tuple[int, ...]) -> tuple[int, ...]:
    return (one, one) if isinstance(one, int) else one


def depth_attention(layer: merge.AttentionMerge, x: Tensor, memory: Memory) -> Tensor:
    """At each pixel and head: (1, D) by (D, n) scores, (1, n) by (n, D) sums."""
    q, h = layer.query(x), layer.heads
    b, c, height, width = q.shape
    keys = torch.stack([k for k, _ in memory]).view(-1, b, h, c // h, height, width)
    values = torch.stack([v for _, v in memory]).view(-1, b, h, c // h, height, width)
    q = q.view(b, h, c // h, height, width).permute(0, 3, 4, 1, 2).unsqueeze(-2)
    scores = q @ keys.permute(1, 4, 5, 2, 3, 0) / (c // h) ** 0.5
    mixed = scores.softmax(-1) @ values.permute(1, 4, 5, 2, 0, 3)
    return layer.project(mixed.squeeze(-2).permute(0, 3, 4, 1, 2).reshape(b, c, height, width))


def attention_residual(layer: merge.PseudoQueryMerge, x: Tensor, memory: Memory) -> Tensor:
    """At each pixel: (n, C) by (C, 1) scores of the normalised maps, (1, n) by (n, C) sums."""
    maps = torch.stack([entry[0] for entry in memory], -1).permute(0, 2, 3, 4, 1)
    rms = (maps.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    weights = (maps / rms @ layer.query.unsqueeze(-1)).softmax(-2)
    return (weights.mT @ maps).squeeze(-2).permute(0, 3, 1, 2)


def weighted_sum(layer: merge.WeightedMerge, x: Tensor, memory: Memory) -> Tensor:
    """At each pixel and channel: the (1, n) older entries by their (n, 1) weights."""
    older = torch.stack([entry[0] for entry in memory[:-1]], -1).unsqueeze(-2)
    return memory[-1][0] + (older @ layer.weight.T[:, None, None, :, None])[..., 0, 0]


def diagonal(x: Tensor, weight: Tensor) -> Tensor:
    """Each channel of (B, C, …) times its weight, a (1, 1) by (1, 1) product each."""
    return (x[..., None, None] @ weight.view(-1, *[1] * x.dim()))[..., 0, 0]


def layer_recurrence(
    layer: layer_attention.LayerAttention, a: Tensor, state: recurrent.State
) -> tuple[Tensor, recurrent.State]:
    """Each head's (1, D) query by its (D, 1) key, then every pixel of O by a weight a channel."""
    mean = a.mean((2, 3)).unsqueeze(1)
    query, key = (f(mean).unflatten(2, (layer.heads, 1, -1)) for f in (layer.query, layer.key))
    heads = torch.sigmoid(query @ key.mT / key.shape[-1] ** 0.5).reshape(len(a), -1, 1, 1, 1)
    out = (layer.value(a).unflatten(1, (layer.heads, -1)) * heads).flatten(1, 2)
    if state is not None:
        out = out + diagonal(state[0], layer.weight)
    return a + layer.norm(out), (out,)


def group_enhance(layer: spatial_gates.SpatialGroupEnhance, x: Tensor) -> Tensor:
    """In each group: the (pixels, D) map by its (D, 1) mean."""
    groups = x.flatten(2).unflatten(1, (layer.groups, -1)).mT
    t = groups @ groups.mean(2).unsqueeze(-1)
    deviation, mean = torch.std_mean(t, 2, correction=0, keepdim=True)
    standard = (t - mean) / (deviation + 1e-5)
    affine = layer.weight[:, None, None] * standard + layer.bias[:, None, None]
    return (groups * affine.sigmoid()).mT.reshape(x.shape)


def weighted_pooling(layer: spatial_gates.GlobalContext, x: Tensor) -> Tensor:
    """The (C, pixels) map by its (pixels, 1) weights."""
    pixels = x.flatten(2)
    context = pixels @ layer.attend(x).flatten(1).softmax(1).unsqueeze(2)
    hidden = functional.relu(layer.norm(layer.squeeze(context.squeeze(2))))
    return x + layer.excite(hidden)[..., None, None]


TWINS: dict[type[nn.Module], Callable[..., Any]] = {
    layer_attention.LayerAttention: layer_recurrence,
    merge.AttentionMerge: depth_attention,
    merge.PseudoQueryMerge: attention_residual,
    merge.WeightedMerge: weighted_sum,
    spatial_gates.GlobalContext: weighted_pooling,
    spatial_gates.SpatialGroupEnhance: group_enhance,
}
# Their products are calls of torch, which MatmulMode rewrites.
REWRITTEN = {
    downsampling.BlurPool,
    self_attention.MultiHeadAttention,
    self_attention.SelfAttention,
    tokens.TokenAttention,
}

# Of every paper, with every kind of product that presets have: always run. All 191 take 87 s.
REPRESENTATIVE = (
    "as/resnet50",
    "as/out",
    "as/kv",
    "as/stages",
    "as/out-concat",
    "as/out-weighted",
    "cnntention/selfatt",
    "cnntention/cbam",
    "dia/resnet83-dia",
    "dia/resnext101-eca",
    "dia/wrn52-4-light",
    "dia/imagenet-resnet18-sge",
    "aicnn/resnet50",
    "gradattn/rope",
)
OTHERS = [
    pytest.param(name, marks=pytest.mark.sampled(6))
    for name in PRESETS
    if name not in REPRESENTATIVE
]


def slow(network: nn.Module, images: Tensor) -> tuple[Tensor, int]:
    """What the twin of a network in evaluation makes of the images, and its macs."""
    for layer in network.modules():
        if twin := TWINS.get(type(layer)):
            layer.forward = functools.partial(twin, layer)
    with MatmulMode() as mode, torch.no_grad():
        return network(images), mode.macs


def assert_the_twin_agrees(arch: Arch, shape: tuple[int, int, int]) -> int:
    """On what the network computes, and on what that costs, which is the result."""
    torch.manual_seed(0)
    network = opened(build(arch, classes=10, shape=shape)).eval()
    macs, image = count_macs(network, shape), torch.randn(1, *shape, dtype=torch.float64)
    with torch.no_grad():
        logits = network.double()(image)
    twin, slow_macs = slow(network, image)
    torch.testing.assert_close(twin, logits, rtol=1e-8, atol=1e-8)
    assert macs == slow_macs
    return macs


@pytest.mark.sampled(60)
@pytest.mark.parametrize("changes", list(variants()), ids=lambda c: "-".join(map(str, c.values())))
def test_the_macs_of_a_variant_are_those_of_its_matmul_twin(changes: dict[str, object]) -> None:
    arch = override(Arch, {k: v for k, v in TINY.items() if k not in changes} | changes)
    assert_the_twin_agrees(arch, (3, 11, 14))


@pytest.mark.parametrize("part", range(6))
def test_the_macs_of_drawn_networks_are_those_of_their_matmul_twins(part: int) -> None:
    for arch in draw(10, seed=10 + part):
        macs = assert_the_twin_agrees(arch, (1, 24, 20))
        assert describe(arch, classes=10, shape=(1, 24, 20)).macs == macs


@pytest.mark.parametrize("name", [*REPRESENTATIVE, *OTHERS])
def test_the_macs_of_a_preset_are_those_of_its_matmul_twin(name: str) -> None:
    """Both without memory for weights or maps: the networks are large."""
    preset = PRESETS[name]
    arch, classes, shape = preset.arch, preset.classes, preset.shape
    with torch.device("meta"):
        network = build(arch, classes=classes, shape=shape).eval()
        _, macs = slow(network, torch.zeros(1, *shape))
    assert describe(arch, classes=classes, shape=shape).macs == macs


def test_every_layer_that_states_its_macs_has_a_twin() -> None:
    stated = set()
    for module in pkgutil.iter_modules(layers.__path__, "skipsearch.searchspace.layers."):
        for _, one in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(one, nn.Module) and "macs" in vars(one):
                stated.add(one)
    assert stated == set(TWINS) | REWRITTEN


def test_plain_convolutions_agree_with_torchs_own_counter() -> None:
    network = build(Arch(), classes=10).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
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
