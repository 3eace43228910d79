"""Parameter counts of the published systems, as literals, against the networks."""

import pytest

from skipsearch.searchspace import PRESETS, describe
from tests.support.presets import params

EXACT = {  # for the preset's own classes and images
    # attention-shortcuts.md 1.2 to 1.6
    "as/resnet50": 23_520_842,
    "as/resnet50-half": 5_899_050,
    "as/resnet50-half-inner": 10_345_674,
    "as/resnet50-half-outputs": 16_741_450,
    "as/resnet50-plain": 20_744_266,
    "as/out": 12_308_106 + (16 + 2 * 4) * 16_384,
    "as/kv": 13_861_834 + 1_343_488 + 2 * 348_160 + 2 * 172_032,
    "as/out-literal": 12_308_106 + 4 * 16_384,
    "as/kv-literal": 13_689_802 + 4 * 348_160 + 344_064,
    "as/stages": 23_520_842 + 933_888 + 3_712,
    "as/stages-own": 23_520_842 + 8_192 + 4 * (256**2 + 512**2 + 1024**2) + 2 * 671_744 + 3_712,
    "as/out-sum": 12_308_106,
    "as/out-plain": 12_308_106,
    "as/out-weighted": 12_308_106 + 128 * sum(range(1, 17)),
    "as/out-concat": 12_308_106 + 24_576 + 294_912 + 1_867_776 + 2_752_512,
    # cnntention.md 2.1 to 2.4
    "cnntention/resnet20": 269_722,
    "cnntention/selfatt": 269_722 + 16_467,
    "cnntention/selfatt-ungated": 269_722 + 16_467 - 3,
    "cnntention/selfatt-no-residual": 269_722 + 16_467 - 3,
    "cnntention/mha": 269_722 + 21_955,
    "cnntention/cbam": 269_722 + 131 + 227 + 611,
    "cnntention/cbam-r8": 269_722 + 163 + 355 + 1_123,
    "cnntention/cbam-r32": 270_371,
    "cnntention/cbam-blocks": 269_722 + 2 * (227 + 611 + 2_147),
    # aicnn.md 3.3, 3.4
    "aicnn/resnet50": 26_056_440,
    "aicnn/resnet50-plain": 25_557_032,
    "aicnn/resnet50-all": 31_617_116,
    "aicnn/resnet50-first": 27_548_200,
    "aicnn/resnet50-later": 27_514_088,
    "aicnn/resnet50-cifar": 24_020_250,
    "aicnn/resnet50-cifar-plain": 23_520_842,
    "aicnn/resnet20": 307_420,
    # dia.md 2.5: 100 classes
    "dia/imagenet-resnet18": 11_227_812,
    "dia/imagenet-resnet34": 21_335_972,
    "dia/imagenet-resnet50": 23_712_932,
    "dia/imagenet-resnet101": 42_705_060,
    "dia/imagenet-resnet18-dia": 12_106_372,
    "dia/imagenet-resnet34-dia": 22_214_532,
    "dia/imagenet-resnet50-dia": 37_671_972,
    "dia/imagenet-resnet18-dia-r20": 11_403_904,
    "dia/imagenet-resnet34-dia-r20": 21_512_064,
    "dia/imagenet-resnet50-dia-r20": 26_513_952,
    # gradattn.md 4.1
    "gradattn/resnet18": 11_181_642,
    "gradattn/no-pe": 12_849_994,
    "gradattn/no-pe-small": 11_049_488,
    "gradattn/learnable": 12_851_274,
    "gradattn/rope": 12_847_690,
    "gradattn/se": 11_268_682,
    "gradattn/cbam": 11_269_466,
}
CIFAR = {  # dia.md 2 to 5: 10 and 100 classes, and how table 4 prints them
    "resnet56": (591_322, 614_452),
    "resnet56-basic": (855_770, 861_620),
    "resnet164": (1_704_154, 1_727_284, "1.70M", "1.73M"),
    "preresnet164": (1_703_258, 1_726_388),
    "resnext101": (32_092_074, 32_138_244),
    "resnet164-se": (1_906_258, 1_929_388, "1.91M", "1.93M"),
    "resnet164-eca": (1_704_424, 1_727_554, "1.70M", "1.73M"),
    "resnet164-cbam": (1_902_982, 1_926_112, "1.92M", "1.93M"),
    "resnet164-cbam-official": (1_911_658, 1_934_788, "1.92M", "1.93M"),
    "resnet164-spa": (3_833_050, 3_856_180, "1.93M", "1.96M"),
    "resnet164-sem": (1_946_974, 1_970_104, "1.95M", "1.97M"),
    "resnet164-spem": (1_736_518, 1_759_648, "1.74M", "1.76M"),
    "resnet164-dia": (1_923_002, 1_946_132, "1.92M", "1.95M"),
    "resnet164-light": (1_731_510, 1_754_640, "1.73M", "1.75M"),
    "wrn52-4-se": (12_397_914, 12_421_044, "12.40M", "12.42M"),
    "wrn52-4-eca": (12_049_490, 12_072_620, "12.05M", "12.07M"),
    "wrn52-4-cbam": (12_137_738, 12_160_868, "12.14M", "12.16M"),
    "wrn52-4-srm": (12_063_706, 12_086_836, "12.06M", "12.09M"),
    "wrn52-4-spem": (12_063_754, 12_086_884, "12.06M", "12.09M"),
    "wrn52-4-dia": (12_275_386, 12_298_516, "12.28M", "12.30M"),
    "wrn52-4-light": (12_083_894, 12_107_024, "12.08M", "12.11M"),
    "resnext101-se": (33_984_426, 34_030_596, "33.98M", "34.03M"),
    "resnext101-eca": (32_092_239, 32_138_409, "32.09M", "32.14M"),
    "resnext101-cbam": (32_568_396, 32_614_566, "32.56M", "32.61M"),
    "resnext101-spa": (52_907_946, 52_954_116, "52.90M", "52.95M"),
    "resnext101-sem": (34_046_290, 34_092_460, "34.04M", "34.09M"),
    "resnet164-dia-3cells": (3_306_426, 3_329_556, "", "3.33M"),
    "resnet56-no-skip": (548_442, 571_572),
    "resnet56-no-skip-dia": (767_290, 790_420),
    "resnet164-no-skip": (1_661_274, 1_684_404),
    "resnet164-no-skip-se": (1_863_378, 1_886_508),
    "resnet164-no-skip-dia": (1_880_122, 1_903_252),
    "preresnet164-dia": (1_938_234, 1_961_364),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_preset_has_the_count_of_the_notes(name: str) -> None:
    one = PRESETS[name]
    assert params(one.arch, one.classes, one.shape) == one.params == EXACT[name]


@pytest.mark.parametrize("name", CIFAR)
def test_a_preset_of_dia_has_the_counts_and_figures_of_the_notes(name: str) -> None:
    one, (of_10, of_100, *printed) = PRESETS[f"dia/{name}"], CIFAR[name]
    cifar100 = one.figures[0]
    assert cifar100.dataset == "cifar100"
    assert (params(one.arch, 10), params(one.arch, 100)) == (of_10, of_100)
    assert [one.printed, cifar100.printed] == (printed or ["", ""])


def test_the_other_figures_are_printed_as_the_notes_say() -> None:
    printed = {name: one.printed for name, one in PRESETS.items() if not name.startswith("dia/")}
    assert {name: text for name, text in printed.items() if text} == {
        "as/resnet50": "23.5M",
        "as/out": "12.7M",
        "as/kv": "16.2M",
        "as/out-literal": "12.7M",
        "as/kv-literal": "16.2M",
        "aicnn/resnet50": "27.5M",
        "aicnn/resnet50-all": "27.5M",
        "aicnn/resnet50-first": "27.5M",
        "aicnn/resnet50-later": "27.5M",
        "gradattn/resnet18": "11,181,642",
        "gradattn/no-pe": "12,849,994",
        "gradattn/no-pe-small": "11,049,488",
        "gradattn/learnable": "12,851,274",
        "gradattn/rope": "12,847,690",
        "gradattn/se": "11,268,682",
        "gradattn/cbam": "11,269,466",
    }
    given = {f"dia/{name}" for name, row in CIFAR.items() if len(row) > 2}
    assert {n for n, p in PRESETS.items() if any(f.printed for f in (p, *p.figures))} == {
        *given,
        *(name for name, text in printed.items() if text),
    }


def test_other_classes_and_images_change_the_count_as_the_notes_say() -> None:
    assert params(PRESETS["cnntention/resnet20"].arch, 100) == 269_722 + 5_850
    assert params(PRESETS["cnntention/resnet20"].arch, 10, (1, 28, 28)) == 269_722 - 2 * 9 * 16
    assert params(PRESETS["as/out"].arch, 100) == 12_701_322 + 12_900 - 1_290
    assert params(PRESETS["dia/imagenet-resnet50"].arch, 2, (3, 224, 224)) == 23_512_130
    stl10 = [n for n, p in PRESETS.items() if any(f.dataset == "stl10" for f in p.figures)]
    assert {"dia/resnet164-sem", "dia/wrn52-4-dia"} <= set(stl10)


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("as/resnet50", 1_297_829_888),
        ("as/out", 1_000_998_144 + 5_390_336),
        ("cnntention/resnet20", 40_551_040),
        ("cnntention/selfatt", 81_183_360),
        ("cnntention/mha", 81_969_792),
        ("cnntention/cbam", 40_684_096),
        ("aicnn/resnet50", 4_182_926_336),
        ("aicnn/resnet50-plain", 4_089_184_256),
        ("aicnn/resnet50-all", 4_609_222_144),
        ("gradattn/resnet18", 37_016_576),
        ("gradattn/no-pe", 44_785_664),
    ],
)
def test_a_preset_has_exactly_the_macs_of_the_notes(name: str, macs: int) -> None:
    one = PRESETS[name]
    assert describe(one.arch, classes=one.classes, shape=one.shape).macs == macs


@pytest.mark.parametrize(
    ("name", "giga"), [("aicnn/resnet50-first", "4.091"), ("aicnn/resnet50-later", "4.096")]
)
def test_the_fits_of_aicnns_count_have_more_macs_than_it_prints(name: str, giga: str) -> None:
    macs = describe(PRESETS[name].arch, classes=1000, shape=(3, 224, 224)).macs
    assert f"{macs / 1e9:.3f}" == giga
