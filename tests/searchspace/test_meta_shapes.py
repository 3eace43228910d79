"""Counting by shapes only is counting in a real forward pass."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional, init

from skipsearch.searchspace import PRESETS, Arch, build, describe, override
from skipsearch.searchspace.assembly import parts
from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.assembly.meta_shapes import Shapes
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.searchspace.parameters.neighbours import neighbour
from tests.support import ROOT
from tests.support.random_archs import draw, small_space

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("part", range(3))
def test_drawn_networks_cost_as_much_as_on_the_cpu(part: int) -> None:
    for arch in draw(12, seed=700 + part):
        assert_equal_counts(arch)


def test_networks_that_share_parts_cost_as_much_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours of a network, its parts known from it, and the same ones with nothing known."""
    space, rng = small_space(), random.Random(0)
    for _ in range(6):
        chosen = space.drawn(neighbour({}, rng, 0)).chosen
        for _ in range(5):
            arch = space.drawn(neighbour(chosen, rng, 2)).config
            found = describe(arch, classes=10, shape=SHAPE)
            with monkeypatch.context() as alone:
                alone.setattr(parts, "_KNOWN", {})
                assert describe(arch, classes=10, shape=SHAPE) == found


def test_gates_that_a_stage_shares_count_their_parameters_once_and_their_macs_at_each_use() -> None:
    for gate in ({"gate": "se", "gate.se.sharing": "stage"}, {"gate": "dia"}, {"gate": "mrla"}):
        for shortcut in ({}, {"shortcut": "attention"}, {"shortcut": "weighted"}):
            assert_equal_counts(override(Arch, {"blocks": 2} | gate | shortcut))


@pytest.mark.parametrize("name", ["as/out", "cnntention/mha", "dia/resnet56"])
def test_presets_cost_as_much_as_on_the_cpu(name: str) -> None:
    assert_equal_counts(PRESETS[name].arch)


def assert_equal_counts(arch: Arch) -> None:
    network, found = build(arch, classes=10, shape=SHAPE), describe(arch, classes=10, shape=SHAPE)
    assert (found.params, found.macs) == (count_params(network), count_macs(network, SHAPE))


def test_what_does_not_fit_together_is_refused_as_elsewhere() -> None:
    four, three = torch.empty(2, 4, device="meta"), torch.empty(2, 3, device="meta")
    with Shapes():
        assert (four * 2).shape == (2, 4)
        assert (four * torch.empty(2, 1, device="meta")).shape == (2, 4)
        column = torch.empty(5, 1, 1, device="meta")
        assert (column * four).shape == torch.addcmul(column, four, four).shape == (5, 2, 4)
        assert (-four).shape == (2.0**four).shape == (2, 4)
        one = torch.empty(4, device="meta")
        assert torch.add(one, four).shape == torch.addcmul(one, one, four).shape == (2, 4)
        with pytest.raises(RuntimeError):
            one.addcmul_(four, four)
        with pytest.raises(RuntimeError):
            torch.addcmul(four, three, four)
        assert torch.stack([four, four, four], 1).shape == torch.stack([four] * 3, -2).shape
        assert torch.stack([four, four, four], 1).shape == (2, 3, 4)
        assert torch.cat([four, three], 1).shape == torch.cat([four, three], dim=-1).shape == (2, 7)
        assert four.std((0, 1), correction=0, keepdim=True).shape == (1, 1)
        assert four.sum((0, -1), keepdim=True).shape == (1, 1) and four.mean(1).shape == (2,)
        assert torch.linalg.vector_norm(four, dim=1, keepdim=True).shape == (2, 1)
        assert four.sum().shape == () and torch.zeros(2, 1).device.type == "meta"
        assert four.mul_(torch.empty(2, 1, device="meta")) is four
        pooled = functional.adaptive_avg_pool2d
        maps = torch.empty(2, 3, 5, 7, device="meta")
        assert pooled(maps, 2).shape == (2, 3, 2, 2) and pooled(maps, (2, 1)).shape[2:] == (2, 1)
        with pytest.raises(RuntimeError):
            torch.stack([four, three])
        with pytest.raises(RuntimeError):
            torch.cat([four, three])
        with pytest.raises(IndexError):
            torch.cat([four, four], 2)
        with pytest.raises(IndexError):
            four.sum(2)
        with pytest.raises(RuntimeError):
            four.mul_(column)
        with pytest.raises(RuntimeError):
            torch.add(four, three)
        with pytest.raises(RuntimeError):
            functional.linear(four, torch.empty(5, 3, device="meta"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (1, 2), "padding": (2, 0), "dilation": (1, 2)},
        {"padding": "same"},
    ],
)
def test_a_convolution_has_the_shape_that_torch_gives(given: dict[str, Any]) -> None:
    x, weight = torch.zeros(2, 4, 9, 12), torch.zeros(6, 4, 3, 5)
    expected = functional.conv2d(x, weight, **given).shape
    with Shapes():
        assert functional.conv2d(x.to("meta"), weight.to("meta"), **given).shape == expected


def test_a_convolution_that_does_not_fit_has_the_fate_that_torch_gives() -> None:
    maps, weight = torch.empty(2, 4, 5, 5, device="meta"), torch.empty(6, 4, 3, 3, device="meta")
    line, bias = torch.empty(6, 5, 3, device="meta"), torch.empty(5, device="meta")
    trials: list[Callable[[], Tensor]] = [
        lambda: functional.conv1d(maps[0], line, stride=(2,)),
        lambda: functional.conv2d(maps, weight, stride=(2,)),
        lambda: functional.conv2d(maps[0], weight),  # no batch
        lambda: functional.conv2d(maps[:, :3], weight),
        lambda: functional.conv2d(maps[..., :2], weight),
        lambda: functional.conv2d(maps, weight, bias),
        lambda: functional.conv2d(maps, weight, groups=4),
        lambda: functional.conv2d(maps, weight, stride=(1, 1, 1)),
        lambda: torch.arange(5, 0, device="meta"),
    ]
    for number, trial in enumerate(trials):
        with Shapes():
            found = fate(trial)
        assert found == fate(trial), number


def fate(trial: Callable[[], Tensor]) -> object:
    try:
        return trial().shape
    except Exception as error:
        return type(error)


def test_positions_and_initial_weights_are_as_on_the_cpu() -> None:
    for bounds in [(5,), (0, 9, 2), (9, 0, -4), (0.0, 1.0, 0.25)]:
        expected = torch.arange(*bounds)
        with torch.device("meta"), Shapes():
            found = torch.arange(*bounds)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.device.type == "meta"
    with Shapes():
        weight = torch.empty(3, 4, device="meta")
        for start in (init.kaiming_uniform_, init.kaiming_normal_, init.uniform_, init.normal_):
            assert start(weight) is weight
        assert init.constant_(weight, 1.0) is weight


def test_counting_does_not_load_torchs_compiler() -> None:
    """Which takes two seconds (torch 2.14), and comes with torch's slow way to find shapes."""
    code = (
        "import sys; from tests.support.random_archs import draw; "
        "from skipsearch.searchspace import describe; "
        "[describe(arch, classes=3, shape=(3, 32, 32)) for arch in draw(40, seed=5)]; "
        "print('torch._dynamo' in sys.modules)"
    )
    path = str(ROOT)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "False"
