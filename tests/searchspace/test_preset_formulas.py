"""Formulas of parameter counts, over several widths, against networks with and without the part."""

from dataclasses import replace

import pytest
from torch import nn

from skipsearch.searchspace import PRESETS, build
from skipsearch.searchspace.arch.arch import Arch, Doubling, Expansion, NoNorm
from skipsearch.searchspace.arch.blocks import Bottleneck, Conv7, Pre
from skipsearch.searchspace.arch.gate_places import InConvolution
from skipsearch.searchspace.arch.gates import (
    CBAM,
    ECA,
    SE,
    SEM,
    SGE,
    SPA,
    SPEM,
    SRM,
    Gate,
    InputAttention,
    MultiHead,
    NoGate,
    OneMap,
    SelfAttention,
)
from skipsearch.searchspace.arch.heads import Tokens
from skipsearch.searchspace.arch.recurrent_gates import DIA, DIALight
from skipsearch.searchspace.arch.shortcuts import NoShortcut
from tests.support.presets import params

WIDTHS = (16, 24, 64, 128)


def resnet(blocks: int, width: int = 16) -> Arch:
    """Bottlenecks of three stages, outputs of 4, 8 and 16 times `width`."""
    return Arch(
        blocks=(blocks,) * 3,
        body=Bottleneck(),
        width=Doubling(channels=width),
        output=Expansion(ratio=4),
    )


def added(arch: Arch, gate: Gate) -> int:
    return params(replace(arch, gate=gate)) - params(arch)


def outputs(width: int) -> tuple[int, int, int]:
    return 4 * width, 8 * width, 16 * width


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("blocks", [1, 6, 9, 18])
def test_dias_resnets_have_34906_and_92736_a_block(blocks: int, classes: int) -> None:
    total = 34_906 + 92_736 * blocks + 257 * (classes - 10)
    assert params(resnet(blocks), classes) == total
    if blocks in (9, 18):
        assert params(PRESETS[f"dia/resnet{9 * blocks + 2}"].arch, classes) == total


ONE_MAP = {  # per block, of width C and inner width C/4
    "se": (SE(reduction=4), lambda c: 2 * c * (c // 4) + c // 4 + c),
    "se-inner": (SE(reduction=4, base="inner"), lambda c: 2 * c * (c // 16) + c // 16 + c),
    "se-no-biases": (SE(reduction=4, bias=False), lambda c: 2 * c * (c // 4)),
    "eca": (ECA(kernel=7), lambda c: 7),
    "cbam": (CBAM(bias=False), lambda c: 2 * c * (c // 16) + 98),
    "srm": (SRM(), lambda c: 2 * c + 2 * c),
    "spa": (SPA(), lambda c: 22 * c * (c // 16)),
    "sem": (
        SEM(base="output"),
        lambda c: 2 * c * (c // 4) + c // 4 + 6 * c + 3 + (3 if c <= 64 else 5),
    ),
    "spem": (SPEM(), lambda c: 4 * c + 2),
    "sge": (SGE(groups=64), lambda c: 2 * 64),
    "selfatt": (SelfAttention(), lambda c: 3 * (c * c + c) + 1),
    "mha": (MultiHead(), lambda c: 4 * (c * c + c) + 1),
}


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("name", ONE_MAP)
def test_a_gate_has_the_parameters_of_its_formula_in_every_block(name: str, width: int) -> None:
    gate, formula = ONE_MAP[name]
    assert added(resnet(2, width), gate) == 2 * sum(map(formula, outputs(width)))


def test_the_kernel_of_sem_follows_from_the_channels() -> None:
    """3 for 64 channels; 5 for 128, 256 and 512."""
    expected = sum(2 * c * (c // 4) + c // 4 + 6 * c + 3 for c in (64, 128, 256)) + 3 + 5 + 5
    assert added(resnet(1), SEM(base="output")) == expected
    assert added(resnet(1), replace(SEM(base="output"), kernel=5)) == expected + 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("reduction", [1, 2, 4, 8, 16, 20])
def test_a_cell_of_dia_has_10nq_2q_8n_once_a_stage(width: int, reduction: int) -> None:
    expected = sum(10 * n * (n // reduction) + 2 * (n // reduction) + 8 * n for n in outputs(width))
    assert added(resnet(3, width), DIA(reduction=reduction)) == expected
    more = added(resnet(3, width), DIA(reduction=reduction, cells=3)) - expected
    assert more == 2 * sum(8 * n * n + 8 * n for n in outputs(width))


def test_the_cells_of_dia_have_the_counts_of_the_notes() -> None:
    parts = {64: 10_784, 128: 42_048, 256: 166_016, 512: 659_712}
    for n, count in parts.items():
        assert 10 * n * (n // 4) + 2 * (n // 4) + 8 * n == count
    assert added(resnet(1), DIA()) == parts[64] + parts[128] + parts[256] == 218_848
    dia, plain = PRESETS["dia/resnext101-dia"], PRESETS["dia/resnext101"]
    assert dia.params - plain.params == parts[128] + parts[256] + parts[512] == 867_776


@pytest.mark.parametrize("width", WIDTHS)
def test_the_light_cell_has_4nq_q_13n_once_a_stage(width: int) -> None:
    expected = sum(4 * n * (n // 16) + n // 16 + 13 * n for n in outputs(width))
    assert added(resnet(3, width), DIALight()) == expected


def test_the_light_cells_other_forms_have_their_counts_too() -> None:
    """Form A for the two sets of widths, all eight terms w·x + b, and one more linear term."""
    assert added(resnet(1), DIALight()) == 27_356
    assert PRESETS["dia/resnext101-light"].params - 32_092_074 == 97_720
    none = DIALight(input_i="ie", input_f="ie", input_o="ie")
    assert added(resnet(1), none) == 16 * (64 + 128 + 256)
    hidden = added(resnet(1), DIALight(hidden_i="linear")) - 27_356
    assert hidden == sum(2 * n * (n // 16) + n // 16 - n for n in (64, 128, 256))


def test_a_cell_in_a_pre_activation_network_brings_a_norm_a_block() -> None:
    for name, norms in (("dia/wrn52-4", 7_168), ("dia/preresnet164", 16_128)):
        arch = PRESETS[name].arch
        assert isinstance(arch.activation, Pre)
        assert added(arch, DIA()) == 218_848 + norms
        assert added(arch, DIA(tail_norm=False)) == 218_848
        assert added(arch, SRM()) == 4 * sum(
            n * c for n, c in zip(arch.blocks, (64, 128, 256), strict=True)
        )


@pytest.mark.parametrize(("depth", "percent"), [(164, "94.4"), (83, "88.9")])
def test_sharing_removes_the_printed_share_of_a_gate(depth: int, percent: str) -> None:
    plain = PRESETS[f"dia/resnet{depth}"].params
    for gate in ("se", "eca", "cbam", "spa", "sem", "spem"):
        own, shared = (PRESETS[f"dia/resnet{depth}-{gate}{s}"].params for s in ("", "-shared"))
        assert f"{100 * (own - shared) / (own - plain):.1f}" == percent
    srm = [PRESETS[f"dia/resnet{depth}-srm{s}"].params for s in ("", "-shared", "-shared-norm")]
    own, shared, norm_too = (count - plain for count in srm)
    assert f"{100 * (own - shared) / own:.1f}" == {"94.4": "47.2", "88.9": "44.4"}[percent]
    assert f"{100 * (own - norm_too) / own:.1f}" == percent


@pytest.mark.parametrize("depth", [83, 164, 245, 326])
def test_no_norm_keeps_the_896_parameters_of_the_projections(depth: int) -> None:
    for gate in ("", "-se", "-dia"):
        network = build(PRESETS[f"dia/resnet{depth}-no-norm{gate}"].arch, classes=10)
        norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
        assert [one.num_features for one in norms] == [64, 128, 256]
        assert sum(p.numel() for one in norms for p in one.parameters()) == 896
    per_block = sum(12 * p for p in (16, 32, 64))
    whole = params(PRESETS[f"dia/resnet{depth}"].arch)
    stem, blocks = 32, depth // 9
    assert params(PRESETS[f"dia/resnet{depth}-no-norm"].arch) == whole - stem - blocks * per_block


def test_no_skip_removes_the_42880_parameters_of_the_projections() -> None:
    for name in ("dia/resnet56", "dia/resnet164"):
        for gate in ("", "-se", "-dia"):
            without = f"{name}-no-skip{gate}"
            with_skips = replace(PRESETS[name].arch, gate=PRESETS[without].arch.gate)
            assert params(with_skips) - PRESETS[without].params == 42_880


@pytest.mark.parametrize("gated", [1, 2, 3])
def test_a_stage_without_dia_has_no_cell(gated: int) -> None:
    whole, without = (
        PRESETS["dia/resnet164-dia"],
        PRESETS[f"dia/resnet164-dia-without-stage{gated}"],
    )
    assert whole.params - without.params == (10_784, 42_048, 166_016)[gated - 1]


@pytest.mark.parametrize("width", [8, 16, 24, 40])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("reduction", [2, 4, 8, 16])
def test_attention_in_a_convolution_has_the_parameters_of_its_formula(
    width: int, kernel: int, reduction: int
) -> None:
    arch = Arch(blocks=(1, 1, 1), stem_channels=width, width=Doubling(channels=width))
    gate = InputAttention(place=InConvolution(on="body"), kernel=kernel, reduction=reduction)
    inputs = (width, width, width, 2 * width, 2 * width, 4 * width)
    channel = sum(2 * c * max(1, c // reduction) for c in inputs)
    spatial = sum(c * kernel**2 + 1 for c in inputs)
    assert added(arch, gate) == channel + spatial
    assert added(arch, replace(gate, masks="channel")) == channel
    assert added(arch, replace(gate, masks="spatial")) == spatial


def test_gradattn_has_the_parameters_of_its_formulas() -> None:
    backbone, taps = 11_002_688, (64, 64, 128, 256, 512)
    arch = PRESETS["gradattn/no-pe"].arch
    for d, heads, f, layers, classes in (
        (256, 8, 512, 3, 10),
        (32, 16, 2, 3, 10),
        (64, 4, 96, 1, 7),
    ):
        head = Tokens(channels=d, heads=heads, hidden=f, layers=layers)
        encoder = 4 * d * d + 4 * d + 2 * d * f + f + d + 4 * d
        tapped = sum(c * d + d for c in taps)
        whole = backbone + tapped + layers * encoder + d * classes + classes
        assert params(replace(arch, head=head), classes) == whole
        learned = replace(arch, head=replace(head, position="learned"))
        assert params(learned, classes) == whole + 5 * d
        rotary = replace(arch, head=replace(head, position="rotary"))
        assert params(rotary, classes) == whole - layers * 3 * d
        assert params(replace(arch, head=head), classes, (1, 32, 32)) == whole - 6_272
    assert 12_849_994 - backbone == 263_424 + 3 * 527_104 + 2_570


def test_gradattns_gates_have_the_parameters_of_their_formulas() -> None:
    arch = PRESETS["gradattn/resnet18"].arch
    assert isinstance(arch.stem, Conv7)
    assert added(arch, SE(bias=False)) == 87_040
    assert added(arch, CBAM(bias=False)) == 87_040 + 8 * 98


def test_concatenation_on_the_frame_of_as_out_adds_what_the_formula_says() -> None:
    inner = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    added_by_reading = sum((number - 1) * 128 * m for number, m in enumerate(inner, start=1))
    assert PRESETS["as/out-concat"].params == 12_308_106 + added_by_reading


def test_dias_systems_have_the_gates_that_their_names_say() -> None:
    """A twin of the table: what differs from the backbone is the gate alone."""
    for name, one in PRESETS.items():
        base = next((b for b in ("dia/wrn52-4", "dia/resnext101") if name.startswith(b)), None)
        if base is None or name == base:
            continue
        plain = PRESETS[base].arch
        assert replace(one.arch, gate=NoGate()) == plain, name
        if isinstance(one.arch.gate, OneMap):
            assert (one.arch.gate.sharing == "stage") == ("-shared" in name), name


def test_no_skip_and_no_norm_differ_from_their_backbones_in_that_alone() -> None:
    for name in ("dia/resnet164-no-norm", "dia/resnet164-no-skip"):
        arch, whole = PRESETS[name].arch, PRESETS["dia/resnet164"].arch
        assert replace(arch, norm=whole.norm, last_norm=whole.last_norm) == replace(
            whole, shortcut=arch.shortcut
        )
    assert isinstance(PRESETS["dia/resnet164-no-skip"].arch.shortcut, NoShortcut)
    assert isinstance(PRESETS["dia/resnet164-no-norm"].arch.last_norm, NoNorm)
