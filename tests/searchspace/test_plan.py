"""The plan: what is printed is what is trained."""

import importlib
import pkgutil

import pytest
import torch
from torch import nn

from skipsearch.searchspace import PRESETS, Arch, build, layers, override, source
from skipsearch.searchspace.assembly.assemble import assemble
from skipsearch.searchspace.assembly.plan import Call, call, classes, identity, module
from skipsearch.searchspace.assembly.plan import source as print_plan
from skipsearch.searchspace.layers.gates import cbam
from tests.support.random_archs import draw

DEFINED = [
    value
    for found in pkgutil.walk_packages(layers.__path__, "skipsearch.searchspace.layers.")
    if ".compiled" not in found.name
    for value in vars(importlib.import_module(found.name)).values()
    if isinstance(value, type) and value.__module__ == found.name
]
LAYERS = {layer.__name__: layer for layer in DEFINED}


def run(code: str) -> nn.Module:
    namespace: dict[str, object] = {"nn": nn, **LAYERS}
    exec(compile(code, "model", "exec"), namespace)
    made = namespace["build"]()  # type: ignore[operator]
    assert isinstance(made, nn.Module)
    return made


def assert_same(one: nn.Module, other: nn.Module) -> None:
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("seed", range(4))
def test_printed_code_builds_the_same_network_from_the_same_seed(seed: int) -> None:
    for arch in draw(6, seed):
        torch.manual_seed(3)
        built = build(arch, classes=5, shape=(3, 24, 24))
        torch.manual_seed(3)
        printed = run(source(arch, classes=5, shape=(3, 24, 24)))
        assert_same(built, printed)
        x = torch.randn(2, 3, 24, 24)
        assert torch.equal(built.eval()(x), printed.eval()(x))


@pytest.mark.parametrize("name", ["as/kv-literal", "as/out", "cnntention/cbam", "gradattn/rope"])
def test_a_preset_prints_code_that_is_the_preset(name: str) -> None:
    torch.manual_seed(3)
    built = build(PRESETS[name].arch, classes=10)
    torch.manual_seed(3)
    assert_same(built, run(source(PRESETS[name].arch, classes=10)))


def test_no_two_layers_have_one_name() -> None:
    """Printed code names a layer by its class alone."""
    assert len(LAYERS) == len(DEFINED)


def test_a_gate_of_one_a_stage_prints_as_a_local_variable() -> None:
    changes = {"gate": "srm", "gate.srm.sharing": "stage"}
    code = source(override(Arch, changes), classes=10)
    assert code.count("= StyleWeights(") == 3
    assert code.count("StyleRecalibration(style_1, ") == 1  # printed in a loop of three blocks
    whole = changes | {"gate.srm.norm": "stage"}
    code = source(override(Arch, whole), classes=10)
    assert "gate_1 = StyleRecalibration(StyleWeights(16), nn.BatchNorm1d(16))" in code
    blocks = run(code).stages[0]
    assert blocks[0].gate is blocks[1].gate is blocks[2].gate


def test_printed_lines_have_at_most_100_columns() -> None:
    for preset in PRESETS.values():
        code = source(preset.arch, classes=10)
        assert max(map(len, code.splitlines())) <= 100


def test_a_call_used_twice_is_one_module_and_prints_as_a_variable() -> None:
    shared = Call(nn.Linear, (4, 4), name="key")
    plan = call(nn.Sequential, shared, call(nn.ReLU), shared)
    made = module(plan)
    assert made[0] is made[2]
    assert "key_1 = nn.Linear(4, 4)" in print_plan(plan)
    assert "nn.Sequential(key_1, nn.ReLU(), key_1)" in print_plan(plan)


def test_equal_neighbours_print_as_a_loop_and_are_separate_modules() -> None:
    plan = call(nn.Sequential, *(call(nn.Linear, 4, 4) for _ in range(3)))
    assert "*(nn.Linear(4, 4) for _ in range(3))" in print_plan(plan)
    made = run(print_plan(plan))
    assert made[0] is not made[1] and len(made) == 3


def test_two_configurations_with_the_same_code_are_the_same_network() -> None:
    from skipsearch.searchspace.arch.arch import Constant, EachStage

    one = Arch(stages=2, blocks=(1, 1), output=Constant(channels=32))
    other = Arch(stages=2, blocks=(1, 1), output=EachStage(channels=(32, 32)))
    plans = [assemble(a, classes=10, shape=(3, 24, 24)) for a in (one, other)]
    assert one != other and identity(plans[0]) == identity(plans[1])
    third = assemble(one, classes=11, shape=(3, 24, 24))
    assert identity(third) != identity(plans[0])


def test_a_plan_names_the_classes_it_calls() -> None:
    plan = assemble(PRESETS["cnntention/cbam"].arch, classes=10, shape=(3, 24, 24))
    assert cbam.ConvBlockAttention in classes(plan) and LAYERS["Step"] not in classes(plan)
