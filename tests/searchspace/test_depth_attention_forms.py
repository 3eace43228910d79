"""What holds of depth attention in both of its forms: torch's operations and compiled loops."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from skipsearch.searchspace.layers.compiled import attention as compiled
from skipsearch.searchspace.layers.depth_attention import depth_attention
from tests.support.depth_twin import (
    attend,
    counted,
    draw,
    exactly,
    needs_loops,
    output_and_gradients,
    twin,
)

TORCH, LOOPS = "torch's operations", "compiled loops"


@pytest.fixture(params=[TORCH, pytest.param(LOOPS, marks=needs_loops)], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That the test says of the loops what it says is seen by their work."""
    done = counted(monkeypatch)
    least = 0 if request.param == LOOPS else sys.maxsize
    monkeypatch.setattr(compiled, "LEAST_ELEMENTS", least)
    yield request.param
    assert bool(done) == (request.param == LOOPS)


@pytest.fixture
def dtype(form: str) -> torch.dtype:
    return torch.float32 if form == LOOPS else torch.float64


def assert_close(ours: list[Tensor], truth: list[Tensor]) -> None:
    for our, true in zip(ours, truth, strict=True):
        tolerance = 1e-10 if our.dtype == torch.float64 else 2e-5
        torch.testing.assert_close(our.double(), true, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("small", [torch.float32, torch.bfloat16])
def test_extreme_scores_choose_one_source_and_stay_finite(small: torch.dtype) -> None:
    maps = draw(3, (2, 8, 5, 7), small)
    one = torch.ones_like(maps[0])
    query, keys = 1e4 * one, [0 * one, one, -one]
    inputs = [map_.detach().requires_grad_() for map_ in (query, *keys, *maps[4:])]
    output, *gradients = output_and_gradients(depth_attention, inputs, 1)
    assert torch.equal(output, maps[5])
    assert all(torch.isfinite(grad).all() for grad in gradients)


@pytest.mark.parametrize("frozen", [[0], [1], [5], [0, 1, 2, 3], [4, 5, 6], [0, 2, 4]])
def test_a_map_that_needs_no_gradient_gets_none_and_changes_no_other(
    frozen: list[int], dtype: torch.dtype
) -> None:
    maps = draw(3, (2, 16, 5, 7), dtype)
    for index in frozen:
        maps[index].requires_grad_(False)
    ours = output_and_gradients(depth_attention, maps, 2)
    assert_close(ours, output_and_gradients(twin, exactly(maps), 2))
    attend(depth_attention, maps, 2).sum().backward()
    assert [index for index, map_ in enumerate(maps) if map_.grad is None] == frozen


def test_a_map_that_is_key_value_and_query_at_once_gets_the_sum_of_its_gradients(
    dtype: torch.dtype,
) -> None:
    def gradients(attention: Any, map_: Tensor, other: Tensor) -> list[Tensor]:
        output = attention(map_, [map_, other], [map_, map_], 2)
        return list(torch.autograd.grad(output.sum(), [map_, other]))

    maps = draw(1, (2, 16, 5, 7), dtype)[:2]
    assert_close(gradients(depth_attention, *maps), gradients(twin, *exactly(maps)))


def test_a_gradient_of_the_output_may_be_expanded_or_strided(dtype: torch.dtype) -> None:
    maps = draw(3, (2, 16, 5, 7), dtype)
    truth = exactly(maps)
    expanded = torch.ones((), dtype=dtype).expand(2, 16, 5, 7)
    for grad in (expanded, torch.randn(2, 16, 5, 14, dtype=dtype)[..., ::2]):
        ours = torch.autograd.grad(attend(depth_attention, maps, 2), maps, grad)
        theirs = torch.autograd.grad(attend(twin, truth, 2), truth, grad.double())
        assert_close(list(ours), list(theirs))


def test_training_inference_and_a_second_backward_are_bit_identical(dtype: torch.dtype) -> None:
    maps = draw(5, (3, 16, 5, 7), dtype)
    trained = attend(depth_attention, maps, 2)
    with torch.inference_mode():
        assert torch.equal(attend(depth_attention, maps, 2), trained)
    first = torch.autograd.grad(trained.square().sum(), maps, retain_graph=True)
    second = torch.autograd.grad(trained.square().sum(), maps)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("sources", [2, 16])
def test_bfloat16_is_as_near_to_the_truth_as_its_own_rounding(sources: int) -> None:
    rounded = draw(sources, (4, 64, 8, 8), torch.bfloat16)
    truth = output_and_gradients(twin, exactly(rounded), 4)
    ours = output_and_gradients(depth_attention, rounded, 4)
    theirs = output_and_gradients(twin, rounded, 4)
    for our, their, true in zip(ours, theirs, truth, strict=True):
        assert our.dtype == torch.bfloat16
        best = (true.bfloat16() - true).norm()
        assert (our - true).norm() <= 1.05 * best
        assert (our - true).norm() <= 1.05 * (their - true).norm()
