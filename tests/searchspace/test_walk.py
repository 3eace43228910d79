"""The walk: one declaration that encodes, decodes, overrides and documents."""

import subprocess
import sys

import pytest
from hypothesis import given

from skipsearch.searchspace import Arch, decode, encode, override
from skipsearch.searchspace.arch.shortcuts import Attention, Identity, Sum
from skipsearch.searchspace.parameters.domains import Choice, Floats, Integers
from skipsearch.searchspace.parameters.walk import document
from tests.support.random_archs import architectures, draw


def test_the_defaults_of_an_architecture_are_resnet_20_with_projections() -> None:
    flat = encode(Arch())
    assert flat["shortcut"] == "sum" and flat["shortcut.sum.match"] == "projection"
    assert [flat[f"blocks.{stage}"] for stage in (1, 2, 3)] == [3, 3, 3]
    assert override(Arch, {}) == Arch()


@pytest.mark.parametrize("seed", range(3))
def test_decoding_what_was_encoded_gives_the_same_architecture(seed: int) -> None:
    for arch in draw(200, seed):
        assert decode(Arch, encode(arch)) == arch


@given(architectures(), architectures())
def test_an_override_by_a_whole_architecture_is_that_architecture(one: Arch, other: Arch) -> None:
    assert override(Arch, encode(other), one) == other


def test_names_that_hold_their_variant_have_one_domain_each() -> None:
    names = [p.name for p in document(Arch)]
    assert len(names) == len(set(names))


def test_every_drawn_name_is_documented_with_a_meaning() -> None:
    documented = {p.name: p for p in document(Arch)}
    for arch in draw(200):
        assert set(encode(arch)) <= set(documented)
    assert all(p.doc for p in documented.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "bach"}, "norm must be batch | layer | group | none, got bach (nearest: batch)"),
        ({"gate": "sse"}, "got sse (nearest: se, "),
        ({"gates": "se"}, "gates is not a parameter (nearest: gate"),
        ({"shortcut.attention.heads": 2}, "has no effect here: it needs shortcut = attention"),
        ({"shortcut": "attention", "shortcut.attention.heads": 3}, "must be 4 | 1 | 2 | 8, got 3"),
        ({"width.doubling.channels": 18}, "in steps of 4, got 18 (nearest: 16, 20)"),
        ({"stages": 5}, "stages must be 2 … 4, got 5"),
        ({"stages": True}, "stages must be 2 … 4, got true"),
        ({"blocks.4": 2}, "has no effect here: it needs stages ≥ 4"),
        ({"blocks": "many"}, "blocks must be 1 … 64, got many"),
    ],
)
def test_a_bad_override_is_refused_with_its_name_rule_and_value(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        override(Arch, change)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_missing_name_is_refused() -> None:
    flat = encode(Arch())
    del flat["norm"]
    with pytest.raises(ValueError, match="norm is missing"):
        decode(Arch, flat)


def test_an_inactive_name_is_refused_when_decoding() -> None:
    with pytest.raises(ValueError, match="has no effect here"):
        decode(Arch, encode(Arch()) | {"gate.se.bias": True})


def test_an_override_keeps_the_rest_and_fills_a_new_variant_with_its_defaults() -> None:
    base = Arch(stem_channels=24, shortcut=Sum(match=Identity()))
    changed = override(Arch, {"shortcut": "attention", "blocks": 2, "blocks.3": 5}, base)
    assert changed.stem_channels == 24
    assert changed.shortcut == Attention()
    assert changed.blocks == (2, 2, 5)


def test_blocks_and_stages_must_agree() -> None:
    with pytest.raises(ValueError, match="one value for each of 4 stages"):
        Arch(stages=4, blocks=(1, 1, 1))


def test_a_domain_knows_what_lies_in_it() -> None:
    assert True not in Choice((1, 2)) and 1 in Choice((1, 2))
    assert 24 in Integers(8, 64, 8) and 20 not in Integers(8, 64, 8)
    assert 1 in Floats(0.5, 1.5) and True not in Floats(0.5, 1.5)
    assert float("nan") not in Floats(0.0, 1.0)


@pytest.mark.parametrize("name", ["body.basic.dropout", "shortcut.sum.drop"])
def test_a_whole_number_stands_for_the_float_that_it_is(name: str) -> None:
    assert repr(encode(override(Arch, {name: 0}))[name]) == "0.0"
    for value in (1, False, 10**400):
        with pytest.raises(ValueError, match=f"{name} must be 0.0 | "):
            override(Arch, {name: value})
    with pytest.raises(ValueError, match="must be"):
        override(Arch, {"body": "bottleneck", "body.bottleneck.groups": 1.0})


def test_drawing_does_not_load_torch() -> None:
    code = (
        "import random, sys; from skipsearch.searchspace import Arch, parse_space;"
        "s = parse_space(Arch, {}); r = random.Random(0);"
        "[s.sample(r) for _ in range(1000)]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
