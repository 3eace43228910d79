"""Published systems: counts to the unit, multiply-accumulates to the unit."""

import pytest

from searchspace import PRESETS, build, decode, describe, encode, override
from searchspace.arch import Arch
from searchspace.cost import count_params
from searchspace.presets import AS_OUT, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_exactly_its_parameters(name: str) -> None:
    one = PRESETS[name]
    assert describe(one.arch, classes=one.classes, shape=one.shape).params == one.params
    assert count_params(build(one.arch, classes=one.classes, shape=one.shape)) == one.params


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_lies_in_the_search_space(name: str) -> None:
    assert decode(Arch, encode(PRESETS[name].arch)) == PRESETS[name].arch


EXACT = {  # systems/attention-shortcuts.md 1.2 to 1.6, systems/cnntention.md 2.1 to 2.4
    "as/resnet50": 23_520_842,
    "as/resnet50-half": 5_899_050,
    "as/resnet50-plain": 20_744_266,
    "as/out": 12_701_322,
    "as/kv": 16_245_706,
    "as/out-literal": 12_373_642,
    "as/kv-literal": 15_426_506,
    "as/stages": 24_458_442,
    "cnntention/resnet20": 269_722,
    "cnntention/selfatt": 269_722 + 16_467,
    "cnntention/mha": 269_722 + 21_955,
    "cnntention/cbam": 269_722 + 131 + 227 + 611,
}


def test_the_presets_are_the_specified_ones_with_the_specified_counts() -> None:
    assert {name: one.params for name, one in PRESETS.items()} == EXACT


@pytest.mark.parametrize(
    ("name", "changes", "params"),
    [
        ("as/out", {"shortcut": "sum", "shortcut.sum.match": "identity"}, 12_308_106),
        ("as/out", {"shortcut": "none"}, 12_308_106),
        ("cnntention/cbam", {"gate.cbam.reduction": 8}, 269_722 + 163 + 355 + 1_123),
        # hidden width 0 in the source is clamped to 1
        ("cnntention/cbam", {"gate.cbam.reduction": 32}, 270_371),
        ("cnntention/selfatt", {"gate.selfatt.combine": "add"}, 269_722 + 16_467 - 3),
    ],
)
def test_an_override_of_a_preset_has_the_specified_count(
    name: str, changes: dict[str, object], params: int
) -> None:
    arch = override(Arch, changes, PRESETS[name].arch)
    assert describe(arch, classes=10).params == params


def test_classes_and_channels_change_the_count_as_specified() -> None:
    resnet20 = PRESETS["cnntention/resnet20"].arch
    assert describe(resnet20, classes=100).params == 269_722 + 5_850
    assert describe(resnet20, classes=10, shape=(1, 28, 28)).params == 269_722 - 2 * 9 * 16


def test_concatenation_on_the_frame_of_as_out_adds_what_the_formula_says() -> None:
    dense = override(
        Arch,
        {
            "shortcut": "concat",
            "shortcut.concat.growth": 1.0,
            "shortcut.concat.classifier": "newest",
        },
        AS_OUT,
    )
    inner = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    added = sum((number - 1) * 128 * m for number, m in enumerate(inner, start=1))
    assert describe(dense, classes=10).params == 12_308_106 + added


def test_the_weighted_sum_on_the_frame_of_as_out_has_a_vector_for_each_older_entry() -> None:
    arch = override(Arch, {"shortcut": "weighted"}, AS_OUT)
    pairs = sum(consumer - 1 for consumer in range(2, 18))  # blocks 2 to 16 and the classifier
    assert describe(arch, classes=10).params == 12_308_106 + 128 * pairs


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("as/resnet50", 1_297_829_888),
        ("as/out", 1_000_998_144 + 5_390_336),
        ("cnntention/resnet20", 40_551_040),
        ("cnntention/selfatt", 81_183_360),
        ("cnntention/mha", 81_969_792),
        ("cnntention/cbam", 40_684_096),
    ],
)
def test_a_preset_has_exactly_the_specified_macs(name: str, macs: int) -> None:
    assert describe(PRESETS[name].arch, classes=10).macs == macs


def test_an_unknown_preset_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ValueError, match=r"as/ot is not a preset \(nearest: as/out"):
        preset("as/ot")
