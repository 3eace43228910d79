"""Depth attention against its obvious twin: stack, softmax, einsum."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import skipsearch.searchspace.layers.depth_attention as module
from skipsearch.searchspace.layers.depth_attention import depth_attention
from tests.support.depth_twin import attend, draw, exactly, output_and_gradients, twin

LAYOUTS = [torch.channels_last, torch.contiguous_format]


def assert_equals_the_twin(maps: list[Tensor], heads: int) -> None:
    ours = output_and_gradients(depth_attention, maps, heads)
    theirs = output_and_gradients(twin, maps, heads)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels_last", "contiguous"])
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("sources", [1, 2, 3, 5, 16])
def test_output_and_all_gradients_equal_the_twin(
    sources: int, heads: int, layout: torch.memory_format
) -> None:
    assert_equals_the_twin(draw(sources, (3, 16, 5, 7), layout=layout), heads)


@settings(max_examples=100, deadline=None)
@given(
    sources=st.integers(1, 6),
    heads=st.integers(1, 4),
    width_of_a_head=st.integers(1, 5),
    batch_and_size=st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 6)),
    tile_elements=st.sampled_from([1, 7, 50, 200, 524_288]),
    layouts=st.lists(st.sampled_from(LAYOUTS), min_size=13, max_size=13),
)
def test_any_shape_tile_and_mixture_of_layouts_equals_the_twin(
    sources: int,
    heads: int,
    width_of_a_head: int,
    batch_and_size: tuple[int, int, int],
    tile_elements: int,
    layouts: list[torch.memory_format],
) -> None:
    batch, *size = batch_and_size
    maps = draw(sources, (batch, heads * width_of_a_head, *size))
    maps = [
        map_.detach().contiguous(memory_format=layout).requires_grad_()
        for map_, layout in zip(maps, layouts, strict=False)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_ELEMENTS", tile_elements)
        assert_equals_the_twin(maps, heads)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels_last", "contiguous"])
def test_maps_that_are_views_of_larger_ones_equal_the_twin(layout: torch.memory_format) -> None:
    whole = draw(3, (2, 16, 9, 11), layout=layout)
    views = [map_[:, 3:11, 1::2, 2:7] for map_ in whole]
    assert_equals_the_twin([view.detach().requires_grad_() for view in views], 4)
    permuted = [map_.detach().permute(3, 1, 0, 2).requires_grad_() for map_ in whole]
    assert_equals_the_twin(permuted, 4)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels_last", "contiguous"])
def test_the_layout_of_the_query_is_kept_and_each_gradient_has_the_layout_of_its_map(
    layout: torch.memory_format,
) -> None:
    output, *gradients = output_and_gradients(
        depth_attention, draw(2, (2, 8, 5, 7), layout=layout), 4
    )
    assert all(map_.is_contiguous(memory_format=layout) for map_ in (output, *gradients))


def test_mixed_types_give_the_promoted_type_and_each_gradient_the_type_of_its_map() -> None:
    types = [torch.bfloat16, torch.float32, torch.bfloat16, torch.float32, torch.float32]
    drawn = zip(draw(2, (2, 8, 5, 7)), types, strict=True)
    maps = [map_.detach().to(dtype).requires_grad_() for map_, dtype in drawn]
    truth = output_and_gradients(twin, exactly(maps), 2)
    output, *gradients = output_and_gradients(depth_attention, maps, 2)
    assert output.dtype == torch.float32
    assert [grad.dtype for grad in gradients] == [map_.dtype for map_ in maps]
    for our, true in zip((output, *gradients), truth, strict=True):
        tolerance = 1e-5 if our.dtype == torch.float32 else 1e-2
        torch.testing.assert_close(our.double(), true, rtol=tolerance, atol=tolerance)


def test_autocast_changes_nothing() -> None:
    maps = draw(3, (2, 8, 5, 7), torch.float32)
    plain = output_and_gradients(depth_attention, maps, 4)
    with torch.autocast("cpu", torch.bfloat16):
        cast = output_and_gradients(depth_attention, maps, 4)
    torch.testing.assert_close(cast, plain, rtol=0, atol=0)


def saved_bytes_beyond_inputs(sources: int) -> int:
    maps = draw(sources, (2, 16, 5, 7), torch.float32)
    inputs = {map_.untyped_storage().data_ptr() for map_ in maps}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in inputs:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        attend(depth_attention, maps, 4)
    return sum(saved.values())


@pytest.mark.parametrize("sources", [2, 16])
def test_nothing_is_saved_for_the_backward_but_the_inputs_and_one_weight_per_pixel_and_head(
    sources: int,
) -> None:
    assert saved_bytes_beyond_inputs(sources) == sources * (2 * 5 * 7) * 4 * torch.float32.itemsize


class Attend(nn.Module):
    def forward(self, query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
        return depth_attention(query, keys, values, 4)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels_last", "contiguous"])
def test_an_exported_program_gives_the_same_output_at_any_batch(
    layout: torch.memory_format, tmp_path: Path
) -> None:
    def example(batch: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        maps = [map_.detach() for map_ in draw(3, (batch, 16, 5, 7), torch.float32, layout)]
        return maps[0], maps[1:4], maps[4:]

    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(
        Attend().eval(), example(2), dynamic_shapes=(batch, [batch] * 3, [batch] * 3)
    )
    torch.export.save(program, tmp_path / "attend.pt2")
    exported = torch.export.load(tmp_path / "attend.pt2").module()
    for size in (1, 2, 9):
        torch.testing.assert_close(
            exported(*example(size)), Attend()(*example(size)), rtol=1e-6, atol=1e-6
        )


def test_the_traced_form_equals_the_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert_equals_the_twin(draw(5, (3, 16, 5, 7)), 4)


def test_two_copies_of_the_source_text_live_in_one_process() -> None:
    text = Path(str(module.__file__)).read_text()
    maps = draw(2, (2, 8, 5, 7))
    for name in ("model_one", "model_two"):
        copy = ModuleType(name)
        exec(compile(text, name, "exec"), copy.__dict__)
        attention: Any = copy.__dict__["depth_attention"]
        assert torch.equal(attend(attention, maps, 2), attend(depth_attention, maps, 2))


def test_shapes_are_inferred_on_the_meta_device() -> None:
    maps = [torch.empty(2, 8, 5, 7, device="meta", requires_grad=True) for _ in range(7)]
    output = attend(depth_attention, maps, 4)
    gradients = torch.autograd.grad(output.sum(), maps)
    assert output.device.type == "meta"
    assert {map_.shape for map_ in (output, *gradients)} == {torch.Size([2, 8, 5, 7])}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 3, 2, 2, 7), r"heads must divide the 8 channels, got 3: choose 1 \| 2 \| 4 \| 8"),
        ((8, 0, 2, 2, 7), r"heads must divide the 8 channels, got 0: choose 1 \| 2 \| 4 \| 8"),
        ((8, 2, 0, 0, 7), r"equally many and at least one, got 0 and 0: pass one pair"),
        ((8, 2, 3, 2, 7), r"equally many and at least one, got 3 and 2: pass one pair"),
        (
            (8, 2, 2, 2, 6),
            r"keys\[0\] must have the query's shape \(2, 8, 5, 7\), got \(2, 8, 5, 6\): project",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule_value_and_remedy(
    arguments: tuple[int, int, int, int, int], message: str
) -> None:
    channels, heads, keys, values, width = arguments
    query, source = torch.zeros(2, channels, 5, 7), torch.zeros(2, channels, 5, width)
    with pytest.raises(ValueError, match=message) as error:
        depth_attention(query, [source] * keys, [source] * values, heads)
    assert "\n" not in str(error.value)


def test_a_query_without_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"query must have 4 dimensions .* got 3: add the missing"):
        depth_attention(torch.zeros(8, 5, 7), [torch.zeros(8, 5, 7)], [torch.zeros(8, 5, 7)], 2)
