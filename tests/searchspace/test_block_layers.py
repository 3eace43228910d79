"""Blocks, joins, downsampling and norms against their formulas, written plainly."""

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import blocks, downsampling, joins, norms
from skipsearch.searchspace.layers.initialise import INITIALISATIONS

X = (2, 8, 5, 6)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def conv(inputs: int = 4, outputs: int = 4, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2).double()


def norm(channels: int = 4) -> nn.Module:
    layer = norms.LayerNorm2d(channels).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


class Times(nn.Module):
    """A layer that is easy to find in a formula; stands where a dropout may."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def test_layer_norm_normalises_the_channels_of_each_position() -> None:
    layer, x = norms.LayerNorm2d(8).double(), images()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    plain = (x - mean) / (variance + 1e-5).sqrt()
    close(layer(x), plain * layer.weight[:, None, None] + layer.bias[:, None, None])
    assert sum(p.numel() for p in layer.parameters()) == 2 * 8


def test_a_body_is_convolutions_and_norms_with_relu_between() -> None:
    x, c, n, drop = images(2, 4, 6, 5), [conv() for _ in "123"], [norm() for _ in "123"], Times(3)
    close(blocks.Single(drop, c[0], n[0])(x), n[0](c[0](3 * x)))
    y = n[1](c[1](3 * relu(n[0](c[0](x)))))
    close(blocks.Basic(c[0], n[0], drop, c[1], n[1])(x), y)
    y = n[2](c[2](3 * relu(n[1](c[1](relu(n[0](c[0](x))))))))
    close(blocks.Bottleneck(c[0], n[0], c[1], n[1], drop, c[2], n[2])(x), y)


def test_a_pre_activation_body_has_norm_and_relu_before_each_convolution() -> None:
    x, c, n, drop = images(2, 4, 6, 5), [conv() for _ in "123"], [norm() for _ in "1234"], Times(3)
    close(blocks.PreSingle(n[0], drop, c[0], n[1])(x), n[1](c[0](3 * relu(n[0](x)))))
    y = n[2](c[1](3 * relu(n[1](c[0](relu(n[0](x)))))))
    close(blocks.PreBasic(n[0], c[0], n[1], drop, c[1], n[2])(x), y)
    y = n[3](c[2](3 * relu(n[2](c[1](relu(n[1](c[0](relu(n[0](x))))))))))
    close(blocks.PreBottleneck(n[0], c[0], n[1], c[1], n[2], drop, c[2], n[3])(x), y)


def test_a_residual_block_adds_the_gated_branch_and_the_skip_before_its_activation() -> None:
    x, body, gate = images(2, 4, 5, 5), conv(), conv(kernel=1)
    block = blocks.Residual(body, gate, nn.Identity(), joins.Sum(), nn.ReLU())
    close(block(x), relu(gate(body(x)) + x))
    close(blocks.Plain(body, gate, nn.Identity())(x), gate(body(x)))
    close(blocks.Plain(body, gate, nn.ReLU())(x), relu(gate(body(x))))


def test_the_skip_of_a_residual_block_comes_first_in_its_join() -> None:
    x, body, skip = images(2, 4, 5, 5), conv(), conv(kernel=1)
    block = blocks.Residual(body, nn.Identity(), skip, joins.SkipScale().double(), nn.Identity())
    close(block(x), skip(x))


def test_the_branch_and_the_projection_of_an_activated_block_share_norm_and_relu() -> None:
    x, first, gate, skip = images(2, 4, 5, 5), norm(), Times(2), conv(kernel=1)
    body = blocks.Basic(conv(), norm(), nn.Identity(), conv(), nn.Identity())
    block = blocks.Activated(first, body, gate, skip, joins.Sum(), nn.ReLU())
    calls: list[int] = []
    first.register_forward_hook(lambda *_: calls.append(1))
    y = block(x)
    assert len(calls) == 1
    z = relu(first(x))
    close(y, relu(skip(z) + 2 * body(z)))
    branch = blocks.PreBasic(
        first, body.conv1, body.norm1, nn.Identity(), body.conv2, nn.Identity()
    )
    close(body(z), branch(x))


@pytest.mark.parametrize("kind", ["residual", "activated", "plain"])
def test_a_block_is_its_open_body_gate_and_join(kind: str) -> None:
    x, body, gate, skip = images(2, 4, 5, 5), conv(), Times(2), conv(kernel=1)
    block: blocks.Block
    if kind == "residual":
        block = blocks.Residual(body, gate, skip, joins.Sum(), nn.ReLU())
    elif kind == "activated":
        block = blocks.Activated(norm(), body, gate, skip, joins.Sum(), nn.ReLU())
    else:
        block = blocks.Plain(body, gate, nn.ReLU())
    z = block.open(x)
    close(block(x), block.join(z, block.gate(block.body(z))))


def test_a_skip_scale_starts_as_the_skip_and_learns() -> None:
    join, skip, branch = joins.SkipScale().double(), images(), images()
    close(join(skip, branch), skip)
    join(skip, branch).square().sum().backward()
    assert join.weight.grad is not None and join.weight.grad != 0
    join.weight.data.fill_(0.5)
    close(join(skip, branch), skip + 0.5 * branch)
    assert [p.numel() for p in join.parameters()] == [1]


def test_a_layer_scale_weighs_each_channel_of_the_branch() -> None:
    join, skip, branch = joins.LayerScale(8, 0.25).double(), images(), images()
    close(join(skip, branch), skip + 0.25 * branch)
    nn.init.normal_(join.weight)
    plain = torch.stack([skip[:, c] + join.weight[c] * branch[:, c] for c in range(8)], 1)
    close(join(skip, branch), plain)
    assert [p.numel() for p in join.parameters()] == [8]


def test_a_highway_mixes_by_a_gate_of_the_skip_and_starts_near_it() -> None:
    join, skip, branch = joins.Highway(8).double(), images(), images()
    assert join.conv.bias is not None and (join.conv.bias == -2).all()
    scores = torch.einsum("oi,bihw->bohw", join.conv.weight[:, :, 0, 0], skip) - 2
    t = 1 / (1 + (-scores).exp())
    close(join(skip, branch), t * branch + (1 - t) * skip)
    assert sum(p.numel() for p in join.parameters()) == 8 * 8 + 8


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_the_bias_of_a_highway_survives_every_initialisation(name: str) -> None:
    join = joins.Highway(8)
    INITIALISATIONS[name](join)
    assert join.conv.bias is not None and (join.conv.bias == -2).all()


def test_stochastic_depth_drops_whole_images_and_scales_the_others() -> None:
    torch.manual_seed(0)
    join, skip = joins.StochasticDepth(joins.Sum(), 0.25), torch.zeros(4000, 2, 2, 1)
    y = join(skip, torch.ones(4000, 2, 2, 1)).flatten(1)
    assert (y == y[:, :1]).all()
    assert sorted(set(y[:, 0].tolist())) == [0, pytest.approx(1 / 0.75)]
    assert y.mean().item() == pytest.approx(1, abs=0.04)  # 4 standard deviations: 0.037


def test_stochastic_depth_is_its_join_in_evaluation() -> None:
    highway, skip, branch = joins.Highway(8).double(), images(), images()
    close(joins.StochasticDepth(highway, 0.9).eval()(skip, branch), highway(skip, branch))
    close(joins.StochasticDepth(joins.Sum(), 0.0)(skip, branch), skip + branch)


def test_a_dropped_branch_gets_no_gradient_even_where_it_is_infinite() -> None:
    torch.manual_seed(0)
    skip, branch = torch.ones(64, 1, 1, 1), torch.full((64, 1, 1, 1), torch.inf)
    branch.requires_grad_()
    y = joins.StochasticDepth(joins.Sum(), 0.5)(skip, branch).flatten()
    dropped = y == 1
    assert 0 < dropped.sum() < 64 and y[~dropped].isinf().all()
    y[dropped].sum().backward()
    assert branch.grad is not None and not branch.grad.any()


@pytest.mark.parametrize("probability", [-0.1, 1.0])
def test_a_probability_that_leaves_nothing_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=f"at least 0 and less than 1, got {probability}"):
        joins.StochasticDepth(joins.Sum(), probability)


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


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4), (2, 2), (3, 1), (5, 4)])
def test_a_blur_pool_weighs_three_by_three_pixels_and_mirrors_at_the_border(
    height: int, width: int
) -> None:
    x, layer = images(2, 3, height, width), downsampling.BlurPool(3).double()

    def pixel(b: int, c: int, i: int, j: int) -> Tensor:
        if min(height, width) > 1:
            i, j = abs(i), abs(j)
            i, j = min(i, 2 * (height - 1) - i), min(j, 2 * (width - 1) - j)
        return x[b, c, min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    plain = torch.zeros(2, 3, (height + 1) // 2, (width + 1) // 2, dtype=torch.float64)
    for b, c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in plain.shape)).tolist():
        for di, wi in zip((-1, 0, 1), (1, 2, 1), strict=True):
            for dj, wj in zip((-1, 0, 1), (1, 2, 1), strict=True):
                plain[b, c, i, j] += wi * wj / 16 * pixel(b, c, 2 * i + di, 2 * j + dj)
    close(layer(x), plain)
    assert layer.macs(x) == 9 * plain[0].numel()
    assert not layer.state_dict() and not list(layer.parameters())


def test_a_blur_pool_leaves_a_constant_as_it_is() -> None:
    close(downsampling.BlurPool(2)(torch.full((1, 2, 7, 4), 3.0)), torch.full((1, 2, 4, 2), 3.0))


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 8), (5, 6)])
def test_space_to_depth_moves_tiles_into_channels_and_pads_zeros(
    factor: int, height: int, width: int
) -> None:
    x = images(2, 3, height, width)
    y = downsampling.SpaceToDepth(factor)(x)
    assert y.shape == (2, 3 * factor**2, -(-height // factor), -(-width // factor))
    expected = torch.zeros_like(y)
    for c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in x.shape[1:])).tolist():
        channel = factor**2 * c + factor * (i % factor) + j % factor
        expected[:, channel, i // factor, j // factor] = x[:, c, i, j]
    assert torch.equal(y, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (5, 8)])
def test_ceil_mode_pools_round_up_and_do_not_count_the_border(height: int, width: int) -> None:
    x = images(1, 2, height, width)
    average, maximum = nn.AvgPool2d(2, ceil_mode=True)(x), nn.MaxPool2d(2, ceil_mode=True)(x)
    assert average.shape == maximum.shape == (1, 2, (height + 1) // 2, (width + 1) // 2)
    for i in range(average.shape[2]):
        for j in range(average.shape[3]):
            tile = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            close(average[:, :, i, j], tile.mean((2, 3)))
            close(maximum[:, :, i, j], tile.amax((2, 3)))


class Every(nn.Module):
    """One block of each kind with each join, and what halves a map."""

    def __init__(self) -> None:
        super().__init__()
        basic = blocks.Basic(conv(), norm(), nn.Identity(), conv(), norm())
        pre = blocks.PreBasic(norm(), conv(), norm(), nn.Dropout(0.1), conv(), nn.Identity())
        skip, dropped = nn.Identity(), joins.StochasticDepth(joins.Highway(4), 0.1)
        self.layers = nn.Sequential(
            blocks.Residual(basic, nn.Identity(), skip, joins.LayerScale(4, 0.1), nn.ReLU()),
            blocks.Residual(pre, nn.Identity(), skip, dropped, nn.Identity()),
            blocks.Activated(norm(), basic, nn.Identity(), conv(), joins.SkipScale(), nn.ReLU()),
            downsampling.BlurPool(4),
            downsampling.SpaceToDepth(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (8, 7)])
def test_blocks_run_on_the_meta_device_and_under_autocast(height: int, width: int) -> None:
    network, x = Every().float(), torch.randn(3, 4, height, width)
    expected = network.eval()(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = network(x)
    torch.testing.assert_close(y.float(), expected, rtol=0.1, atol=0.1)
    assert network.to("meta")(x.to("meta")).shape == expected.shape


def test_joins_keep_half_precision_under_autocast() -> None:
    skip, branch = (torch.randn(X, dtype=torch.bfloat16) for _ in range(2))
    for join in (joins.Sum(), joins.SkipScale(), joins.LayerScale(8, 0.1), joins.Highway(8)):
        with torch.autocast("cpu", torch.bfloat16):
            assert joins.StochasticDepth(join, 0.5)(skip, branch).dtype == torch.bfloat16


def test_blocks_export() -> None:
    network, x = Every().float().eval(), torch.randn(2, 4, 5, 6)
    exported = torch.export.export(network, (x,), strict=False).module()
    torch.testing.assert_close(exported(x), network(x))
