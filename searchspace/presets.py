"""The published systems as architectures, each with its source, printed figure and exact count.

Two families share a frame: ResNet-50 with its stem of 3×3 for 32×32 images, and ResNet-20. A
preset is a literal, or a literal with some parts replaced; none has code of its own.
"""

from dataclasses import dataclass, replace

from searchspace.arch import (
    Arch,
    Bottleneck,
    Constant,
    Doubling,
    Expansion,
    LayerNorm,
)
from searchspace.domains import nearest
from searchspace.gates import CBAM, MultiHead, SelfAttention
from searchspace.shortcuts import (
    Attention,
    BetweenStages,
    EveryBlock,
    NoShortcut,
    Sum,
)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published system, and what its paper prints of it."""

    name: str
    arch: Arch
    source: str
    table: str  # where the figure is printed
    printed: str  # the figure as printed, "" where the paper prints none
    params: int  # exact, for `classes` classes and images of `shape`
    classes: int = 10
    shape: tuple[int, int, int] = (3, 32, 32)
    note: str = ""  # what differs from the source, or why its figure cannot be met


AS = "Introducing attention shortcuts in convolutional neural networks, ERA 33(8)"
CNNTENTION = "CNNtention, arXiv 2412.11657"

RESNET50 = Arch(
    stem_channels=64,
    stages=4,
    blocks=(3, 4, 6, 3),
    body=Bottleneck(),
    width=Doubling(channels=64),
    output=Expansion(ratio=4),
)
AS_OUT = replace(
    RESNET50,
    stem_channels=128,
    output=Constant(channels=128),
    last_norm=LayerNorm(),
    activation="linear",
    shortcut=Attention(),
)
AS_KV = replace(
    AS_OUT,
    stem_channels=64,
    output=Expansion(ratio=1),
    shortcut=Attention(placement=EveryBlock(downsampling="keys_values")),
)
RESNET20 = Arch(shortcut=Sum(match="zero_pad"))

_MATCHED = "a query a use, keys and values a stage, no output projection (D1)"
_LITERAL = "equation 3.2 with all four matrices (T); the printed figure lies above it"


def _attention(placement: EveryBlock) -> Attention:
    return Attention(placement=placement)


_ALL = (
    Preset(
        name="as/resnet50",
        arch=RESNET50,
        source=AS,
        table="table 1",
        printed="23.5M",
        params=23_520_842,
    ),
    Preset(
        name="as/resnet50-half",
        arch=replace(RESNET50, stem_channels=32, width=Doubling(channels=32)),
        source=AS,
        table="table 1",
        printed="",
        params=5_899_050,
        note="all widths halved, the ordinary meaning of 0.5×; the text says only width-reduced",
    ),
    Preset(
        name="as/resnet50-plain",
        arch=replace(RESNET50, shortcut=NoShortcut()),
        source=AS,
        table="table 1",
        printed="",
        params=20_744_266,
    ),
    Preset(
        name="as/out",
        arch=AS_OUT,
        source=AS,
        table="table 1",
        printed="12.7M",
        params=12_701_322,
        note=_MATCHED,
    ),
    Preset(
        name="as/kv",
        arch=AS_KV,
        source=AS,
        table="table 1",
        printed="16.2M",
        params=16_245_706,
        note=_MATCHED,
    ),
    Preset(
        name="as/out-literal",
        arch=replace(AS_OUT, shortcut=_attention(EveryBlock(projections="literal"))),
        source=AS,
        table="table 1",
        printed="12.7M",
        params=12_373_642,
        note=_LITERAL,
    ),
    Preset(
        name="as/kv-literal",
        arch=replace(
            AS_KV,
            shortcut=_attention(EveryBlock(downsampling="keys_values", projections="literal")),
        ),
        source=AS,
        table="table 1",
        printed="16.2M",
        params=15_426_506,
        note=_LITERAL,
    ),
    Preset(
        name="as/stages",
        arch=replace(
            RESNET50,
            shortcut=Attention(entry_norm="layer", placement=BetweenStages(channels=128)),
        ),
        source=AS,
        table="section 4",
        printed="",
        params=24_458_442,
        note="the paper prints no count and no dimensions; common width 128 is chosen",
    ),
    Preset(
        name="cnntention/resnet20",
        arch=RESNET20,
        source=CNNTENTION,
        table="table 3",
        printed="",
        params=269_722,
    ),
    Preset(
        name="cnntention/selfatt",
        arch=replace(RESNET20, gate=SelfAttention(place="stage")),
        source=CNNTENTION,
        table="table 3",
        printed="",
        params=286_189,
    ),
    Preset(
        name="cnntention/mha",
        arch=replace(RESNET20, gate=MultiHead(place="stage")),
        source=CNNTENTION,
        table="table 3",
        printed="",
        params=291_677,
    ),
    Preset(
        name="cnntention/cbam",
        arch=replace(RESNET20, gate=CBAM(place="stage", combine="add")),
        source=CNNTENTION,
        table="table 3",
        printed="",
        params=270_691,
        note="reduction 16, the tuned final; a residual inside the module, unlike CBAM's own",
    ),
)

PRESETS = {preset.name: preset for preset in _ALL}


def preset(name: str) -> Preset:
    """The preset of that name. Raises ValueError with the nearest names."""
    if name not in PRESETS:
        raise ValueError(f"{name} is not a preset{nearest(name, list(PRESETS))}")
    return PRESETS[name]
