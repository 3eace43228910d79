"""Merges of everything before, steps and stages, against their formulas, written plainly."""

import pytest
import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers import blocks, joins, merge, norms
from skipsearch.searchspace.layers.network import MergeNetwork, PoolHead

X = (2, 8, 5, 6)


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or X), dtype=torch.float64)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def entries(count: int, maps: int) -> list[tuple[Tensor, ...]]:
    return [tuple(images() for _ in range(maps)) for _ in range(count)]


def test_the_weighted_merge_starts_as_the_sum_and_weighs_channels() -> None:
    layer, memory = merge.WeightedMerge(3, 8).double(), entries(4, 1)
    close(layer(memory[-1][0], memory), sum(entry[0] for entry in memory))
    nn.init.normal_(layer.weight)
    weighed = memory[-1][0].clone()
    for i in range(3):
        for c in range(8):
            weighed[:, c] += layer.weight[i, c] * memory[i][0][:, c]
    close(layer(memory[-1][0], memory), weighed)
    assert layer.macs(memory[-1][0], memory) == 3 * 8 * 5 * 6


def test_concatenation_keeps_the_order_of_the_entries() -> None:
    memory = entries(3, 1)
    close(merge.ConcatMerge()(memory[-1][0], memory)[:, 8:16], memory[1][0])


def test_the_attention_merge_is_equation_3_2_pixel_by_pixel() -> None:
    query, project = nn.Conv2d(8, 8, 1).double(), nn.Conv2d(8, 8, 1).double()
    layer, memory, x = merge.AttentionMerge(query, project, 2), entries(3, 2), images()
    mixed, q = torch.zeros(X, dtype=torch.float64), query(x)
    for head in (slice(0, 4), slice(4, 8)):
        scores = torch.stack([(q[:, head] * k[:, head]).sum(1) / 2 for k, _ in memory])
        weights = scores.exp() / scores.exp().sum(0)
        for weight, (_, v) in zip(weights, memory, strict=True):
            mixed[:, head] += weight[:, None] * v[:, head]
    close(layer(x, memory), project(mixed))


def test_the_pseudo_query_merge_starts_as_the_mean() -> None:
    layer, memory = merge.PseudoQueryMerge(8).double(), entries(3, 1)
    close(layer(memory[-1][0], memory), sum(entry[0] for entry in memory) / 3)
    assert [p.numel() for p in layer.parameters()] == [8]


def test_the_pseudo_query_merge_is_its_formula_pixel_by_pixel() -> None:
    layer, memory = merge.PseudoQueryMerge(8).double(), entries(3, 1)
    memory[1] = (5 * memory[1][0],)
    nn.init.normal_(layer.query)
    maps = [entry[0] for entry in memory]
    merged = torch.zeros(X, dtype=torch.float64)
    for b, i, j in torch.cartesian_prod(*(torch.arange(n) for n in (2, 5, 6))).tolist():
        pixels = [map_[b, :, i, j] for map_ in maps]
        norms_ = [x / (x.square().mean() + 1e-5).sqrt() for x in pixels]
        scores = torch.stack([sum(layer.query[c] * x[c] for c in range(8)) for x in norms_])
        weights = scores.exp() / scores.exp().sum()
        merged[b, :, i, j] = sum(w * x for w, x in zip(weights, pixels, strict=True))
    close(layer(maps[-1], memory), merged)
    assert layer.macs(maps[-1], memory) == 2 * 5 * 6 * 3 * 8


@pytest.mark.parametrize("count", [1, 3])
def test_the_gradient_of_the_pseudo_query_merge_is_that_of_its_differences(count: int) -> None:
    layer = merge.PseudoQueryMerge(3).double()

    def merged(query: Tensor, *maps: Tensor) -> Tensor:
        memory = [(map_,) for map_ in maps]
        y: Tensor = torch.func.functional_call(layer, {"query": query}, (maps[-1], memory))
        return y

    inputs = [images(3), *(images(2, 3, 2, 1) for _ in range(count))]
    assert torch.autograd.gradcheck(merged, [x.requires_grad_() for x in inputs])


def test_the_backward_of_the_pseudo_query_merge_keeps_no_map_but_its_entries() -> None:
    layer = merge.PseudoQueryMerge(64)
    maps = [torch.randn(2, 64, 4, 4, requires_grad=True) for _ in range(4)]
    saved: list[Tensor] = []

    def pack(x: Tensor) -> Tensor:
        saved.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        layer(maps[-1], [(map_,) for map_ in maps])
    known = {map_.untyped_storage().data_ptr() for map_ in maps}
    others = {
        x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()
        for x in saved
        if x.untyped_storage().data_ptr() not in known
    }
    assert sum(others.values()) < maps[0].untyped_storage().nbytes()


def test_the_pseudo_query_merge_has_precise_weights_under_autocast() -> None:
    layer, maps = merge.PseudoQueryMerge(8), [torch.randn(X).bfloat16() for _ in range(3)]
    nn.init.normal_(layer.query, std=4)
    expected = layer.double()(maps[-1], [(map_.double(),) for map_ in maps])
    with torch.autocast("cpu", torch.bfloat16):
        y = layer.float()(maps[-1], [(map_,) for map_ in maps])
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), expected, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2)])
def test_merges_run_on_the_meta_device(height: int, width: int) -> None:
    memory = [(torch.empty(2, 8, height, width, device="meta"),) for _ in range(3)]
    for layer in (merge.PseudoQueryMerge(8), merge.WeightedMerge(2, 8)):
        assert layer.to("meta")(memory[-1][0], memory).shape == memory[0][0].shape


def step(block: nn.Module) -> merge.Step:
    """A step of the mean of all outputs."""
    store = merge.Store(nn.Identity())
    mean = merge.PseudoQueryMerge(8).double()
    return merge.Step(nn.Identity(), store, merge.Keep(), mean, block, merge.Keep())


def conv() -> nn.Conv2d:
    return nn.Conv2d(8, 8, 3, padding=1).double()


def test_a_step_stores_the_newest_output_before_it_merges_and_adapts_afterwards() -> None:
    norm, store = norms.LayerNorm2d(8).double(), merge.Store(nn.Identity())
    half = merge.Adapt(blocks.Subsample(2))
    block = nn.Conv2d(16, 4, 3, stride=2, padding=1).double()
    step = merge.Step(norm, store, merge.Keep(), merge.ConcatMerge(), block, half)
    x, older = images(), entries(1, 1)
    y, memory = step(x, older)
    close(y, block(torch.cat([older[0][0], norm(x)], 1)))
    assert len(older) == 1 and len(memory) == 2
    close(memory[1][0], norm(x)[:, :, ::2, ::2])


def test_a_step_is_its_opening_its_block_and_its_closing() -> None:
    store, half = merge.Store(nn.Identity()), merge.Adapt(blocks.Subsample(2))
    start = merge.Start(norms.LayerNorm2d(8).double(), store, conv(), half)
    later = merge.Step(nn.Identity(), store, merge.Keep(), merge.ConcatMerge(), nn.ReLU(), half)
    x, older = images(), entries(1, 1)
    for one in (start, later):
        y, memory = one(x, older)
        merged, opened = one.open(x, older)
        close(y, one.block(merged))
        for entry, other in zip(memory, one.close(opened), strict=True):
            close(entry[0], other[0])


def test_a_stage_is_its_steps_one_after_the_other() -> None:
    one, other, x = step(conv()), step(conv()), images()
    stage = merge.Steps(one, other)
    y, memory = stage(x, [])
    first = one.block(x)
    close(y, other.block((x + first) / 2))
    assert all(torch.equal(entry[0], z) for entry, z in zip(memory, (x, first), strict=True))
    assert [name for name, _ in stage.named_children()] == ["0", "1"]


class Running(nn.Module):
    """The sum of this and all earlier branches of the stage: a gate with a state."""

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        total = x if state is None else state + x
        return 2 * total, total


class Twice(nn.Module):
    """Of all outputs the double of the newest."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return 2 * maps[-1]


def test_a_recurrent_stage_hands_the_state_from_block_to_block() -> None:
    gate, add, relu = Running(), joins.Sum(), nn.ReLU()
    norm = norms.LayerNorm2d(8).double()
    a, b, c = conv(), conv(), conv()
    recurrent = merge.RecurrentSteps(
        step(blocks.Plain(a, gate, relu)),
        step(blocks.Residual(b, gate, nn.Identity(), add, relu)),
        step(blocks.Activated(norm, c, gate, nn.Identity(), add, nn.Identity())),
    )
    stage = merge.Steps(merge.CompressStep(Twice()), recurrent)
    x = images()
    for _ in range(2):  # a second call starts without a state
        y, memory = stage(x, [])
        first = (2 * a(2 * x)).relu()
        merged = (2 * x + first) / 2
        second = (merged + 2 * (a(2 * x) + b(merged))).relu()
        z = norm((2 * x + first + second) / 3).relu()
        close(y, z + 2 * (a(2 * x) + b(merged) + c(z)))
        close(memory[1][0], first)
        close(memory[2][0], second)
        assert len(memory) == 3


def test_a_recurrent_stage_exports() -> None:
    body, gate = conv(), Running()
    stage = merge.RecurrentSteps(
        step(blocks.Plain(body, gate, nn.ReLU())),
        step(blocks.Residual(body, gate, nn.Identity(), joins.Sum(), nn.ReLU())),
    )
    x, older = images(), entries(1, 1)
    exported = torch.export.export(stage, (x, older), strict=False).module()
    torch.testing.assert_close(exported(x, older), stage(x, older))


def test_the_classifier_reads_the_newest_output_through_its_last_layer() -> None:
    x, memory = images(), entries(1, 1)
    y, after = merge.Newest(nn.ReLU())(x, memory)
    close(y, x.clamp(min=0))
    assert after is memory


def test_a_merge_network_hands_the_memory_from_stage_to_stage() -> None:
    store = merge.Store(nn.Identity())
    start = merge.Start(nn.Identity(), store, nn.Conv2d(4, 4, 1), merge.Keep())
    later = merge.Step(
        nn.Identity(), store, merge.Keep(), merge.ConcatMerge(), nn.Conv2d(8, 4, 1), merge.Keep()
    )
    stages = [merge.Steps(start), merge.Steps(later)]
    newest, head = merge.Newest(nn.Identity()), PoolHead(4, 2, nn.Identity())
    network = MergeNetwork(nn.Conv2d(3, 4, 1), stages, newest, head, init="kaiming")
    x = torch.randn(2, 3, 4, 4)
    first = start.block(network.stem(x))
    second = later.block(torch.cat([network.stem(x), first], 1))
    torch.testing.assert_close(network.forward_features(x), [network.stem(x), first, second])
