"""Depth attention's compiled loops: they are taken, equal the twin, and leave the rest to torch."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skipsearch.searchspace.layers import depth_attention as plain
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

pytestmark = needs_loops


@pytest.fixture(autouse=True)
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LEAST_ELEMENTS", 0)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return counted(monkeypatch)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def assert_equals_the_twin(maps: list[Tensor], heads: int) -> None:
    """To rounding in float32: of a score, of what follows from it, of sums of `maps` products."""
    ours = output_and_gradients(depth_attention, maps, heads)
    for our, true in zip(ours, output_and_gradients(twin, exactly(maps), heads), strict=True):
        torch.testing.assert_close(our.double(), true, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("sources", [1, 2, 3, 16])
def test_output_and_all_gradients_equal_the_twin(sources: int, heads: int, jobs: list[int]) -> None:
    assert_equals_the_twin(draw(sources, (3, 64, 5, 7), torch.float32), heads)
    assert jobs == [compiled.SCORES, compiled.OUTPUT, compiled.GRADS]


@settings(max_examples=60, deadline=None)
@given(
    sources=st.integers(1, 5),
    heads=st.integers(1, 4),
    width=st.sampled_from([8, 16, 24, 40]),
    batch_and_size=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    block=st.sampled_from([1, 100, 2_048]),
    shares=st.sampled_from([1, 3, 64]),
)
def test_any_shape_block_and_share_equals_the_twin(
    sources: int,
    heads: int,
    width: int,
    batch_and_size: tuple[int, int, int],
    block: int,
    shares: int,
) -> None:
    batch, *size = batch_and_size
    maps = draw(sources, (batch, heads * width, *size), torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "LEAST_ELEMENTS", 0)
        patch.setattr(compiled, "BLOCK_ELEMENTS", block)
        patch.setattr(compiled, "SHARES", shares)
        assert_equals_the_twin(maps, heads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_threads_gives_the_same_bits(dtype: torch.dtype, threads: None) -> None:
    maps, found = draw(5, (4, 64, 16, 16), dtype), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(output_and_gradients(depth_attention, maps, 4))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    torch.testing.assert_close(found[0], found[2], rtol=0, atol=0)


def test_bfloat16_is_rounded_as_torch_rounds_it() -> None:
    """Two sources of equal keys: half of each of two values, added in float32."""
    numbers = torch.randint(-(2**31), 2**31 - 1, (2, 8, 64, 64), dtype=torch.int32)
    values = numbers.view(torch.float32).bfloat16()
    values = values.contiguous(memory_format=torch.channels_last)
    other = values.roll(1, 1)
    zero = torch.zeros_like(values)
    ours = depth_attention(zero, [zero, zero], [values, other], 1)
    true = (values.float() * 0.5 + other.float() * 0.5).bfloat16()
    assert torch.equal(ours.isnan(), true.isnan()) and 0 < ours.isnan().sum() < ours.numel() // 10
    assert torch.equal(ours[~ours.isnan()], true[~true.isnan()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_nan_and_inf_come_through(dtype: torch.dtype, bad: float) -> None:
    """At their own pixel and head alone; a score of -inf weighs nothing."""
    maps = [map_.detach() for map_ in draw(3, (2, 16, 4, 4), dtype)]
    maps[2][1, 3, 2, 1] = bad
    maps[5][0, 9, 0, 3] = bad
    ours = attend(depth_attention, [map_.requires_grad_() for map_ in maps], 2)
    true = attend(twin, exactly(maps), 2)
    assert not ours[0, 9, 0, 3].isfinite() and ours.isfinite().sum() >= ours.numel() - 9
    assert torch.equal(ours.isfinite(), true.isfinite())


def test_saved_maps_may_come_back_in_another_layout() -> None:
    maps = draw(3, (2, 16, 5, 7), torch.float32)
    plainly = torch.autograd.grad(attend(depth_attention, maps, 2).square().sum(), maps)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda map_: map_.mT.contiguous(), lambda m: m.mT
    ):
        loss = attend(depth_attention, maps, 2).square().sum()
    torch.testing.assert_close(torch.autograd.grad(loss, maps), plainly, rtol=0, atol=0)


def test_torchs_default_type_changes_nothing() -> None:
    maps = draw(3, (2, 16, 5, 7), torch.float32)
    before = output_and_gradients(depth_attention, maps, 2)
    torch.set_default_dtype(torch.float64)
    try:
        after = output_and_gradients(depth_attention, maps, 2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map_.dtype == torch.float32 for map_ in after)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    "left",
    [
        "float64",
        "types that differ",
        "another layout",
        "heads of 4 channels",
        "maps of a subclass",
        "small maps",
        "no numba",
        "no GNU OpenMP",
    ],
)
def test_what_the_loops_do_not_take_is_left_to_torch(
    left: str, jobs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, heads = draw(2, (2, 16, 5, 7), torch.float32), 2
    match left:
        case "float64":
            maps = exactly(maps)
        case "types that differ":
            maps[3] = maps[3].detach().double().requires_grad_()
        case "another layout":
            maps[2] = maps[2].detach().contiguous().requires_grad_()
        case "heads of 4 channels":
            heads = 4
        case "maps of a subclass":
            maps[1] = maps[1].detach().as_subclass(type("Own", (Tensor,), {}))
        case "small maps":
            monkeypatch.setattr(compiled, "LEAST_ELEMENTS", 4 * maps[0].numel() + 1)
        case "no numba":
            monkeypatch.setattr(compiled, "_loops", lambda: None)
        case "no GNU OpenMP":
            monkeypatch.setattr(compiled, "_team", lambda: None)
    expected = attend(twin, exactly(maps), heads)
    torch.testing.assert_close(
        attend(depth_attention, maps, heads).double(), expected, rtol=1e-5, atol=1e-5
    )
    assert not jobs


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_model_keeps_torchs_operations(jobs: list[int]) -> None:
    maps = [map_.detach() for map_ in draw(2, (2, 16, 5, 7), torch.float32)]
    traced = torch.jit.trace(
        lambda *maps: attend(depth_attention, list(maps), 2), tuple(maps), check_trace=False
    )
    other = [map_ + 1 for map_ in maps]
    torch.testing.assert_close(traced(*other), attend(twin, other, 2), rtol=1e-5, atol=1e-5)
    assert not jobs


def test_the_loops_take_what_their_rows_can() -> None:
    from skipsearch.searchspace.layers.compiled import loops, rows

    assert compiled.LANES == rows.LANES
    parts = compiled.SCORES, compiled.OUTPUT, compiled.GRADS
    assert parts == (loops.SCORES, loops.OUTPUT, loops.GRADS)
    assert [compiled.attend] == plain.FASTER


def test_loops_that_can_be_kept_nowhere_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from skipsearch.searchspace.layers.compiled import loops

    def cfunc(signature: Any, cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function 'work': no locator available")
        return lambda function: function

    monkeypatch.setattr(loops, "cfunc", cfunc)
    assert loops.compiled.__wrapped__(torch.bfloat16) is loops._in_bfloat16
