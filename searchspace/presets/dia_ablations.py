"""DIA's tables 10 to 14 and figures 9 and 10: the cell varied, other depths, no norms, no skips.

One of the counts that these tables print is repeated here as a printed figure; the others are not.
Table 15, without augmentation, is the recipe dia/resnet-plain.
"""

from collections.abc import Iterator
from dataclasses import replace

from skipsearch.searchspace.arch.arch import NoNorm
from skipsearch.searchspace.arch.gate_places import SomeStages
from skipsearch.searchspace.arch.gates import SE
from skipsearch.searchspace.arch.recurrent_gates import DIA
from skipsearch.searchspace.arch.shortcuts import NoShortcut, Projection, Sum
from skipsearch.searchspace.presets.dia_backbones import DEPTHS, RESNET56
from skipsearch.searchspace.presets.dia_rows import Row, systems
from skipsearch.searchspace.presets.preset import Preset, Result, variant

_SE = SE(reduction=4, base="inner")


def _accuracy(mean: float, note: str = "") -> tuple[Result, ...]:
    """Make a result of table 13."""
    return (
        Result(dataset="cifar100", metric="test_accuracy", mean=mean, table="table 13", note=note),
    )


def _without_norms(base: Preset, params: int) -> Preset:
    """Remove all norms but those of the projections, which the printed counts contain."""
    kept = Sum(match=Projection(norm="batch"))
    arch = replace(base.arch, norm=NoNorm(), last_norm=NoNorm(), shortcut=kept)
    note = "the norms of the projections are kept: 896 parameters"
    return variant(base, f"{base.name}-no-norm", arch, params, table="table 14", note=note)


def _without_skips(base: Preset, params: int, figure: str) -> Preset:
    """Remove skips and their projections; trained as in the AAAI paper."""
    arch, note = replace(base.arch, shortcut=NoShortcut()), "no projections either"
    plain = variant(base, f"{base.name}-no-skip", arch, params, table=figure, note=note)
    return replace(plain, recipe="dia/repository")


_DEEPER = {245: (2_841_934, 2_757_626), 407: (4_713_286, 4_426_874)}
_CELLS = (
    Row("dia-r1", DIA(reduction=1), 2_568_794, table="table 10"),
    Row("dia-r8", DIA(reduction=8), 1_815_370, table="table 10"),
    Row("dia-r16", DIA(reduction=16), 1_761_554, table="table 10"),
)
_OUTPUTS = (
    Row("dia-tanh", DIA(output="tanh"), 1_923_002, table="table 12"),
    Row("dia-relu", DIA(output="relu"), 1_923_002, table="table 12"),
    Row(
        "dia-3cells",
        DIA(cells=3),
        3_306_426,
        printed=("", "3.33M"),
        note="the cells after the first are not reduced",
        table="table 12",
    ),
)
_STAGES = (
    ((False, True, True), 1_912_218, _accuracy(76.85)),
    ((True, False, True), 1_880_954, ()),
    ((True, True, False), 1_756_986, _accuracy(75.78, "76.85, stage 1's, in the text")),
)
_NO_NORM = {  # plain, SE, DIA
    83: (857_402, 958_454, 914_802),
    164: (1_679_930, 1_882_034, 1_737_330),
    245: (2_502_458, 2_805_614, 2_559_858),
    326: (3_324_986, 3_729_194, 3_382_386),
}
_NO_SKIP = (  # the last two: the figure that they stand in, and that of SE
    (RESNET56, (548_442, 615_810, 767_290), "figure 9", ""),
    (DEPTHS[164], (1_661_274, 1_863_378, 1_880_122), "figure 10", "figure 10"),
)


def _systems() -> Iterator[Preset]:
    yield from systems(DEPTHS[164], *_CELLS)
    for depth, (se, dia) in _DEEPER.items():
        se_row = Row("se", _SE, se, table="table 11")
        yield from systems(DEPTHS[depth], se_row, Row("dia", DIA(), dia, table="table 11"))
    yield from systems(DEPTHS[164], *_OUTPUTS)
    for gated, params, results in _STAGES:
        label = f"dia-without-stage{1 + gated.index(False)}"
        gate = DIA(stages=SomeStages(gated=gated))
        row = Row(label, gate, params, table="table 13", results=results)
        yield from systems(DEPTHS[164], row)
    for depth, (plain, se, dia) in _NO_NORM.items():
        base = _without_norms(DEPTHS[depth], plain)
        yield base
        se_row = Row("se", _SE, se, table="table 14")
        dia_row = Row("dia", DIA(reduction=16), dia, note="r = 16", table="table 14")
        yield from systems(base, se_row, dia_row)
    for whole, (plain, se, dia), figure, figure_of_se in _NO_SKIP:
        base = _without_skips(whole, plain, figure)
        yield base
        se_row = Row("se", _SE, se, table=figure_of_se)
        yield from systems(base, se_row, Row("dia", DIA(), dia, table=figure))


SYSTEMS = tuple(_systems())
