"""Counting by shapes only is counting in a real forward pass."""

import pytest
import torch
from drawn import draw

from searchspace import PRESETS, Arch, build, describe
from searchspace.cost import count_macs
from searchspace.shapes import Shapes

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("part", range(3))
def test_drawn_networks_cost_as_much_as_on_the_cpu(part: int) -> None:
    for arch in draw(12, seed=700 + part):
        assert_equal_counts(arch)


@pytest.mark.parametrize("name", ["as/out", "cnntention/mha", "dia/resnet56"])
def test_presets_cost_as_much_as_on_the_cpu(name: str) -> None:
    assert_equal_counts(PRESETS[name].arch)


def assert_equal_counts(arch: Arch) -> None:
    network = build(arch, classes=10, shape=SHAPE)
    assert describe(arch, classes=10, shape=SHAPE).macs == count_macs(network, SHAPE)


def test_what_does_not_fit_together_is_refused_as_elsewhere() -> None:
    four, three = torch.empty(2, 4, device="meta"), torch.empty(2, 3, device="meta")
    with Shapes():
        assert (four * 2).shape == (2, 4)
        assert (four * torch.empty(2, 1, device="meta")).shape == (2, 4)
        one = torch.empty(4, device="meta")
        assert torch.add(one, four).shape == torch.addcmul(one, one, four).shape == (2, 4)
        with pytest.raises(RuntimeError):
            one.addcmul_(four, four)
        with pytest.raises(RuntimeError):
            torch.addcmul(four, three, four)
        with pytest.raises(RuntimeError):
            torch.add(four, three)
        with pytest.raises(RuntimeError):
            torch.nn.functional.linear(four, torch.empty(5, 3, device="meta"))
