"""Gates that remember: each against its formula, unrolled over the blocks of a stage."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import blocks, joins, recurrent
from skipsearch.searchspace.layers.layer_attention import LayerAttention
from skipsearch.searchspace.layers.recurrent import LightLSTM, Recurrent, SharedLSTM, Whole

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda c: 1 / (1 + (-c).exp()),
    "tanh": lambda c: (c.exp() - (-c).exp()) / (c.exp() + (-c).exp()),
    "relu": lambda c: c.clamp(min=0),
}
FORM_A = [True, True, False, True]
NONE = [False] * 4


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 8, 5, 6)), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def drawn(module: nn.Module) -> nn.Module:
    """Every parameter from N(0, 0.5²), in float64: biases and scales take part too."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.double()


def plain_terms(layer: nn.Module, x: Tensor) -> Tensor:
    """The 4·C terms of one input of one image."""
    if isinstance(layer, nn.Linear):
        return layer(x)
    if isinstance(layer, recurrent.Reduced):
        return layer.expand(layer.reduce(x).clamp(min=0))
    terms = []
    for term in layer.terms:
        scale = isinstance(term, recurrent.Scale)
        terms.append(term.weight * x + term.bias if scale else term(layer.reduce(x).clamp(min=0)))
    return torch.cat(terms)


def plain_masks(cells: list[nn.Module], maps: list[Tensor], output: str) -> Tensor:
    """Block by block and image by image, the last cell's h: (blocks, B, C)."""
    (batch, channels), sigmoid, tanh = maps[0].shape[:2], OUTPUTS["sigmoid"], OUTPUTS["tanh"]
    masks = torch.zeros(len(maps), batch, channels, dtype=torch.float64)
    for image in range(batch):
        h = c = torch.zeros(len(cells), channels, dtype=torch.float64)
        for block, a in enumerate(maps):
            x, old_h, old_c = a[image].sum((1, 2)) / a[image, 0].numel(), h, c
            h, c = torch.zeros_like(h), torch.zeros_like(c)
            for k, cell in enumerate(cells):
                terms = plain_terms(cell.input, x) + plain_terms(cell.hidden, old_h[k])
                i, f, g, o = (terms[gate * channels : (gate + 1) * channels] for gate in range(4))
                c[k] = sigmoid(f) * old_c[k] + sigmoid(i) * tanh(g)
                h[k] = x = sigmoid(o) * OUTPUTS[output](c[k])
            masks[block, image] = x
    return masks


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("output", OUTPUTS)
def test_the_shared_lstm_is_its_recurrence_over_three_blocks(output: str, cells: int) -> None:
    gate = drawn(SharedLSTM(8, 2, output, cells, dropout=0.1)).eval()
    maps, state = [images(), images(), images(2, 8, 1, 3)], None
    masks = plain_masks(list(gate.cells), maps, output)
    for a, mask in zip(maps, masks, strict=True):
        y, state = gate(a, state)
        close(y, a * mask[:, :, None, None])
    assert state is not None and len(state) == 2 * cells


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    ("of_input", "of_hidden"),
    [(FORM_A, NONE), (NONE, FORM_A), (NONE, NONE), ([True] * 4, [False, True, False, False])],
)
def test_the_light_lstm_chooses_for_each_of_eight_terms(
    of_input: list[bool], of_hidden: list[bool], output: str
) -> None:
    gate = drawn(LightLSTM(8, 2, of_input, of_hidden, output))
    maps, state = [images() for _ in range(3)], None
    for a, mask in zip(maps, plain_masks([gate.cell], maps, output), strict=True):
        y, state = gate(a, state)
        close(y, a * mask[:, :, None, None])
    for terms, linear in ((gate.cell.input, of_input), (gate.cell.hidden, of_hidden)):
        assert isinstance(terms.reduce, nn.Linear) == any(linear)


@pytest.mark.parametrize(("channels", "count"), [(64, 10_784), (128, 42_048), (512, 659_712)])
@pytest.mark.parametrize("cells", [1, 2, 3])
def test_the_shared_lstm_has_the_parameters_of_its_formula(
    channels: int, count: int, cells: int
) -> None:
    further = (cells - 1) * (8 * channels**2 + 8 * channels)
    with torch.device("meta"):
        assert params(SharedLSTM(channels, channels // 4, "tanh", cells, 0.1)) == count + further
        for hidden in (1, 5, channels):
            formula = 10 * channels * hidden + 2 * hidden + 8 * channels
            assert params(SharedLSTM(channels, hidden, "relu", 1, 0.1)) == formula


def test_form_a_of_the_light_lstm_has_the_printed_parameters() -> None:
    def form_a(channels: int) -> int:
        hidden = channels // 16
        count = params(LightLSTM(channels, hidden, FORM_A, NONE, "sigmoid"))
        assert count == 4 * channels * hidden + hidden + 13 * channels
        return count

    assert sum(form_a(channels) for channels in (64, 128, 256)) == 27_356
    assert sum(form_a(channels) for channels in (128, 256, 512)) == 97_720
    assert params(LightLSTM(8, 2, NONE, NONE, "sigmoid")) == 16 * 8


def test_the_first_block_reads_the_biases_of_the_hidden_path() -> None:
    gate, a = SharedLSTM(8, 2, "sigmoid", 1, 0.1), torch.randn(2, 8, 3, 3)
    before, _ = gate(a, None)
    gate.cells[0].hidden.expand.bias.data += 1
    assert (gate(a, None)[0] != before).all()


def test_a_sigmoid_gate_starts_near_a_quarter() -> None:
    gate, a = SharedLSTM(64, 16, "sigmoid", 1, 0.1), torch.full((1, 64, 1, 1), 0.1)
    assert (gate(a, None)[0] / a).mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("output", "mask"), [("sigmoid", 0.25), ("tanh", 0), ("relu", 0)])
def test_a_gate_of_zeros_is_a_quarter_or_closed(output: str, mask: float) -> None:
    """σ(0) · output(0): the cell state stays 0."""
    gate, state = SharedLSTM(8, 2, output, 1, 0.1), None
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    for _ in range(3):
        y, state = gate(torch.ones(1, 8, 2, 2), state)
        assert (y == mask).all()


def test_scales_start_at_weight_zero_and_bias_minus_one() -> None:
    sigmoid, two = torch.sigmoid, torch.tensor(2.0, dtype=torch.float64)
    gate = LightLSTM(8, 2, NONE, NONE, "sigmoid").double()
    assert all((t.weight == 0).all() and (t.bias == -1).all() for t in gate.cell.input.terms)
    c, state = torch.zeros_like(two), None
    for _ in range(2):  # every gate term is −1 − 1
        c = sigmoid(-two) * (c - torch.tanh(two))
        y, state = gate(torch.ones(1, 8, 2, 2, dtype=torch.float64), state)
        close(y, (sigmoid(-two) * sigmoid(c)).expand_as(y))


def test_dropout_acts_between_cells_while_training_only() -> None:
    a = torch.randn(2, 8, 3, 3)
    for cells in (1, 2):
        gate = SharedLSTM(8, 2, "sigmoid", cells, dropout=0.5)
        training = gate(a, None)[0], gate(a, None)[0]
        assert torch.equal(*training) == (cells == 1)
        gate.eval()
        assert torch.equal(gate(a, None)[0], gate(a, None)[0])
        gate.dropout = 0.0
        assert torch.equal(gate.eval()(a, None)[0], gate.train()(a, None)[0])


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_layer_attention_is_its_recurrence_over_three_blocks(heads: int) -> None:
    width, before = 8 // heads, torch.zeros(2, 8, 5, 6, dtype=torch.float64)
    state = None
    for block in range(3):
        gate = LayerAttention(8, 3, heads, nn.BatchNorm2d(8), first=block == 0).double().eval()
        a = images()
        padded = nn.functional.pad(a.mean((2, 3)), (1, 1))
        q, k = (
            torch.stack([(padded[:, n : n + 3] * w.weight[0, 0]).sum(1) for n in range(8)], 1)
            for w in (gate.query, gate.key)
        )
        out = torch.zeros_like(a)
        for n in range(8):
            head = slice(n // width * width, n // width * width + width)
            score = (q[:, head] * k[:, head]).sum(1) / math.sqrt(width)
            v = nn.functional.conv2d(a[:, n : n + 1], gate.value.weight[n : n + 1], padding=1)
            out[:, n] = score.sigmoid()[:, None, None] * v[:, 0]
            if block:
                out[:, n] += gate.weight[n] * before[:, n]
        y, state = gate(a, state)
        close(y, a + out / math.sqrt(1 + 1e-5))
        close(state[0], before := out)


@pytest.mark.parametrize("channels", [8, 64])
def test_layer_attention_has_a_weight_a_channel_after_the_first_block(channels: int) -> None:
    first, later = (
        LayerAttention(channels, 5, 8, nn.BatchNorm2d(channels), first) for first in (True, False)
    )
    assert params(first) == 2 * 5 + 9 * channels + 2 * channels
    assert params(later) == params(first) + channels
    a = torch.randn(1, channels, 4, 3)
    assert first.macs(a, None) == channels
    assert later.macs(a, (a,)) == channels + channels * 4 * 3
    with pytest.raises(ValueError, match=f"heads must divide the {channels} channels, got 3"):
        LayerAttention(channels, 5, 3, nn.BatchNorm2d(channels), first=True)


def gates(name: str) -> list[nn.Module]:
    """For the three blocks of a stage."""
    match name:
        case "shared":
            return [SharedLSTM(8, 6, "sigmoid", 2, 0.1)] * 3
        case "light":
            return [LightLSTM(8, 6, FORM_A, NONE, "sigmoid")] * 3
        case _:
            return [LayerAttention(8, 3, 2, nn.BatchNorm2d(8), first=n == 0) for n in range(3)]


def stage(name: str) -> Recurrent:
    def body() -> nn.Module:
        return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))

    skip, add, (first, second, third) = nn.Identity(), joins.Sum(), gates(name)
    return Recurrent(
        blocks.Activated(nn.BatchNorm2d(8), body(), first, skip, add, nn.Identity()),
        blocks.Residual(body(), second, skip, add, nn.Tanh()),
        blocks.Plain(body(), third, nn.Tanh()),
    )


every_gate = pytest.mark.parametrize("name", ["shared", "light", "layer_attention"])


@every_gate
def test_a_recurrent_stage_hands_the_state_from_block_to_block(name: str) -> None:
    network, x = stage(name).double().eval(), images()
    one, two, three = network
    z = one.norm(x).clamp(min=0)
    gated, state = one.gate(one.body(z), None)
    y = z + gated
    gated, state = two.gate(two.body(y), state)
    y = torch.tanh(y + gated)
    gated, state = three.gate(three.body(y), state)
    close(network(x), torch.tanh(gated))
    assert {key.split(".")[0] for key in network.state_dict()} == {"0", "1", "2"}


@every_gate
def test_a_recurrent_stage_starts_anew_at_every_forward(name: str) -> None:
    network, x = stage(name).double().eval(), images()
    first = network(x)
    network(images(3, 8, 2, 2))
    assert torch.equal(network(x), first)
    close(network(x[:1]), first[:1])


@every_gate
@pytest.mark.parametrize("size", [(5, 7), (1, 1)])
def test_every_parameter_of_a_recurrent_stage_receives_a_gradient(
    name: str, size: tuple[int, int]
) -> None:
    network = drawn(stage(name))
    network(images(4, 8, *size)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), key


def test_a_gate_after_the_block_gates_what_the_block_puts_out() -> None:
    bodies = [nn.Conv2d(8, 8, 3, padding=1).double() for _ in range(2)]
    gate, x = drawn(SharedLSTM(8, 2, "tanh", 1, 0.1)), images()
    first, state = gate(bodies[0](x), None)
    second, _ = gate(bodies[1](first), state)
    assert torch.equal(Recurrent(*(Whole(body, gate) for body in bodies))(x), second)


@every_gate
def test_a_recurrent_stage_is_exported_and_built_without_memory(name: str) -> None:
    network, x = stage(name).eval(), torch.randn(2, 8, 4, 3)
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},))
    more = torch.randn(5, 8, 4, 3)
    torch.testing.assert_close(program.module()(more), network(more))
    with torch.device("meta"):
        assert stage(name)(torch.zeros(1, 8, 4, 3)).shape == (1, 8, 4, 3)


@every_gate
def test_a_gate_keeps_the_precision_of_its_features_under_autocast(name: str) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        a, state = torch.randn(2, 8, 4, 3, dtype=dtype), None
        for gate in gates(name):
            with torch.autocast("cpu", torch.bfloat16):
                y, state = gate(a, state)
            assert y.dtype == dtype
