"""Attention Shortcuts: every block attends over all earlier outputs (ERA 33(8)).

ResNet-50 with a stem of 3×3 for 32×32 images, and the frame of AS_out with other shortcuts. Initial
weights are chosen, since the source gives none: Kaiming fan-out convolutions, torch's own linears.
"""

from dataclasses import replace

from skipsearch.searchspace.arch.arch import (
    Arch,
    Constant,
    Doubling,
    EachStage,
    Expansion,
    LayerNorm,
)
from skipsearch.searchspace.arch.blocks import Bottleneck, Linear
from skipsearch.searchspace.arch.shortcuts import (
    Attention,
    BetweenStages,
    Concat,
    EveryBlock,
    Identity,
    NoShortcut,
    OwnWidths,
    Sum,
    Weighted,
)
from skipsearch.searchspace.presets.preset import Figure, Preset, Result, variant

RESNET50 = Arch(
    stem_channels=64,
    stages=4,
    blocks=(3, 4, 6, 3),
    body=Bottleneck(),
    width=Doubling(channels=64),
    output=Expansion(ratio=4),
    init="convolutions",
)
AS_OUT = replace(
    RESNET50,
    stem_channels=128,
    output=Constant(channels=128),
    last_norm=LayerNorm(),
    activation=Linear(),
    shortcut=Attention(),
)
AS_KV = replace(
    AS_OUT,
    stem_channels=64,
    output=Expansion(ratio=1),
    shortcut=Attention(placement=EveryBlock(downsampling="keys_values")),
)

_MATCHED = (
    "a query for each use, keys and values for each stage, no output projection; initial weights "
    "are chosen: Kaiming fan-out convolutions, torch's own linears"
)
_BETWEEN = "the printed figure lies between a set of matrices for each stage and one for each block"


LITERAL = Attention(placement=EveryBlock(projections="literal"))


def _cifar100(params: int) -> tuple[Figure, ...]:
    return (Figure(dataset="cifar100", classes=100, shape=(3, 32, 32), params=params),)


def _errors(*of_both: tuple[float, float]) -> tuple[Result, ...]:
    """Make results from mean and deviation of the test error of 5 runs, CIFAR-10, then -100."""
    return tuple(
        Result(dataset=dataset, metric="test_error", mean=mean, sd=sd, n=5)
        for dataset, (mean, sd) in zip(("cifar10", "cifar100"), of_both, strict=True)
    )


_RESNET50 = Preset(
    name="as/resnet50",
    arch=RESNET50,
    source="Introducing attention shortcuts in convolutional neural networks, ERA 33(8)",
    table="table 1",
    printed="23.5M",
    params=23_520_842,
    figures=_cifar100(23_705_252),
    recipe="as/cifar",
    results=_errors((5.10, 0.10), (22.12, 0.38)),
)
_OUT = replace(
    _RESNET50,
    name="as/out",
    arch=AS_OUT,
    printed="12.7M",
    params=12_701_322,
    figures=_cifar100(12_712_932),
    note=_MATCHED,
    results=_errors((5.63, 0.13), (24.72, 0.35)),
)
_KV = replace(
    _RESNET50,
    name="as/kv",
    arch=AS_KV,
    printed="16.2M",
    params=16_245_706,
    figures=_cifar100(16_291_876),
    note=_MATCHED,
    results=_errors((5.97, 0.10), (24.92, 0.51)),
)
_HALF = replace(
    _RESNET50,
    name="as/resnet50-half",
    arch=replace(RESNET50, stem_channels=32, width=Doubling(channels=32)),
    table="",
    printed="",
    params=5_899_050,
    figures=_cifar100(5_991_300),
    note="all widths halved, the ordinary meaning of 0.5×; the text says only width-reduced",
    results=_errors((5.74, 0.14), (24.08, 0.26)),
)

SYSTEMS = (
    _RESNET50,
    _HALF,
    variant(
        _RESNET50,
        "as/resnet50-half-inner",
        replace(
            RESNET50,
            width=Doubling(channels=32),
            output=EachStage(channels=(256, 512, 1024, 2048)),
        ),
        10_345_674,
        table="",
        note="0.5× read as half the width inside the blocks: a size near that of as/out",
    ),
    replace(
        _HALF,
        name="as/resnet50-half-outputs",
        arch=replace(RESNET50, output=Expansion(ratio=2)),
        params=16_741_450,
        figures=_cifar100(16_833_700),
        note="0.5× read as half the width of the outputs: a size near that of as/kv",
        results=(),
    ),
    variant(
        _RESNET50,
        "as/resnet50-plain",
        replace(RESNET50, shortcut=NoShortcut()),
        20_744_266,
        table="",
        note="without adds and without projections",
        results=_errors((8.41, 0.20), (40.02, 2.15)),
    ),
    _OUT,
    _KV,
    variant(
        _OUT,
        "as/out-literal",
        replace(AS_OUT, shortcut=LITERAL),
        12_373_642,
        "12.7M",
        table="table 1",
        note="equation 3.2 with all four matrices, one set for the network",
        alternative=True,
        why=f"{_BETWEEN} (12,570,250 and 13,356,682): the text does not say which are a block's",
    ),
    variant(
        _KV,
        "as/kv-literal",
        # each transition changes the width: keys and values are convolved there in either form
        replace(AS_KV, shortcut=LITERAL),
        15_426_506,
        "16.2M",
        table="table 1",
        note="equation 3.2 with all four matrices, one set for each stage",
        alternative=True,
        why=f"{_BETWEEN} (this one and 18,031,562): the text does not say which are a block's",
    ),
    variant(
        _RESNET50,
        "as/stages",
        replace(
            RESNET50,
            shortcut=Attention(entry_norm="layer", placement=BetweenStages()),
        ),
        24_458_442,
        table="",
        note="AS_stages; no count and no widths are printed: a common width of 128 is chosen",
        results=_errors((5.06, 0.09), (22.47, 0.34)),
    ),
    variant(
        _RESNET50,
        "as/stages-own",
        replace(
            RESNET50,
            shortcut=Attention(entry_norm="layer", placement=BetweenStages(width=OwnWidths())),
        ),
        30_381_258,
        table="",
        note="AS_stages with square projections at each entry's width and chained adapters",
    ),
    variant(
        _OUT,
        "as/out-concat",
        replace(AS_OUT, shortcut=Concat(growth=1.0, classifier="newest")),
        17_247_882,
        table="",
        note="concatenation (DenseNet) on the frame of AS_out; the classifier reads the newest",
    ),
    variant(
        _OUT,
        "as/out-weighted",
        replace(AS_OUT, shortcut=Weighted()),
        12_325_514,
        table="",
        note="channel-weighted sum (DSNet) on the frame of AS_out; DSNet also norms each entry",
    ),
    variant(
        _OUT,
        "as/out-sum",
        replace(AS_OUT, shortcut=Sum(match=Identity())),
        12_308_106,
        table="",
        note="the sum of ResNet on the frame of AS_out",
    ),
    variant(
        _OUT,
        "as/out-plain",
        replace(AS_OUT, shortcut=NoShortcut()),
        12_308_106,
        table="",
        note="no shortcut on the frame of AS_out",
    ),
)
