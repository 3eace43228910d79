"""GradAttn's head against torch's encoder, plain loops, and the printed counts."""

import math

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.tokens import (
    EncoderLayer,
    LearnedPosition,
    TokenAttention,
    TokenHead,
    rotate,
)

CHANNELS = [64, 64, 128, 256, 512]


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def close(one: Tensor | None, other: Tensor | None) -> None:
    assert one is not None and other is not None
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def tokens(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def encoder(
    width: int, heads: int, hidden: int, rotary: bool = False, dropout: float = 0.1
) -> EncoderLayer:
    attention = TokenAttention(width, heads, dropout, bias=not rotary, rotary=rotary)
    return EncoderLayer(attention, width, hidden, dropout)


def paired(ours: EncoderLayer, torchs: nn.TransformerEncoderLayer) -> list[tuple[Tensor, Tensor]]:
    """Our parameters beside torch's; q, k, v are rows of one matrix there."""
    attention, theirs = ours.attention, torchs.self_attn
    pairs = [
        (attention.project, theirs.out_proj),
        (ours.expand, torchs.linear1),
        (ours.contract, torchs.linear2),
        (ours.norm1, torchs.norm1),
        (ours.norm2, torchs.norm2),
    ]
    found = [(getattr(a, key), getattr(b, key)) for a, b in pairs for key in ("weight", "bias")]
    for key, packed in (("weight", theirs.in_proj_weight), ("bias", theirs.in_proj_bias)):
        ours_qkv = (
            getattr(part, key) for part in (attention.query, attention.key, attention.value)
        )
        found += zip(ours_qkv, packed.chunk(3), strict=True)
    return found


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("width", "heads", "hidden"), [(32, 4, 48), (32, 16, 2)])
def test_an_encoder_layer_is_the_frameworks(
    width: int, heads: int, hidden: int, training: bool
) -> None:
    ours = encoder(width, heads, hidden, dropout=0.0).double().train(training)
    torchs = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, batch_first=True)
    torchs.double().train(training)
    with torch.no_grad():
        for parameter in torchs.parameters():
            nn.init.normal_(parameter, std=0.5)
        for one, other in paired(ours, torchs):
            one.copy_(other)
    x = tokens(3, 5, width).requires_grad_()
    y = x.detach().clone().requires_grad_()
    one, other, weight = ours(x), torchs(y), tokens(3, 5, width)
    close(one, other)
    (one * weight).sum().backward()
    (other * weight).sum().backward()
    close(x.grad, y.grad)
    attention, theirs = ours.attention, torchs.self_attn
    grads = [attention.query.weight.grad, attention.key.weight.grad, attention.value.weight.grad]
    close(torch.cat(grads), theirs.in_proj_weight.grad)
    close(ours.expand.weight.grad, torchs.linear1.weight.grad)
    close(ours.norm1.bias.grad, torchs.norm1.bias.grad)


def test_attention_and_encoder_layers_drop_out_while_training_only() -> None:
    x, attention = torch.randn(2, 5, 16), TokenAttention(16, 4, 0.5, bias=True, rotary=False)
    for layer in (attention, EncoderLayer(nn.Identity(), 16, 8, dropout=0.5)):
        assert not torch.equal(layer(x), layer(x))
        layer.eval()
        assert torch.equal(layer(x), layer(x))


def test_attention_starts_as_the_frameworks_does() -> None:
    """Uniform within √(6/(3d + d)) for q, k, v; torch's linear layer elsewhere; biases 0."""
    attention = TokenAttention(256, 8, 0.1, bias=True, rotary=False)
    theirs = nn.MultiheadAttention(256, 8)
    for linear in (attention.query, attention.key, attention.value):
        assert not linear.bias.any()
        for weight in (linear.weight, theirs.in_proj_weight):
            assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / 1024), rel=1e-3)
    assert not attention.project.bias.any()
    for weight in (attention.project.weight, theirs.out_proj.weight):
        assert weight.abs().max().item() == pytest.approx(1 / 16, rel=1e-3)


def test_rotary_attention_starts_as_torchs_linear_layers() -> None:
    attention = TokenAttention(256, 8, 0.1, bias=False, rotary=True)
    assert attention.query.bias is None and attention.project.bias.any()
    for linear in (attention.query, attention.value, attention.project):
        assert linear.weight.abs().max().item() == pytest.approx(1 / 16, rel=1e-3)


def plain_rotation(x: Tensor) -> Tensor:
    """Pair (j, j + D/2) of token t turns by t·10000^(−2j/D), as complex numbers."""
    turned, half = torch.zeros_like(x), x.shape[-1] // 2
    for t in range(x.shape[-2]):
        for j in range(half):
            angle = t * 10000 ** (-2 * j / x.shape[-1])
            cos, sin = math.cos(angle), math.sin(angle)
            turned[..., t, j] = x[..., t, j] * cos - x[..., t, j + half] * sin
            turned[..., t, j + half] = x[..., t, j] * sin + x[..., t, j + half] * cos
    return turned


@pytest.mark.parametrize("width", [2, 6, 32])
def test_rotation_turns_pairs_of_halves(width: int) -> None:
    x = tokens(2, 3, 5, width)
    close(rotate(x), plain_rotation(x))
    close(rotate(x)[:, :, 0], x[:, :, 0])
    close(rotate(x).norm(dim=-1), x.norm(dim=-1))
    half = x.to(torch.bfloat16)
    assert rotate(half).dtype == torch.bfloat16


def test_scores_of_rotated_tokens_depend_on_their_distance_alone() -> None:
    q, k = (rotate(tokens(1, 1, 1, 8).expand(1, 1, 5, 8)) for _ in range(2))
    scores = (q @ k.mT)[0, 0]
    for offset in range(-4, 5):
        diagonal = scores.diagonal(offset)
        close(diagonal, diagonal[:1].expand_as(diagonal))


@pytest.mark.parametrize(("bias", "rotary"), [(True, False), (False, True), (True, True)])
def test_token_attention_is_its_formula_token_by_token(bias: bool, rotary: bool) -> None:
    layer, x = TokenAttention(8, 2, 0.1, bias, rotary).double().eval(), tokens(2, 5, 8)
    q, k, v = (f(x) for f in (layer.query, layer.key, layer.value))
    mixed = torch.zeros_like(x)
    for head in (slice(0, 4), slice(4, 8)):
        one, other = q[..., head], k[..., head]
        if rotary:
            one, other = plain_rotation(one), plain_rotation(other)
        for image in range(2):
            for t in range(5):
                scores = torch.stack([(one[image, t] * s).sum() / 2 for s in other[image]])
                weights = scores.exp() / scores.exp().sum()
                for s in range(5):
                    mixed[image, t, head] += weights[s] * v[image, s, head]
    close(layer(x), layer.project(mixed))
    assert layer.macs(x) == 2 * 5 * 5 * 8


def test_heads_divide_the_width_and_rotated_heads_are_even() -> None:
    with pytest.raises(ValueError, match="heads must divide the width 8, got 3"):
        TokenAttention(8, 3, 0.1, bias=True, rotary=False)
    with pytest.raises(ValueError, match="heads must be of even width to be rotated, got 3"):
        TokenAttention(6, 2, 0.1, bias=False, rotary=True)


@pytest.mark.parametrize(("width", "heads", "hidden"), [(256, 8, 512), (32, 16, 2), (24, 3, 7)])
def test_encoder_layers_have_the_parameters_of_their_formula(
    width: int, heads: int, hidden: int
) -> None:
    d, f = width, hidden
    count = 4 * d**2 + 4 * d + 2 * d * f + f + d + 4 * d
    assert params(encoder(width, heads, hidden)) == count
    assert params(encoder(width, heads, hidden, rotary=True)) == count - 3 * d


def head(width: int, heads: int, hidden: int, rotary: bool, position: nn.Module) -> TokenHead:
    layers: list[nn.Module] = [encoder(width, heads, hidden, rotary) for _ in range(3)]
    return TokenHead(CHANNELS, width, layers, 10, position)


def test_the_whole_head_has_the_printed_parameters() -> None:
    bare = 263_424 + 3 * 527_104 + 2_570
    assert bare == 12_849_994 - 11_002_688
    assert params(head(256, 8, 512, False, nn.Identity())) == bare
    assert params(head(256, 8, 512, False, LearnedPosition(5, 256))) == bare + 5 * 256
    assert params(head(256, 8, 512, True, nn.Identity())) == bare - 3 * 3 * 256
    assert params(head(32, 16, 2, False, nn.Identity())) == 11_049_488 - 11_002_688


def features(batch: int = 2) -> list[Tensor]:
    sizes = [(8, 6), (8, 6), (4, 3), (2, 2), (1, 1)]
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, sizes, strict=True)]


def test_the_head_classifies_the_mean_of_one_token_a_map() -> None:
    position = LearnedPosition(5, 16)
    layer, maps = head(16, 2, 8, False, position).double().eval(), features()
    maps = [x.double() for x in maps]
    x = torch.zeros(2, 5, 16, dtype=torch.float64)
    for t, (tap, one) in enumerate(zip(layer.taps, maps, strict=True)):
        mean = one.sum((2, 3)) / (one.shape[2] * one.shape[3])
        x[:, t] = mean @ tap.weight.T + tap.bias + position.weight[0, t]
    for one in layer.encoder:
        x = one(x)
    close(layer(maps), layer.classifier(x.sum(1) / 5))


def test_positions_start_from_the_standard_normal_distribution() -> None:
    weight = LearnedPosition(5, 4096).weight
    assert weight.shape == (1, 5, 4096)
    assert weight.mean().item() == pytest.approx(0, abs=0.03)
    assert weight.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("rotary", [False, True])
def test_every_parameter_of_the_head_receives_a_gradient(rotary: bool) -> None:
    layer = head(16, 2, 8, rotary, LearnedPosition(5, 16))
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(features())
    assert logits.dtype == torch.bfloat16
    logits.float().square().sum().backward()
    untouched = [key for key, p in layer.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [key for key in untouched if not key.endswith("key.bias")]  # softmax ignores it


@pytest.mark.parametrize("rotary", [False, True])
def test_the_head_is_built_without_memory_and_exported(rotary: bool) -> None:
    layer = head(16, 2, 8, rotary, nn.Identity()).eval()
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(layer, (features(),), dynamic_shapes=([{0: batch}] * 5,))
    more = features(3)
    torch.testing.assert_close(program.module()(more), layer(more))
    with torch.device("meta"):
        assert head(16, 2, 8, rotary, nn.Identity())(features()).shape == (2, 10)
