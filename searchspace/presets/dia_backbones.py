"""The backbones of DIA (https://arxiv.org/abs/2210.16101) for CIFAR and STL-10, without a gate.

The published accuracies are the best on test of all epochs. Tables 11 and 14 have gates on ResNets
of 245, 326 and 407 layers and ResNets without norms; these plain ones are what those are made of.
"""

from dataclasses import replace

from skipsearch.searchspace.arch.arch import Arch, Doubling, EachStage, Expansion, NoNorm
from skipsearch.searchspace.arch.blocks import Basic, Bottleneck, Pre
from skipsearch.searchspace.arch.recurrent_gates import DIA
from skipsearch.searchspace.arch.shortcuts import Projection, Sum
from skipsearch.searchspace.presets.preset import Figure, Preset, Result, variant

SOURCE = "DIA, https://arxiv.org/abs/2210.16101"
LIGHT = "form A: which terms of the light cell are linear is only in a figure of the paper"

RESNET = Arch(body=Bottleneck(), output=Expansion(ratio=4), init="convolutions")
RESNET164 = replace(RESNET, blocks=(18, 18, 18))
_PROJECTION = Sum(match=Projection(norm="none"))
PRERESNET164 = replace(RESNET164, activation=Pre(), last_norm=NoNorm(), shortcut=_PROJECTION)
WRN52_4 = Arch(
    blocks=(8, 8, 8),
    body=Basic(dropout=0.3),
    width=Doubling(channels=64),
    activation=Pre(projection="activated"),
    last_norm=NoNorm(),
    shortcut=_PROJECTION,
    init="zero_bias",
)
RESNEXT101 = Arch(
    stem_channels=32,
    blocks=(11, 11, 11),
    body=Bottleneck(groups=8),
    width=Doubling(channels=256),
    output=EachStage(channels=(128, 256, 512)),
    init="classifier",
)


def _cifar(
    name: str, arch: Arch, cifar10: int, cifar100: int, *printed: str, table: str, recipe: str
) -> Preset:
    """Make a backbone for CIFAR from its counts for 10 and 100 classes, and both as printed."""
    of_10, of_100 = printed or ("", "")
    figure = Figure(
        dataset="cifar100", classes=100, shape=(3, 32, 32), params=cifar100, printed=of_100
    )
    return Preset(
        name=f"dia/{name}",
        arch=arch,
        source=SOURCE,
        table=table,
        printed=of_10,
        params=cifar10,
        figures=(figure,),
        recipe=recipe,
    )


def _resnet(depth: int, cifar10: int, cifar100: int, *printed: str, table: str) -> Preset:
    """Make the ResNet of 9n + 2 layers, with n blocks in each stage."""
    blocks = (depth // 9,) * 3
    return _cifar(
        f"resnet{depth}",
        replace(RESNET, blocks=blocks),
        cifar10,
        cifar100,
        *printed,
        table=table,
        recipe="dia/resnet",
    )


def _with_stl10(one: Preset) -> Preset:
    """Add the figure for the 96×96 images of table 6, whose maps are averaged whole."""
    stl10 = Figure(dataset="stl10", classes=10, shape=(3, 96, 96), params=one.params)
    return replace(one, figures=(*one.figures, stl10))


RESNET56 = replace(
    _resnet(56, 591_322, 614_452, table=""),
    note="figure 9 has it without skips",
)
DEPTHS = {
    83: _resnet(83, 869_530, 892_660, table="table 3"),
    164: replace(
        _with_stl10(
            _resnet(164, 1_704_154, 1_727_284, "1.70M", "1.73M", table="tables 3, 4, 6, 15")
        ),
        results=(
            Result(dataset="cifar10", metric="test_accuracy", mean=93.16, n=15, table="table 3"),
            Result(dataset="cifar10", metric="test_accuracy", mean=93.39, n=15, table="table 4"),
        ),
    ),
    245: _resnet(245, 2_538_778, 2_561_908, table=""),
    326: _resnet(326, 3_373_402, 3_396_532, table=""),
    407: _resnet(407, 4_208_026, 4_231_156, table=""),
}
WRN = _with_stl10(
    _cifar("wrn52-4", WRN52_4, 12_049_370, 12_072_500, table="tables 4, 6", recipe="dia/wrn")
)
RESNEXT = replace(
    _cifar("resnext101", RESNEXT101, 32_092_074, 32_138_244, table="table 4", recipe="dia/resnext"),
    note="8 groups of 32 channels in the first stage (8x32); outputs of 128, 256, 512",
)
_PRERESNET = replace(
    _cifar("preresnet164", PRERESNET164, 1_703_258, 1_726_388, table="", recipe="dia/resnet"),
    note="of the repository and the AAAI paper, not in this paper's tables",
)

SYSTEMS = (
    RESNET56,
    replace(
        _cifar(
            "resnet56-basic",
            Arch(blocks=(9, 9, 9), init="convolutions"),
            855_770,
            861_620,
            table="",
            recipe="dia/resnet",
        ),
        note="56 = 6n + 2 with two 3×3 convolutions a block; the code would build 9n + 2",
    ),
    *DEPTHS.values(),
    _PRERESNET,
    variant(
        _PRERESNET,
        "dia/preresnet164-dia",
        replace(PRERESNET164, gate=DIA()),
        1_938_234,
        table="",
        note="a norm more in each block, before the gate",
    ),
    WRN,
    RESNEXT,
)
