"""Initial weights: of each name, and of the published systems, as built."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace import PRESETS, build, override
from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.searchspace.layers.gates.cbam import ConvBlockAttention
from skipsearch.searchspace.layers.initialise import INITIALISATIONS, MaskConv2d
from skipsearch.searchspace.layers.recurrent import SharedLSTM
from skipsearch.searchspace.layers.spatial_gates import GlobalContext, SpatialMask

Weighted = nn.Conv2d | nn.Linear


class Wide(nn.Module):
    """Layers with enough weights to tell their spread; a linear layer follows the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(64, 256, 3, groups=4), nn.BatchNorm2d(256)
        self.head = nn.Module()
        self.head.classifier = nn.Linear(400, 100)
        self.linear, self.mask = nn.Linear(256, 400), MaskConv2d(512, 1, 7)


def made(name: str) -> Wide:
    torch.manual_seed(0)
    network = Wide()
    INITIALISATIONS[name](network)
    return network


FAN_OUT = (2 / (256 * 9)) ** 0.5
STDS = {  # of the convolution, the first linear, the classifier: U(±b) has b/√3
    "kaiming": (FAN_OUT, (2 / 400) ** 0.5, (2 / 100) ** 0.5),
    "convolutions": (FAN_OUT, (1 / 256 / 3) ** 0.5, (1 / 400 / 3) ** 0.5),
    "zero_bias": (FAN_OUT, (1 / 256 / 3) ** 0.5, (1 / 400 / 3) ** 0.5),
    "classifier": (FAN_OUT, (1 / 256 / 3) ** 0.5, (2 / 400) ** 0.5),
    "small": (FAN_OUT, 0.01, 0.01),
    "framework": ((1 / (16 * 9) / 3) ** 0.5, (1 / 256 / 3) ** 0.5, (1 / 400 / 3) ** 0.5),
}


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_first_weights_have_the_spread_that_their_name_says(name: str) -> None:
    wide = made(name)
    layers = (wide.conv, wide.linear, wide.head.classifier)
    for layer, std in zip(layers, STDS[name], strict=True):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.02 * std)
    assert (wide.norm.weight == 1).all() and (wide.norm.bias == 0).all()


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_a_mask_starts_as_torch_has_it(name: str) -> None:
    mask, bound = made(name).mask, (512 * 49) ** -0.5
    assert mask.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert mask.weight.abs().max().item() <= bound and 0 < abs(mask.bias.item()) <= bound


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_biases_of_the_classifier_or_of_all_linear_layers_are_zeroed(name: str) -> None:
    wide = made(name)
    assert bool(wide.head.classifier.bias.any()) == (
        name not in ("zero_bias", "classifier", "small")
    )
    assert bool(wide.linear.bias.any()) == (name != "small")
    assert wide.conv.bias.all()


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_layers_without_bias_or_without_weights_are_left(name: str) -> None:
    INITIALISATIONS[name](nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU()))
    INITIALISATIONS[name](nn.Conv2d(4, 4, 1))
    with torch.device("meta"):
        INITIALISATIONS[name](nn.Sequential(nn.Conv2d(4, 4, 1), nn.Linear(4, 4)))


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    preset = PRESETS[name]
    return build(preset.arch, classes=preset.classes, shape=preset.shape)


def of(network: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if isinstance(layer, kind))


def convs(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if type(layer) is nn.Conv2d]


def linears(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def fan_out(layer: Weighted) -> float:
    """√(2/(k²·outputs)), all outputs of a grouped convolution (dia.md 2.7)."""
    window = layer.weight[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
    return float((2 / (window * layer.weight.shape[0])) ** 0.5)


def bound(layer: Weighted) -> float:
    """1/√(inputs of a window): torch's weights and biases are U(±bound)."""
    return float(layer.weight[0].numel() ** -0.5)


def assert_spread(layers: list[Weighted], std: Callable[[Weighted], float]) -> None:
    """All weights over the standard deviation of their layer: mean 0, deviation 1."""
    ratio = torch.cat([layer.weight.detach().flatten() / std(layer) for layer in layers])
    error = 4 / len(ratio) ** 0.5  # four standard errors of the mean; of the deviation, 5.7 or more
    assert ratio.mean().item() == pytest.approx(0, abs=error)
    assert ratio.std().item() == pytest.approx(1, abs=error)


def assert_normal(layers: list[Weighted], std: Callable[[Weighted], float]) -> None:
    """Of a normal distribution 1 in 12 lies beyond √3 deviations, of a uniform one none."""
    assert_spread(layers, std)
    far = [layer.weight.abs() > 3**0.5 * std(layer) for layer in layers]
    part = torch.cat([one.flatten() for one in far]).float().mean().item()
    assert part == pytest.approx(0.083, abs=0.02)


def assert_torchs(layers: list[Weighted]) -> None:
    """U(±bound), biases too, which are not zero."""
    assert_spread(layers, lambda layer: bound(layer) / 3**0.5)
    for layer in layers:
        assert (layer.weight.abs() <= bound(layer)).all()
        if layer.bias is not None:
            assert layer.bias.any() and (layer.bias.abs() <= bound(layer)).all()


@pytest.mark.parametrize("name", ["resnet20", "selfatt", "mha", "cbam"])
def test_cnntention_draws_every_weight_by_its_fan_out(name: str) -> None:
    """Convolutions and linear layers, those of the attention too; biases are the framework's."""
    network = built(f"cnntention/{name}")
    layers = convs(network) + linears(network)
    assert len(layers) == {"resnet20": 20, "selfatt": 29, "mha": 32, "cbam": 29}[name]
    for layer in layers:
        if layer.weight.numel() >= 2000:
            assert_normal([layer], fan_out)
    assert_normal(layers, fan_out)
    biased = [layer for layer in layers if layer.bias is not None]
    assert biased
    for layer in biased:
        assert layer.bias.any() and (layer.bias.abs() <= bound(layer)).all()


@pytest.mark.parametrize("name", ["resnet164", "resnet164-se", "resnet164-dia", "resnet164-sem"])
def test_dias_resnets_draw_convolutions_alone(name: str) -> None:
    network = built(f"dia/{name}")
    assert_normal(convs(network), fan_out)
    assert_torchs(linears(network))
    for norm in of(network, nn.BatchNorm2d):
        assert (norm.weight == 1).all() and not norm.bias.any()


@pytest.mark.parametrize("name", ["wrn52-4", "wrn52-4-se", "wrn52-4-dia", "wrn52-4-light"])
def test_dias_wide_resnets_start_with_a_classifier_without_bias(name: str) -> None:
    network = built(f"dia/{name}")
    classifier = network.get_submodule("head.classifier")
    assert isinstance(classifier, nn.Linear) and not classifier.bias.any()
    assert_spread([classifier], lambda layer: bound(layer) / 3**0.5)
    assert_normal(convs(network), fan_out)
    attention = [layer for layer in linears(network) if layer is not classifier]
    assert bool(attention) == (name != "wrn52-4")
    if attention:
        assert_torchs(attention)


@pytest.mark.parametrize("name", ["resnext101", "resnext101-dia"])
def test_dias_resnexts_start_with_a_kaiming_classifier(name: str) -> None:
    network = built(f"dia/{name}")
    classifier = network.get_submodule("head.classifier")
    assert isinstance(classifier, nn.Linear) and not classifier.bias.any()
    assert_normal([classifier], lambda layer: (2 / layer.weight.shape[1]) ** 0.5)
    assert_normal(convs(network), fan_out)
    attention = [layer for layer in linears(network) if layer is not classifier]
    assert bool(attention) == any(of(network, SharedLSTM))
    if attention:
        assert_torchs(attention)


@pytest.mark.parametrize("name", ["resnet18", "no-pe", "learnable", "rope"])
def test_gradattns_own_models_start_as_the_framework_has_them(name: str) -> None:
    """But for what the framework's attention does to its own projections, which is tested apart."""
    network = built(f"gradattn/{name}")
    own = [f".{part}" for part in ("query", "key", "value", "project")] if name != "rope" else []
    layers = [
        layer
        for path, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and not path.endswith(tuple(own) or "-")
    ]
    assert len(layers) == {"resnet18": 21, "no-pe": 29, "learnable": 29, "rope": 41}[name]
    assert_torchs(layers)


@pytest.mark.parametrize(("name", "drawn"), [("se", 20), ("cbam", 20 + 16 + 8)])
def test_gradattns_gated_models_draw_both_kinds_of_layers(name: str, drawn: int) -> None:
    """Convolutions by their fan-out, CBAM's MLP among them; linear layers N(0, 0.01²)."""
    network = built(f"gradattn/{name}")
    assert len(convs(network)) == drawn
    assert_normal(convs(network), fan_out)
    assert len(linears(network)) == (17 if name == "se" else 1)
    assert_normal(linears(network), lambda _: 0.01)
    assert not any(layer.bias.any() for layer in linears(network) if layer.bias is not None)
    for gate in of(network, ConvBlockAttention):
        assert_normal([gate.squeeze, gate.excite], fan_out)


@pytest.mark.parametrize("kind", ["convolution", "linear"])
def test_the_mlp_of_cbam_costs_the_same_either_way(kind: str) -> None:
    preset = PRESETS["gradattn/cbam"]
    arch = override(type(preset.arch), {"gate.cbam.mlp": kind}, preset.arch)
    with torch.device("meta"):
        network = build(arch, classes=10, shape=(3, 32, 32))
        plain = build(PRESETS["gradattn/resnet18"].arch, classes=10, shape=(3, 32, 32))
    assert count_params(network) == 11_269_466
    mlps = 2 * 2 * sum(2 * c * c // 16 for c in (64, 128, 256, 512))  # blocks, mean and maximum
    maps = 2 * 98 * sum(side**2 for side in (8, 4, 2, 1))
    extra = count_macs(network, (3, 32, 32)) - count_macs(plain, (3, 32, 32))
    assert extra == mlps + maps


def masks(network: nn.Module) -> list[tuple[int, Tensor]]:
    """Each spatial mask that the network makes of noise, with the channels that it reads."""
    seen: list[tuple[int, Tensor]] = []
    for layer in of(network, SpatialMask):
        layer.register_forward_hook(lambda _, x, y: seen.append((x[0].shape[1], y.detach())))
    network(torch.randn(8, 3, 32, 32))
    return seen


@pytest.mark.parametrize("name", ["resnet20", "plain", "resnet50-cifar"])
def test_aicnns_masks_start_neither_shut_nor_open(name: str) -> None:
    network = built(f"aicnn/{name}")
    assert_normal(convs(network), fan_out)
    assert_torchs([layer for layer in of(network, MaskConv2d) if isinstance(layer, nn.Conv2d)])
    seen = masks(network)
    assert len(seen) == {"resnet20": 18, "plain": 7, "resnet50-cifar": 16}[name]
    for _, mask in seen:
        assert ((mask > 0.01) & (mask < 0.99)).all()
        assert 0.2 < mask.mean().item() < 0.8


@pytest.mark.parametrize("init", ["convolutions", "kaiming", "small"])
def test_a_global_context_starts_with_weights_for_many_positions(init: str) -> None:
    torch.manual_seed(0)
    arch = override(type(PRESETS["as/resnet50"].arch), {"gate": "gc", "init": init})
    network, largest = build(arch, classes=10, shape=(3, 32, 32)), []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        weights = torch.softmax(layer.attend(inputs[0]).flatten(2), dim=2)
        largest.append(weights.amax(2).mean().item() * weights.shape[2])

    for layer in of(network, GlobalContext):
        layer.register_forward_pre_hook(look)
    network(torch.randn(8, 3, 32, 32))
    assert len(largest) == 9 and max(largest) < 20  # with fan-out: 630 of 1,024


def test_the_searched_networks_start_near_the_loss_of_a_guess() -> None:
    """Ln 10 = 2.3. With linear layers fan-out too, ResNet-50 starts at 22."""
    preset = PRESETS["as/resnet50"]
    start = type(preset.arch)()
    assert start.init == "convolutions"
    torch.manual_seed(0)
    network = built("as/resnet50")
    with torch.no_grad():
        logits = network(torch.randn(16, 3, 32, 32))
    assert nn.functional.cross_entropy(logits, torch.arange(16) % 10).item() < 3
