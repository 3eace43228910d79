"""DIA's backbones for mini-ImageNet, chest X-rays and COCO (tables 7 to 9), plain and with gates.

The paper prints no counts of them and gives no recipes. The gates of table 8 are known; of tables
7 and 9 only DIA is. Chosen, where the paper says nothing: SE's usual r = 16, ECA's k = 5 as for
CIFAR.
"""

from dataclasses import replace

from skipsearch.searchspace.arch.arch import Arch, Doubling, Expansion
from skipsearch.searchspace.arch.blocks import Bottleneck, Conv7
from skipsearch.searchspace.arch.gates import ECA, SE, SGE, Gate
from skipsearch.searchspace.arch.recurrent_gates import DIA, DIALight
from skipsearch.searchspace.presets.dia_backbones import LIGHT, SOURCE
from skipsearch.searchspace.presets.dia_rows import Row, systems
from skipsearch.searchspace.presets.preset import Figure, Preset

_ARCH18 = Arch(
    stem=Conv7(),
    stem_channels=64,
    stages=4,
    blocks=(2, 2, 2, 2),
    width=Doubling(channels=64),
    init="convolutions",
)
_ARCH34 = replace(_ARCH18, blocks=(3, 4, 6, 3))
_ARCH50 = replace(_ARCH34, body=Bottleneck(), output=Expansion(ratio=4))
_ARCH101 = replace(_ARCH50, blocks=(3, 4, 23, 3))

_RESNET18 = Preset(
    name="dia/imagenet-resnet18",
    arch=_ARCH18,
    source=SOURCE,
    table="table 7",
    params=11_227_812,
    classes=100,
    shape=(3, 224, 224),
)
_RESNET34 = replace(_RESNET18, name="dia/imagenet-resnet34", arch=_ARCH34, params=21_335_972)
_RESNET50 = replace(
    _RESNET18,
    name="dia/imagenet-resnet50",
    arch=_ARCH50,
    table="tables 7, 8, 9",
    params=23_712_932,
    figures=(Figure(dataset="chest-xray", classes=2, shape=(3, 224, 224), params=23_512_130),),
)
_RESNET101 = replace(
    _RESNET18,
    name="dia/imagenet-resnet101",
    arch=_ARCH101,
    table="table 8",
    params=42_705_060,
    note="for detection on COCO in the paper",
)

_GATES: dict[str, tuple[Gate, str]] = {
    "se": (SE(), "r = 16 is chosen"),
    "eca": (ECA(), "k = 5 is chosen"),
    "sge": (SGE(groups=64), ""),
    "dia": (DIA(), "r = 4 as for CIFAR; the authors' code for ImageNet has 20"),
    "dia-r20": (DIA(reduction=20), "r of the authors' code for ImageNet, whose convs have biases"),
    "light": (DIALight(), LIGHT),
}
_PARAMS = (
    (_RESNET18, (11_316_892, 11_227_852, 11_228_836, 12_106_372, 11_403_904, 11_327_392)),
    (_RESNET34, (21_497_168, 21_336_052, 21_338_020, 22_214_532, 21_512_064, 21_435_552)),
    (_RESNET50, (26_243_924, 23_713_012, 23_714_980, 37_671_972, 26_513_952, 25_155_732)),
    (_RESNET101, (47_482_772, 42_705_225, 42_709_284, 56_664_100, 45_506_080, 44_147_860)),
)


def _rows(base: Preset, counts: tuple[int, ...]) -> list[Row]:
    return [
        Row(label, gate, params, note=note, table=_table(base, label))
        for (label, (gate, note)), params in zip(_GATES.items(), counts, strict=True)
    ]


def _table(base: Preset, label: str) -> str:
    """Return the tables that have this row: all have DIA, of unstated reduction; others table 8."""
    if label == "dia":
        return base.table
    return "table 8" if base in (_RESNET50, _RESNET101) and label != "dia-r20" else ""


SYSTEMS = tuple(
    system for base, counts in _PARAMS for system in (base, *systems(base, *_rows(base, counts)))
)
