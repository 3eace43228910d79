"""Every gate against its formula, written out with plain loops and sums."""

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import channel_gates, spatial_gates
from skipsearch.searchspace.layers.gates import cbam, combine

B, C, H, W = X = (3, 8, 5, 6)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def drawn(layer: nn.Module) -> nn.Module:
    """The layer in float64, each of its parameters drawn: none stays at 0 or 1."""
    for parameter in layer.double().parameters():
        nn.init.normal_(parameter)
    return layer


def logistic(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def dense(layer: nn.Module, x: Tensor) -> Tensor:
    """A linear layer, with its bias where it has one."""
    y = torch.stack([(x * row).sum(1) for row in layer.weight], 1)
    return y if layer.bias is None else y + layer.bias


def params(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters())


def test_squeeze_excite_is_its_formula() -> None:
    layer, x = channel_gates.SqueezeExcite(8, 2, bias=True).double(), images()
    v = x.sum((2, 3)) / 30
    hidden = (v @ layer.squeeze.weight.T + layer.squeeze.bias).clamp(min=0)
    mask = 1 / (1 + (-(hidden @ layer.excite.weight.T + layer.excite.bias)).exp())
    close(layer(x), x * mask[:, :, None, None])
    assert params(layer) == 2 * 8 * 2 + 2 + 8


def test_efficient_channel_attention_slides_one_kernel_over_the_channels() -> None:
    layer, x = channel_gates.EfficientChannel(3).double(), images()
    v, w = torch.nn.functional.pad(x.mean((2, 3)), (1, 1)), layer.conv.weight[0, 0]
    mask = torch.stack([(v[:, c : c + 3] * w).sum(1) for c in range(8)], 1).sigmoid()
    close(layer(x), x * mask[:, :, None, None])
    assert params(layer) == 3


@pytest.mark.parametrize("mlp_bias", [False, True])
def test_cbam_masks_channels_then_positions_maximum_first(mlp_bias: bool) -> None:
    norm = nn.BatchNorm2d(1) if mlp_bias else nn.Identity()
    layer = drawn(cbam.ConvBlockAttention(8, 2, 3, bias=True, mlp_bias=mlp_bias, norm=norm))
    x = images()
    mlp = [
        dense(layer.excite, dense(layer.squeeze, v).clamp(min=0))
        for v in (x.flatten(2).max(2).values, x.flatten(2).mean(2))
    ]
    y = x * (mlp[0] + mlp[1]).sigmoid()[:, :, None, None]
    maps = torch.cat([y.max(1, keepdim=True).values, y.mean(1, keepdim=True)], 1)
    mask = torch.nn.functional.conv2d(maps, layer.spatial.weight, layer.spatial.bias, padding=1)
    if mlp_bias:
        mask = (mask - mask.mean()) / (mask.var(unbiased=False) + 1e-5).sqrt()
        mask = mask * norm.weight + norm.bias
    close(layer(x), y * mask.sigmoid())


def test_the_mlp_of_cbam_is_the_same_as_convolutions() -> None:
    linear = drawn(cbam.ConvBlockAttention(8, 2, 7, False, True, nn.Identity()))
    layer = cbam.ConvBlockAttention(8, 2, 7, False, True, nn.Identity(), "convolution").double()
    state = linear.state_dict()
    for name in ("squeeze.weight", "excite.weight"):
        state[name] = state[name][:, :, None, None]
    layer.load_state_dict(state)
    x = images()
    close(layer(x), linear(x))
    assert params(layer) == params(linear)


def test_a_gated_function_starts_switched_off_and_learns() -> None:
    layer, x = combine.Gated(nn.Conv2d(8, 8, 1)).double(), images()
    close(layer(x), x)
    layer(x).square().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad != 0
    layer.weight.data.fill_(0.5)
    close(layer(x), x + 0.5 * layer.function(x))
    close(combine.Add(layer.function)(x), x + layer.function(x))


def test_style_recalibration_reads_mean_and_unbiased_deviation() -> None:
    weights, norm = channel_gates.StyleWeights(8), nn.BatchNorm1d(8)
    layer, x = drawn(channel_gates.StyleRecalibration(weights, norm)), images()
    mean = x.sum((2, 3)) / 30
    std = ((x - mean[:, :, None, None]) ** 2).sum((2, 3)).div(29).sqrt()
    z = weights.weight[:, 0] * mean + weights.weight[:, 1] * std
    z = (z - z.mean(0)) / (((z - z.mean(0)) ** 2).mean(0) + norm.eps).sqrt()
    mask = logistic(z * norm.weight + norm.bias)
    close(layer(x), x * mask[:, :, None, None])


def test_the_deviation_of_one_pixel_is_zero() -> None:
    weights = drawn(channel_gates.StyleWeights(8))
    layer, x = channel_gates.StyleRecalibration(weights, nn.Identity()), images(2, 8, 1, 1)
    mask = logistic(weights.weight[:, 0] * x[:, :, 0, 0])
    close(layer(x), x * mask[:, :, None, None])


@pytest.mark.parametrize("levels", [[1, 2, 4], [1, 4], [3]])
def test_the_spatial_pyramid_reads_the_means_of_its_cells(levels: list[int]) -> None:
    layer = drawn(channel_gates.SpatialPyramid(8, 3, levels, bias=True))
    x = images(2, 8, 12, 24)
    cells = []
    for level in levels:
        high, wide = 12 // level, 24 // level
        for c in range(8):
            for i in range(level):
                for j in range(level):
                    cell = x[:, c, i * high : (i + 1) * high, j * wide : (j + 1) * wide]
                    cells.append(cell.sum((1, 2)) / (high * wide))
    hidden = dense(layer.squeeze, torch.stack(cells, 1)).clamp(min=0)
    close(layer(x), x * logistic(dense(layer.excite, hidden))[:, :, None, None])


def test_switchable_excitation_is_three_switched_gates() -> None:
    layer, x = drawn(channel_gates.SwitchableExcitation(8, 2, 3)), images()
    v = x.sum((2, 3)) / 30
    switch = logistic(dense(layer.switch, v))
    full = dense(layer.excite, dense(layer.squeeze, v).clamp(min=0))
    padded, kernel = torch.nn.functional.pad(v, (1, 1)), layer.conv.weight[0, 0]
    near = torch.stack([(padded[:, c : c + 3] * kernel).sum(1) for c in range(8)], 1)
    own = v * layer.weight + layer.bias
    mask = torch.ones(B, C, dtype=torch.float64)
    for i, e in enumerate((full, near, own)):
        mask *= logistic(switch[:, i : i + 1] * e)
    close(layer(x), x * mask[:, :, None, None])


def test_self_enhanced_pooling_mixes_maximum_and_minimum() -> None:
    layer, x = drawn(channel_gates.SelfEnhanced(8)), images()
    y, p = torch.empty_like(x), layer.share
    for b in range(B):
        for c in range(C):
            most = x[b, c].max() * layer.pool_weight[c] + layer.pool_bias[c]
            least = x[b, c].min() * layer.pool_weight[c] + layer.pool_bias[c]
            mix = (p[0] ** 2 * most + p[1] ** 2 * least) / (p[0] ** 2 + p[1] ** 2)
            mix = mix * layer.mix_weight[c] + layer.mix_bias[c]
            y[b, c] = x[b, c] * logistic(most + least) * logistic(mix)
    close(layer(x), y)
    close(layer.penalty(), p[0] ** 2 + p[1] ** 2)


def test_effective_squeeze_has_one_layer_and_a_hard_sigmoid() -> None:
    layer, x = drawn(channel_gates.EffectiveSqueeze(8)), images()
    mask = ((dense(layer.excite, 5 * x.sum((2, 3)) / 30) + 3) / 6).clamp(0, 1)
    assert (mask == 0).any() and (mask == 1).any() and ((mask > 0) & (mask < 1)).any()
    close(layer(5 * x), 5 * x * mask[:, :, None, None])


def test_global_response_divides_each_norm_by_the_mean_norm() -> None:
    layer, x = drawn(channel_gates.GlobalResponse(8)), images()
    norm = (x**2).sum((2, 3)).sqrt()
    response = norm / (norm.sum(1, keepdim=True) / 8 + 1e-6)
    y = x.clone()
    for c in range(C):
        y[:, c] += layer.gamma[c] * x[:, c] * response[:, c, None, None] + layer.beta[c]
    close(layer(x), y)


def test_spatial_group_enhance_standardises_the_products_with_the_mean() -> None:
    layer, x = drawn(spatial_gates.SpatialGroupEnhance(4)), images()
    y = torch.empty_like(x)
    for b in range(B):
        for g in range(4):
            part = x[b, 2 * g : 2 * g + 2]
            t = (part * (part.sum((1, 2)) / 30)[:, None, None]).sum(0)
            t = t - t.sum() / 30
            t = t / ((t**2).mean().sqrt() + 1e-5)
            y[b, 2 * g : 2 * g + 2] = part * logistic(layer.weight[g] * t + layer.bias[g])
    close(layer(x), y)


def test_group_enhance_of_one_pixel_is_the_sigmoid_of_its_bias() -> None:
    layer, x = drawn(spatial_gates.SpatialGroupEnhance(4)), images(2, 8, 1, 1)
    close(layer(x), x * logistic(layer.bias).repeat_interleave(2)[:, None, None])


def test_the_global_context_is_one_softmax_pooled_vector_for_all_positions() -> None:
    layer, x = drawn(spatial_gates.GlobalContext(8, 3)), images()
    scores = (x * layer.attend.weight[0, :]).sum(1)
    weights = scores.exp() / scores.exp().sum((1, 2), keepdim=True)
    hidden = dense(layer.squeeze, (x * weights[:, None]).sum((2, 3)))
    centred = hidden - hidden.mean(1, keepdim=True)
    hidden = centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt()
    hidden = (hidden * layer.norm.weight + layer.norm.bias).clamp(min=0)
    close(layer(x), x + dense(layer.excite, hidden)[:, :, None, None])


@pytest.mark.parametrize("norm", [nn.Identity(), nn.BatchNorm2d(4)], ids=["identity", "batch norm"])
def test_coordinate_attention_masks_each_row_and_each_column(norm: nn.Module) -> None:
    layer, x = drawn(spatial_gates.CoordinateAttention(8, 4, norm)).eval(), images()

    def hidden(mean: Tensor) -> Tensor:
        z = mean @ layer.squeeze.weight[:, :, 0, 0].T + layer.squeeze.bias
        if isinstance(norm, nn.BatchNorm2d):
            z = norm.weight * z / (1 + norm.eps) ** 0.5 + norm.bias
        return z * ((z + 3) / 6).clamp(0, 1)

    y = x.clone()
    for i in range(H):
        y[:, :, i] *= logistic(directed(layer.rows, hidden(x[:, :, i].mean(2))))[:, :, None]
    for j in range(W):
        y[..., j] *= logistic(directed(layer.columns, hidden(x[..., j].mean(2))))[:, :, None]
    close(layer(x), y)


def directed(conv: nn.Module, hidden: Tensor) -> Tensor:
    return hidden @ conv.weight[:, :, 0, 0].T + conv.bias


def test_the_masks_of_a_convolutions_input_read_the_same_input() -> None:
    channel, spatial = spatial_gates.ChannelMask(8, 2), spatial_gates.SpatialMask(8, 3, bias=True)
    layer, x = drawn(spatial_gates.Masked(channel, spatial)), images()
    hidden = dense(channel.squeeze, x.sum((2, 3)) / 30).clamp(min=0)
    of_channels = logistic(dense(channel.excite, hidden))
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    y = torch.empty_like(x)
    for i in range(H):
        for j in range(W):
            window = padded[:, :, i : i + 3, j : j + 3] * spatial.conv.weight[0]
            of_position = logistic(window.sum((1, 2, 3)) + spatial.conv.bias)
            y[:, :, i, j] = x[:, :, i, j] * of_channels * of_position[:, None]
    close(layer(x), y)
    close(spatial_gates.Masked(channel)(x), x * of_channels[:, :, None, None])


@pytest.mark.parametrize(("c", "q", "k"), [(64, 4, 3), (128, 32, 5), (512, 128, 5)])
def test_parameters_are_as_many_as_the_systems_count(c: int, q: int, k: int) -> None:
    style = channel_gates.StyleWeights(c)
    both = spatial_gates.Masked(
        spatial_gates.ChannelMask(c, q), spatial_gates.SpatialMask(c, k, bias=True)
    )
    assert params(channel_gates.SqueezeExcite(c, q, bias=True)) == 2 * c * q + q + c
    assert params(channel_gates.SqueezeExcite(c, q, bias=False)) == 2 * c * q
    assert params(channel_gates.EfficientChannel(k)) == k
    assert params(cbam.ConvBlockAttention(c, q, 7, False, False, nn.Identity())) == 2 * c * q + 98
    assert (
        params(cbam.ConvBlockAttention(c, q, 7, False, True, nn.BatchNorm2d(1)))
        == 2 * c * q + q + c + 98 + 2
    )
    assert params(style) == 2 * c
    assert params(channel_gates.StyleRecalibration(style, nn.BatchNorm1d(c))) == 2 * c + 2 * c
    assert params(channel_gates.SpatialPyramid(c, q, [1, 2, 4], bias=False)) == 22 * c * q
    assert params(channel_gates.SpatialPyramid(c, q, [1, 2, 4], bias=True)) == 22 * c * q + q + c
    assert params(channel_gates.SwitchableExcitation(c, q, k)) == 2 * c * q + q + 6 * c + 3 + k
    assert params(channel_gates.SelfEnhanced(c)) == 4 * c + 2
    assert params(channel_gates.EffectiveSqueeze(c)) == c * c + c
    assert params(channel_gates.GlobalResponse(c)) == 2 * c
    assert params(spatial_gates.SpatialGroupEnhance(64)) == 128
    assert params(spatial_gates.GlobalContext(c, q)) == 2 * c * q + c + q + 2 * q + c
    norm = nn.BatchNorm2d(q)
    assert params(spatial_gates.CoordinateAttention(c, q, norm)) == 3 * c * q + 3 * q + 2 * c
    assert params(both) == 2 * c * q + c * k * k + 1


def test_one_set_of_style_weights_serves_many_blocks() -> None:
    weights = channel_gates.StyleWeights(8)
    blocks = [channel_gates.StyleRecalibration(weights, nn.BatchNorm1d(8)) for _ in range(3)]
    assert params(nn.ModuleList(blocks)) == 2 * 8 + 3 * 2 * 8


def test_products_that_no_layer_counts_are_counted() -> None:
    x = torch.empty(3, 8, 5, 6)
    assert spatial_gates.SpatialGroupEnhance(4).macs(x) == 8 * 5 * 6
    assert spatial_gates.GlobalContext(8, 2).macs(x) == 8 * 5 * 6


def test_gates_start_where_their_sources_start_them() -> None:
    style, switchable = channel_gates.StyleWeights(8), channel_gates.SwitchableExcitation(8, 2, 3)
    enhanced, group = channel_gates.SelfEnhanced(8), spatial_gates.SpatialGroupEnhance(4)
    response = channel_gates.GlobalResponse(8)
    at_start = [
        (style.weight, 0),
        (switchable.weight, 0),
        (switchable.bias, -1),
        (enhanced.pool_weight, 0),
        (enhanced.pool_bias, -1),
        (enhanced.mix_weight, 0),
        (enhanced.mix_bias, -1),
        (enhanced.share, 0.5),
        (group.weight, 0),
        (group.bias, 1),
        (response.gamma, 0),
        (response.beta, 0),
    ]
    for parameter, value in at_start:
        assert (parameter == value).all()
    assert style.weight.shape == (8, 2) and enhanced.penalty() == 0.5
    x = images()
    close(response.double()(x), x)
    close(group.double()(x), x / (1 + torch.tensor(-1.0, dtype=torch.float64).exp()))
