"""Only what the network has: each recorded parameter can change it, each named gate is there."""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from torch import nn

from skipsearch.searchspace import (
    PRESETS,
    Arch,
    Space,
    build,
    decode,
    encode,
    override,
    parse_space,
)
from skipsearch.searchspace.arch.effects import gated_blocks, gated_widths
from skipsearch.searchspace.arch.gate_places import AfterBlock, SomeStages
from skipsearch.searchspace.arch.gates import SE, NoGate
from skipsearch.searchspace.arch.recurrent_gates import DIA
from skipsearch.searchspace.arch.shortcuts import Compress, Concat, Identity, NoShortcut, Sum
from skipsearch.searchspace.assembly.assemble import assemble
from skipsearch.searchspace.assembly.plan import Call, identity
from skipsearch.searchspace.parameters.domains import Domain, Scalar, uniform, values_of
from skipsearch.searchspace.parameters.walk import every_stage, walk
from skipsearch.studies.config.study_config import StudyConfig
from tests.support.random_archs import small_space

EXAMPLES = sorted(Path("examples").glob("*.toml"))
TRIES = 40  # random completions of another value

# Parameters whose other values give the same network for a few widths only, with the reason.
COINCIDENCES = {
    "gate.se.base": "both widths are rounded to one squeeze",
    "gate.sem.base": "both widths are rounded to one squeeze",
    "gate.se.reduction": "all ratios of the study file are rounded to one squeeze",
    "gate.cbam.reduction": "all ratios of the study file are rounded to one squeeze",
    "shortcut.concat.growth": "growths are rounded to one multiple of 4",
    "output.expansion.ratio": "growths are rounded to one multiple of 4",
    "width": "equal widths",
    "output": "equal widths",
}


def network(arch: Arch) -> str:
    return identity(assemble(arch, classes=10, shape=(3, 64, 64)))


@cache
def spaces() -> dict[str, Space[Arch]]:
    files = {path.stem: StudyConfig.from_file(path).arch_space for path in EXAMPLES}
    return {"whole": parse_space(Arch, {}), "small": small_space(), **files}


def others(space: Space[Arch], flat: dict[str, Scalar], name: str) -> Iterator[Arch]:
    """Yield networks with another value of `name`, the rest kept where it may be; a pinned value
    may take any other one.
    """
    rng = random.Random(name)

    def drawn_from(own: Space[Arch], domain: Domain) -> Domain:
        narrowed = own.domain(name)
        return narrowed if len(values_of(narrowed) or ()) > 1 else domain

    def pick(asked: str, domain: Domain, _default: Scalar) -> Scalar:
        if asked == name:
            values = values_of(drawn_from(space, domain)) or ()
            return rng.choice([v for v in values if repr(v) != repr(flat[name])])
        below = asked.startswith(f"{name}.")
        known = flat.get(asked)
        return (
            known if known is not None and not below and known in domain else uniform(domain, rng)
        )

    for _ in range(TRIES):
        try:
            yield walk(Arch, pick)
        except ValueError:  # no valid network
            continue


def without_effect(space: Space[Arch], arch: Arch) -> list[str]:
    own, flat = network(arch), encode(arch)
    found = []
    for name in flat:
        made = (changed for changed in others(space, flat, name))
        if not any(differs(own, changed) for changed in made):
            found.append(name)
    return found


def differs(own: str, changed: Arch) -> bool:
    try:
        return network(changed) != own
    except ValueError:  # does not fit the images, so it is another network
        return True


@pytest.mark.sampled(40)
@pytest.mark.parametrize("seed", range(1000))
def test_each_recorded_parameter_of_a_random_network_can_change_it(seed: int) -> None:
    space = spaces()["whole"]
    idle = without_effect(space, space.sample(random.Random(seed)))
    assert {every_stage(name) for name in idle} <= set(COINCIDENCES), idle


@pytest.mark.sampled(30)
@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_each_recorded_parameter_in_a_space_of_the_examples_can_change_the_network(
    name: str, seed: int
) -> None:
    space = spaces()[name]
    idle = without_effect(space, space.sample(random.Random(seed)))
    assert {every_stage(name) for name in idle} <= set(COINCIDENCES), idle


def calls(plan: object) -> Iterator[Call]:
    """Yield every use of a call in a plan."""
    match plan:
        case Call():
            yield plan
            for one in (*plan.args, *plan.kwargs.values()):
                yield from calls(one)
        case list():
            for one in plan:
                yield from calls(one)


GATE_LAYERS = (
    "channel_gates", "spatial_gates", "self_attention", "gates.", "recurrent", "layer_attention",
)  # fmt: skip


def gates_of(plan: object) -> int:
    """Count the uses of layers that compute a gate, the parts of a gate once."""
    match plan:
        case Call(cls) if any(part in cls.__module__ for part in GATE_LAYERS) and (
            cls.__name__ not in ("Recurrent", "RecurrentSteps", "Whole")
        ):
            return 1
        case Call():
            return sum(map(gates_of, (*plan.args, *plan.kwargs.values())))
        case list():
            return sum(map(gates_of, plan))
    return 0


@pytest.mark.sampled(60)
@pytest.mark.parametrize("seed", range(1000))
def test_the_gates_that_are_said_are_those_of_the_plan(seed: int) -> None:
    arch = spaces()["small" if seed % 2 else "whole"].sample(random.Random(seed))
    plan = assemble(arch, classes=10, shape=(3, 64, 64))
    stages = plan.kwargs["stages"]
    if isinstance(arch.gate, NoGate):
        assert gates_of(stages) == 0
        assert not any(map(any, gated_blocks(arch)))
        return
    said = gated_widths(arch, arch.gate)
    assert [gates_of(stage) for stage in stages] == [len(widths) for widths in said]
    assert [any(row) for row in gated_blocks(arch)] == [bool(widths) for widths in said]
    assert any(said)


@pytest.mark.sampled(40)
@pytest.mark.parametrize("seed", range(300))
def test_a_drawn_network_is_its_canonical_form(seed: int) -> None:
    arch = spaces()["whole"].sample(random.Random(seed))
    assert decode(Arch, encode(arch)) == arch


def test_a_gate_that_stands_nowhere_is_none() -> None:
    nowhere = SE(place=AfterBlock(first=False))
    bare = Arch(stages=2, blocks=(1, 1), gate=nowhere)
    assert bare.gate == NoGate() and bare == Arch(stages=2, blocks=(1, 1))
    assert encode(bare)["gate"] == "none"
    assert not any("gate" in name for name, _ in build(bare, classes=3).named_parameters())
    some = replace(bare, blocks=(1, 2), gate=nowhere)
    assert some.gate == nowhere and gated_blocks(some) == ((False,), (False, True))


def test_stages_of_which_none_or_all_are_gated_are_named_so() -> None:
    none = SE(stages=SomeStages(gated=(False, False)))
    assert Arch(stages=2, blocks=(1, 1), gate=none).gate == NoGate()
    every = SE(stages=SomeStages(gated=(True, True)))
    assert Arch(stages=2, blocks=(1, 1), gate=every).gate == SE()


def test_a_sum_without_any_skip_is_no_shortcut() -> None:
    arch = Arch(stages=2, blocks=(1, 1), stem_channels=8, shortcut=Sum(match=Identity()))
    assert arch.shortcut == NoShortcut()
    assert replace(arch, stem_channels=16, shortcut=Sum(match=Identity())).shortcut.label == "sum"


def test_what_has_no_effect_is_not_asked_for_and_not_recorded() -> None:
    asked: list[str] = []

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        asked.append(name)
        return {"shortcut": "concat", "shortcut.concat.transition": "compress"}.get(name, default)

    arch = parse_space(Arch, {}).draw(pick)
    assert arch.shortcut == Concat(transition=Compress())
    assert "downsampling" not in asked and "downsampling" not in encode(arch)
    assert "gate.dia.dropout" not in encode(Arch(gate=DIA()))
    assert "gate.dia.dropout" in encode(Arch(gate=DIA(cells=2)))


def test_what_an_earlier_version_recorded_decodes_to_what_the_network_has() -> None:
    arch = Arch(shortcut=Concat(transition=Compress()))
    earlier = encode(arch) | {"downsampling": "blur", "gate.se.sharing": "stage"}
    with pytest.raises(ValueError, match="has no effect here: it needs gate = se"):
        decode(Arch, earlier)
    del earlier["gate.se.sharing"]
    assert decode(Arch, earlier) == arch


def test_to_ask_for_what_has_no_effect_is_refused() -> None:
    concat = {"shortcut": "concat", "shortcut.concat.transition": "compress"}
    with pytest.raises(ValueError, match="downsampling has no effect here: it needs blocks that"):
        override(Arch, concat | {"downsampling": "blur"})


def test_the_presets_say_nothing_that_has_no_effect() -> None:
    for name, preset in PRESETS.items():
        assert decode(Arch, encode(preset.arch)) == preset.arch, name


def test_a_gate_in_the_page_is_a_module_of_the_network() -> None:
    """In the built network too, not only in its plan."""
    for seed in range(40):
        arch = spaces()["small"].sample(random.Random(seed))
        layers = [m for m in build(arch, classes=3).modules() if type(m) is not nn.Identity]
        there = any(any(part in type(m).__module__ for part in GATE_LAYERS) for m in layers)
        assert there == any(map(any, gated_blocks(arch)))


def test_a_space_with_a_gate_pinned_draws_no_network_without_it() -> None:
    space = parse_space(Arch, {"gate": "dia", "blocks": 1, "stages": [2, 3]})
    for seed in range(60):
        assert space.sample(random.Random(seed)).gate.label == "dia"
    nowhere = {
        "gate": "se",
        "blocks": 1,
        "gate.se.place": "block",
        "gate.se.place.block.first": False,
    }
    with pytest.raises(ValueError, match="gate comes to none here, must be se"):
        parse_space(Arch, nowhere).sample(random.Random(0))
