"""Spaces: parameters pinned, narrowed to a list or a range, or left free."""

import math
import random
from collections.abc import Iterator
from itertools import product

import pytest

from skipsearch.searchspace import Arch, Space, encode, parse_space
from skipsearch.searchspace.arch.gates import GATES
from skipsearch.searchspace.arch.shortcuts import SHORTCUTS
from skipsearch.searchspace.parameters.domains import Domain, Scalar, values_of
from tests.support.random_archs import CONDITIONAL


def test_a_value_pins_a_list_and_a_range_narrow_and_the_rest_is_free() -> None:
    given = {
        "stages": 2,
        "shortcut": ["none", "attention"],
        "width.doubling.channels": {"low": 16, "high": 64, "step": 16},
    }
    space, rng = parse_space(Arch, given), random.Random(0)
    flats = [encode(space.sample(rng)) for _ in range(300)]
    assert {f["stages"] for f in flats} == {2}
    assert {f["shortcut"] for f in flats} == {"none", "attention"}
    widths = {f.get("width.doubling.channels") for f in flats} - {None}
    assert widths == {16, 32, 48, 64}
    assert {f["norm"] for f in flats} == {"batch", "layer", "group", "none"}


def test_a_name_without_its_stage_stands_for_every_stage() -> None:
    space = parse_space(Arch, {"blocks": 2, "stages": 4})
    assert space.sample(random.Random(0)).blocks == (2, 2, 2, 2)


def test_pinned_parameters_are_not_asked() -> None:
    asked = []

    def pick(name: str, domain: object, default: object) -> object:
        asked.append(name)
        return values_of(domain)[0]

    parse_space(Arch, {"norm": "batch", "gate": ["none"]}).draw(pick)
    assert "norm" not in asked and "gate" not in asked and "shortcut" in asked


def every_one(space: Space[Arch]) -> Iterator[Arch]:
    """All of a finite space: the walk with each series of answers that there is."""
    answers: list[int] = []  # of the questions that are asked, each time others
    while True:
        sizes: list[int] = []

        def pick(_name: str, domain: Domain, _default: Scalar, sizes: list[int] = sizes) -> Scalar:
            values = values_of(domain)
            assert values is not None
            sizes.append(len(values))
            if len(answers) < len(sizes):
                answers.append(0)
            return values[answers[len(sizes) - 1]]

        yield space.draw(pick)
        while answers and answers[-1] == sizes[len(answers) - 1] - 1:
            answers.pop()
        if not answers:
            return
        answers[-1] += 1


def test_the_size_of_a_space_is_the_number_of_its_architectures() -> None:
    space = parse_space(Arch, CONDITIONAL)
    assert space.size() == (4 + 8) * 2 * 2 * (1 + 3) * (1 + 2 * (1 + 2))
    there = list(every_one(space))
    assert len(there) == len(set(there)) == space.size()
    rng = random.Random(1)
    assert {space.sample(rng) for _ in range(1000)} <= set(there)
    assert math.isfinite(parse_space(Arch, {}).size())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shortcuts": "sum"}, "[space] shortcuts is not a parameter (nearest: shortcut"),
        ({"shortcut": "atention"}, "got atention (nearest: attention)"),
        ({"shortcut": []}, "is an empty list"),
        ({"shortcut": ["sum", "sum"]}, "repeats a value"),
        ({"shortcut": {"low": 1, "high": 2}}, "is a choice: list the values"),
        ({"stages": {"low": 3, "high": 2}}, "must have low ≤ high"),
        ({"stages": {"low": 2}}, "must be {low, high, step, log}"),
        ({"stages": {"low": 2, "high": 9}}, "stages must be 2 … 4, got 9"),
        ({"stem_channels": {"low": 8, "high": 64, "step": 2}}, "step must be a multiple of 4"),
        ({"gate": "none", "gate.se.bias": True}, "gate.se.bias has no effect here"),
        ({"stages": [2, 3], "blocks.4": 1}, "blocks.4 has no effect here: it needs stages ≥ 4"),
    ],
)
def test_bad_words_of_a_space_are_refused_in_one_line(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_space(Arch, given)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_the_table_leaves_out_what_cannot_be_reached() -> None:
    names = [row["name"] for row in parse_space(Arch, {"shortcut": ["none", "sum"]}).table()]
    assert "shortcut.sum.match" in names and "shortcut.attention.heads" not in names


def test_every_pair_of_shortcut_and_gate_can_be_drawn() -> None:
    space, rng = parse_space(Arch, {}), random.Random(0)
    seen = {(a.shortcut.label, a.gate.label) for a in (space.sample(rng) for _ in range(3000))}
    labels = ([variant.label for variant in variants] for variants in (SHORTCUTS, GATES))
    assert seen == set(product(*labels))
