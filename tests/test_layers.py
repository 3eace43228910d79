"""Every layer against its formula, written out with plain loops and sums."""

import pytest
import torch
from torch import Tensor, nn

from searchspace.layers import blocks, gates, merge, norms, self_attention
from searchspace.layers.network import MergeNetwork, Network, PoolHead

X = (2, 8, 5, 6)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_layer_norm_normalises_the_channels_of_each_position() -> None:
    layer, x = norms.LayerNorm2d(8).double(), images()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    plain = (x - mean) / (variance + 1e-5).sqrt()
    close(layer(x), plain * layer.weight[:, None, None] + layer.bias[:, None, None])
    assert sum(p.numel() for p in layer.parameters()) == 2 * 8


def test_a_residual_block_adds_the_gated_branch_and_the_skip_before_its_activation() -> None:
    x = images(2, 4, 5, 5)
    body, gate = nn.Conv2d(4, 4, 1).double(), nn.Conv2d(4, 4, 1).double()
    block = blocks.Residual(body, gate, nn.Identity(), nn.ReLU())
    close(block(x), torch.clamp(gate(body(x)) + x, min=0))
    close(blocks.Plain(body, gate, nn.Identity())(x), gate(body(x)))


@pytest.mark.parametrize("count", [2, 3])
def test_a_body_is_convolutions_and_norms_with_relu_between(count: int) -> None:
    x = images(2, 4, 6, 6)
    layers = [
        layer
        for _ in range(count)
        for layer in (nn.Conv2d(4, 4, 3, padding=1).double(), norms.LayerNorm2d(4).double())
    ]
    y = x
    for number in range(count):
        y = layers[2 * number + 1](layers[2 * number](y if number == 0 else y.clamp(min=0)))
    body = blocks.Basic(*layers) if count == 2 else blocks.Bottleneck(*layers)
    close(body(x), y)


def test_option_a_keeps_even_pixels_and_pads_zeros_on_both_sides() -> None:
    x = images(2, 4, 5, 6)
    y = blocks.PadChannels(2, 2, 2)(x)
    assert y.shape == (2, 8, 3, 3)
    close(y[:, 2:6], x[:, :, [0, 2, 4]][:, :, :, [0, 2, 4]])
    assert not y[:, :2].any() and not y[:, 6:].any()
    close(blocks.PadChannels(-1, -1, 1)(x), x[:, 1:3])


def test_subsampling_keeps_the_pixels_that_a_strided_convolution_sees() -> None:
    x = images(1, 3, 7, 4)
    identity = nn.Conv2d(3, 3, 1, stride=2, bias=False).double()
    nn.init.dirac_(identity.weight)
    close(blocks.Subsample(2)(x), identity(x))


def test_a_transition_pools_a_convolution_of_all_outputs() -> None:
    norm, conv = norms.LayerNorm2d(6).double(), nn.Conv2d(6, 3, 1, bias=False).double()
    one, other = images(1, 2, 4, 4), images(1, 4, 4, 4)
    squeezed = conv(norm(torch.cat([one, other], 1)).clamp(min=0))
    pooled = squeezed.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    close(blocks.Transition(norm, conv)([one, other]), pooled)
    assert blocks.Transition(norm, conv)([images(1, 6, 5, 3)]).shape == (1, 3, 3, 2)


def test_squeeze_excite_is_its_formula() -> None:
    layer, x = gates.SqueezeExcite(8, 2, bias=True).double(), images()
    v = x.sum((2, 3)) / 30
    hidden = (v @ layer.squeeze.weight.T + layer.squeeze.bias).clamp(min=0)
    mask = 1 / (1 + (-(hidden @ layer.excite.weight.T + layer.excite.bias)).exp())
    close(layer(x), x * mask[:, :, None, None])
    assert sum(p.numel() for p in layer.parameters()) == 2 * 8 * 2 + 2 + 8


def test_efficient_channel_attention_slides_one_kernel_over_the_channels() -> None:
    layer, x = gates.EfficientChannel(3).double(), images()
    v, w = torch.nn.functional.pad(x.mean((2, 3)), (1, 1)), layer.conv.weight[0, 0]
    mask = torch.stack([(v[:, c : c + 3] * w).sum(1) for c in range(8)], 1).sigmoid()
    close(layer(x), x * mask[:, :, None, None])
    assert sum(p.numel() for p in layer.parameters()) == 3


def test_cbam_masks_channels_then_positions_maximum_first() -> None:
    layer, x = gates.ConvBlockAttention(8, 2, 3, bias=True).double(), images()
    mlp = [
        (v @ layer.squeeze.weight.T).clamp(min=0) @ layer.excite.weight.T
        for v in (x.flatten(2).max(2).values, x.flatten(2).mean(2))
    ]
    y = x * (mlp[0] + mlp[1]).sigmoid()[:, :, None, None]
    maps = torch.cat([y.max(1, keepdim=True).values, y.mean(1, keepdim=True)], 1)
    mask = torch.nn.functional.conv2d(maps, layer.spatial.weight, layer.spatial.bias, padding=1)
    close(layer(x), y * mask.sigmoid())


def test_self_attention_is_unscaled_over_all_positions() -> None:
    layer, x = self_attention.SelfAttention(8).double(), images()
    q, k, v = (f(x).flatten(2) for f in (layer.query, layer.key, layer.value))
    weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k), -1)
    close(layer(x), torch.einsum("bij,bcj->bci", weights, v).view(X))


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


def test_a_gated_function_starts_switched_off_and_learns() -> None:
    layer, x = gates.Gated(nn.Conv2d(8, 8, 1)).double(), images()
    close(layer(x), x)
    layer(x).square().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad != 0
    layer.weight.data.fill_(0.5)
    close(layer(x), x + 0.5 * layer.function(x))
    close(gates.Add(layer.function)(x), x + layer.function(x))


def entries(count: int, maps: int) -> list[tuple[Tensor, ...]]:
    return [tuple(images() for _ in range(maps)) for _ in range(count)]


def test_the_weighted_merge_starts_as_the_sum_and_weighs_channels() -> None:
    layer, memory = merge.WeightedMerge(3, 8).double(), entries(4, 1)
    close(layer(memory[-1][0], memory), sum(entry[0] for entry in memory))
    nn.init.normal_(layer.weight)
    weighed = memory[-1][0].clone()
    for i in range(3):
        for c in range(8):
            weighed[:, c] += layer.weight[i, c] * memory[i][0][:, c]
    close(layer(memory[-1][0], memory), weighed)


def test_concatenation_keeps_the_order_of_the_entries() -> None:
    memory = entries(3, 1)
    close(merge.ConcatMerge()(memory[-1][0], memory)[:, 8:16], memory[1][0])


def test_the_attention_merge_is_equation_3_2_pixel_by_pixel() -> None:
    query, project = nn.Conv2d(8, 8, 1).double(), nn.Conv2d(8, 8, 1).double()
    layer, memory, x = merge.AttentionMerge(query, project, 2), entries(3, 2), images()
    mixed, q = torch.zeros(X, dtype=torch.float64), query(x)
    for head in (slice(0, 4), slice(4, 8)):
        scores = torch.stack([(q[:, head] * k[:, head]).sum(1) / 2 for k, _ in memory])
        weights = scores.exp() / scores.exp().sum(0)
        for weight, (_, v) in zip(weights, memory, strict=True):
            mixed[:, head] += weight[:, None] * v[:, head]
    close(layer(x, memory), project(mixed))


def test_a_step_stores_the_newest_output_before_it_merges_and_adapts_afterwards() -> None:
    norm, store = norms.LayerNorm2d(8).double(), merge.Store(nn.Identity())
    half = merge.Adapt(blocks.Subsample(2))
    block = nn.Conv2d(16, 4, 3, stride=2, padding=1).double()
    step = merge.Step(norm, store, merge.Keep(), merge.ConcatMerge(), block, half)
    x, older = images(), entries(1, 1)
    y, memory = step(x, older)
    close(y, block(torch.cat([older[0][0], norm(x)], 1)))
    assert len(older) == 1 and len(memory) == 2
    close(memory[1][0], norm(x)[:, :, ::2, ::2])


def test_networks_give_the_features_of_the_stem_and_of_each_stage() -> None:
    stem, stages = nn.Conv2d(3, 4, 1), [nn.Conv2d(4, 6, 1), nn.Conv2d(6, 8, 1)]
    network = Network(stem, list(stages), PoolHead(8, 5))
    features = network.forward_features(torch.randn(2, 3, 4, 4))
    assert [f.shape[1] for f in features] == [4, 6, 8]
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 5)


def test_convolutions_and_linear_layers_start_kaiming_normal_by_fan_out() -> None:
    network = Network(nn.Conv2d(3, 256, 3), [nn.BatchNorm2d(256)], PoolHead(256, 200))
    assert network.stem.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.05)
    assert network.head.classifier.weight.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.05)
    assert (network.stages[0].weight == 1).all() and (network.stages[0].bias == 0).all()


def test_a_merge_network_hands_the_memory_from_stage_to_stage() -> None:
    store = merge.Store(nn.Identity())
    start = merge.Start(nn.Identity(), store, nn.Conv2d(4, 4, 1), merge.Keep())
    step = merge.Step(
        nn.Identity(), store, merge.Keep(), merge.ConcatMerge(), nn.Conv2d(8, 4, 1), merge.Keep()
    )
    stages = [nn.ModuleList([start]), nn.ModuleList([step])]
    network = MergeNetwork(nn.Conv2d(3, 4, 1), stages, merge.Newest(), PoolHead(4, 2))
    x = torch.randn(2, 3, 4, 4)
    first = start.block(network.stem(x))
    second = step.block(torch.cat([network.stem(x), first], 1))
    torch.testing.assert_close(network.forward_features(x), [network.stem(x), first, second])
