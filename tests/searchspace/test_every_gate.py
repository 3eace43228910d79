"""What holds for every gate layer: shapes, gradients, types, devices, export."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import channel_gates, spatial_gates
from skipsearch.searchspace.layers.gates import cbam

X = (3, 8, 5, 6)
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "squeeze-excite": lambda: channel_gates.SqueezeExcite(8, 2, bias=True),
    "efficient channel": lambda: channel_gates.EfficientChannel(3),
    "conv block": lambda: cbam.ConvBlockAttention(8, 2, 7, False, True, nn.BatchNorm2d(1)),
    "conv block of convolutions": lambda: cbam.ConvBlockAttention(
        8, 2, 7, True, True, nn.Identity(), mlp="convolution"
    ),
    "style": lambda: channel_gates.StyleRecalibration(
        channel_gates.StyleWeights(8), nn.BatchNorm1d(8)
    ),
    "pyramid": lambda: channel_gates.SpatialPyramid(8, 2, [1, 2, 4], bias=False),
    "switchable": lambda: channel_gates.SwitchableExcitation(8, 2, 3),
    "self-enhanced": lambda: channel_gates.SelfEnhanced(8),
    "effective squeeze": lambda: channel_gates.EffectiveSqueeze(8),
    "global response": lambda: channel_gates.GlobalResponse(8),
    "group enhance": lambda: spatial_gates.SpatialGroupEnhance(4),
    "global context": lambda: spatial_gates.GlobalContext(8, 2),
    "coordinate": lambda: spatial_gates.CoordinateAttention(8, 4, nn.BatchNorm2d(4)),
    "masked": lambda: spatial_gates.Masked(
        spatial_gates.ChannelMask(8, 2), spatial_gates.SpatialMask(8, 3, bias=True)
    ),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def drawn(layer: nn.Module) -> nn.Module:
    """The layer in float64, each of its parameters drawn: none stays at 0 or 1."""
    for parameter in layer.double().parameters():
        nn.init.normal_(parameter)
    return layer


@every_layer
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 6)])
@pytest.mark.parametrize("kind", ["drawn", "zeros", "constant"])
def test_a_gate_keeps_the_shape_and_its_gradients_are_finite(
    make: Callable[[], nn.Module], size: tuple[int, int], kind: str
) -> None:
    layer, x = make(), torch.randn(3, 8, *size)
    if kind != "drawn":
        x = torch.full_like(x, 0.0 if kind == "zeros" else 3.0)
    y = layer(x.requires_grad_())
    assert y.shape == x.shape and y.isfinite().all()
    y.square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@every_layer
def test_a_gate_in_evaluation_does_not_depend_on_the_batch(make: Callable[[], nn.Module]) -> None:
    layer, x = drawn(make()).eval(), images()
    close(layer(x)[1:2], layer(x[1:2]))


@every_layer
def test_every_drawn_parameter_changes_the_output(make: Callable[[], nn.Module]) -> None:
    layer = drawn(make())
    (layer(images()) * images()).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@every_layer
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gate_returns_the_type_it_got_under_autocast(
    make: Callable[[], nn.Module], dtype: torch.dtype
) -> None:
    layer, x = make(), torch.randn(X).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x.float()), rtol=0.05, atol=0.05)


@every_layer
def test_a_gate_runs_on_the_meta_device(make: Callable[[], nn.Module]) -> None:
    with torch.device("meta"):
        layer = make()
    assert layer(torch.empty(X, device="meta")).shape == X


@every_layer
def test_a_gate_exports_for_any_batch(make: Callable[[], nn.Module]) -> None:
    layer = make().eval()
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(layer, (torch.randn(X),), dynamic_shapes=(batch,))
    x = torch.randn(1, *X[1:])
    torch.testing.assert_close(program.module()(x), layer(x))


@every_layer
def test_a_gate_has_the_gradient_of_its_formula(make: Callable[[], nn.Module]) -> None:
    torch.autograd.gradcheck(drawn(make()).eval(), images(1, 8, 2, 3).requires_grad_())


def test_a_channel_gate_is_its_input_times_its_mask() -> None:
    found = 0
    for make in LAYERS.values():
        layer, x = drawn(make()).eval(), images()
        if isinstance(layer, channel_gates.ChannelGate):
            close(layer(x), x * layer.mask(x)[:, :, None, None])
            found += 1
    assert found == 7
