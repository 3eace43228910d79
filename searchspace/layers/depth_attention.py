"""Attention over depth: at each pixel, the newest map attends over the maps of earlier blocks.

The file imports torch alone: an exported model file carries its definitions as they are.

Shapes: B batch, C channels, H and W height and width, N sources (earlier maps), G heads,
D = C / G channels of a head (heads are contiguous groups of channels). A tile is a view of a map,
(images, pixels, G, D), and what belongs to it for each source: scores and weights,
(N, images, pixels, G, 1).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# 2 MiB in float32. An operation on 2 threads costs 5 to 10 µs before it moves a byte, while a
# temporary has to stay in the shared cache. 16 sources of 16×128×32×32, forward and backward, two
# quiet cores, no page faults: 55 ms at 65,536 elements, 43 at 131,072, 34 at 262,144, 29 at
# 524,288, 27 at 1,048,576, which would hold 2 MiB more.
TILE_ELEMENTS = 524_288

# Faster implementations, called in turn with (heads, query, keys and values). Each may return None,
# which leaves the operation to the next one and, after the last, to torch's operations below.
FASTER: list[Callable[[int, Tensor, Sequence[Tensor]], Tensor | None]] = []


def depth_attention(
    query_BCHW: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], heads: int
) -> Tensor:
    """`sum_j softmax_j(q · k_j / sqrt(D)) v_j` over the N sources, at each pixel and for each head.

    Keys and values are N maps each, of the query's shape (B, C, H, W), which the result has too;
    `heads` must divide C. Raises ValueError if they do not fit.

    Source: attention shortcuts, ERA 33(8), Eqs 3.3–3.5: 2·N·C multiply-accumulates per pixel.
    What differs: the N maps are never stacked. They are read where they lie, one by one, and the
    backward writes each gradient once, so that beyond its inputs and its output the operation
    keeps the weights (N·G numbers per pixel), for the backward, and one tile. It can be
    differentiated once.

    Layout: made for channels_last; any other is correct. Types may be mixed: products, softmax and
    sums are in float32 (float64 if any input is), the result has the promoted type of all inputs,
    each gradient that of its input; autocast changes nothing.

    Training and inference run the same operations: outputs are bit-identical. Under
    `torch.export` and `torch.compile` the plain form below is traced instead; it may sum the D
    products of a score in another order, so it agrees to rounding.
    """
    _check(query_BCHW, keys, values, heads)
    if torch.compiler.is_compiling():
        return _traceable(query_BCHW, keys, values, heads)
    sources = [*keys, *values]
    for faster in FASTER:
        if (found := faster(heads, query_BCHW, sources)) is not None:
            return found
    output: Tensor = _DepthAttention.apply(heads, query_BCHW, *sources)
    return output


def _check(query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], heads: int) -> None:
    if query.dim() != 4:
        raise ValueError(
            "depth_attention query must have 4 dimensions (batch, channels, height, width), "
            f"got {query.dim()}: add the missing ones with unsqueeze"
        )
    if heads < 1 or query.shape[1] % heads:
        divisors = [n for n in range(1, query.shape[1] + 1) if query.shape[1] % n == 0]
        raise ValueError(
            f"depth_attention heads must divide the {query.shape[1]} channels, got {heads}: "
            f"choose {' | '.join(map(str, divisors))}"
        )
    if not keys or len(keys) != len(values):
        raise ValueError(
            "depth_attention keys and values must be equally many and at least one, "
            f"got {len(keys)} and {len(values)}: pass one pair for each earlier map"
        )
    for name, maps in (("keys", keys), ("values", values)):
        for index, map_BCHW in enumerate(maps):
            if map_BCHW.shape != query.shape:
                raise ValueError(
                    f"depth_attention {name}[{index}] must have the query's shape "
                    f"{tuple(query.shape)}, got {tuple(map_BCHW.shape)}: project or pool it first"
                )


def _result_dtype(query: Tensor, sources: Sequence[Tensor]) -> torch.dtype:
    dtype = query.dtype
    for source in sources:
        dtype = torch.promote_types(dtype, source.dtype)
    return dtype


def _traceable(
    query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], heads: int
) -> Tensor:
    """The same arithmetic without tiles or writes in place; maps are viewed as (B, G, D, H, W)."""
    result = _result_dtype(query, [*keys, *values])
    dtype = torch.promote_types(result, torch.float32)

    def grouped(map_BCHW: Tensor) -> Tensor:
        return torch.unflatten(map_BCHW.to(dtype), 1, (heads, -1))

    scale = (query.shape[1] // heads) ** -0.5
    scores = torch.stack([(grouped(query) * grouped(key)).sum(2, keepdim=True) for key in keys])
    weights = torch.softmax(scores * scale, 0).unbind()
    output = grouped(values[0]) * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        output = torch.addcmul(output, grouped(value), weight)
    return output.flatten(1, 2).to(result)


def _empty_map(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Make a map in channels_last if `like` is, else contiguous: in both, tiles are views."""
    channels_last = like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.empty_like(like, dtype=dtype, memory_format=layout)


def _tiles(map_BCHW: Tensor, heads: int) -> list[Tensor]:
    """Return views (images, pixels, G, D) that cover the map: some images, or some pixels of one.

    There is one tile off the CPU, where starting a kernel costs more than a trip to memory.
    """
    _, channels, height, width = map_BCHW.shape
    map_BPGD = torch.unflatten(map_BCHW.flatten(2), 1, (heads, -1)).permute(0, 3, 1, 2)
    if map_BCHW.device.type != "cpu":
        return [map_BPGD]
    pixels = max(1, TILE_ELEMENTS // channels)
    images = max(1, pixels // max(1, height * width))
    return [
        tile for group in torch.split(map_BPGD, images) for tile in torch.split(group, pixels, 1)
    ]


def _weight_tiles(weights: Tensor, query_tiles: list[Tensor], count: int) -> list[Tensor]:
    """Return the parts of a flat tensor that hold the weights of one tile after another."""
    shapes = [(count, *tile.shape[:3], 1) for tile in query_tiles]
    parts = weights.split_with_sizes([count * tile[..., 0].numel() for tile in query_tiles])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _scores(query: Tensor, keys: Sequence[Tensor], product: Tensor, scores: Tensor) -> None:
    """Write scores_j = query · key_j, through the buffer `product`.

    Per 1,024 pixels of 128 channels: product and sum 19 µs, `bmm` 24, and a product followed by a
    matrix product with the block-diagonal matrix of heads 53.
    """
    for key, score in zip(keys, scores.unbind(), strict=True):
        torch.mul(query, key.to(product.dtype), out=product)
        torch.sum(product, -1, keepdim=True, out=score)


def _attend(query: Tensor, sources: Sequence[Tensor], weights: Tensor, output: Tensor) -> None:
    """Fill one tile of the weights and of the output."""
    count, scale = len(sources) // 2, query.shape[-1] ** -0.5
    product = torch.empty_like(query, dtype=weights.dtype)
    scores = torch.empty_like(weights)
    _scores(query.to(weights.dtype), sources[:count], product, scores)
    torch.softmax(scores.mul_(scale), 0, out=weights)
    torch.mul(sources[count].to(weights.dtype), weights[0], out=product)
    for value, weight in zip(sources[count + 1 :], weights[1:].unbind(), strict=True):
        product.addcmul_(value.to(weights.dtype), weight)
    output.copy_(product)


def _attend_backward(
    query: Tensor,
    sources: Sequence[Tensor],
    weights: Tensor,
    grad: Tensor,
    grads: Sequence[Tensor | None],
) -> None:
    """Fill one tile of the gradients of the query, the keys and the values, where wanted."""
    count, scale, dtype = len(sources) // 2, query.shape[-1] ** -0.5, weights.dtype
    query, grad = query.to(dtype), grad.to(dtype)
    product = torch.empty_like(query)
    for weight, grad_value in zip(weights.unbind(), grads[1 + count :], strict=True):
        if grad_value is not None:
            torch.mul(grad, weight, out=grad_value)
    if all(wanted is None for wanted in grads[: 1 + count]):
        return
    grad_scores = torch.empty_like(weights)
    _scores(grad, sources[count:], product, grad_scores)
    grad_scores.mul_(weights)
    grad_scores.addcmul_(weights, grad_scores.sum(0), value=-1).mul_(scale)
    for score, grad_key in zip(grad_scores.unbind(), grads[1 : 1 + count], strict=True):
        if grad_key is not None:
            torch.mul(query, score, out=grad_key)
    if grads[0] is not None:
        product.zero_()
        for key, score in zip(sources[:count], grad_scores.unbind(), strict=True):
            product.addcmul_(key.to(dtype), score)
        grads[0].copy_(product)


class _DepthAttention(torch.autograd.Function):
    """`depth_attention`, tile by tile; saves its inputs and the weights."""

    @staticmethod
    def forward(ctx: Any, heads: int, query: Tensor, *sources: Tensor) -> Tensor:
        dtype = _result_dtype(query, sources)
        output, queries = _empty_map(query, dtype), _tiles(query, heads)
        weights = torch.empty(
            len(sources) // 2 * query[:, :heads].numel(),
            dtype=torch.promote_types(dtype, torch.float32),
            device=query.device,
        )
        for query_tile, weight_tile, output_tile, *source_tiles in zip(
            queries,
            _weight_tiles(weights, queries, len(sources) // 2),
            _tiles(output, heads),
            *(_tiles(source, heads) for source in sources),
            strict=True,
        ):
            _attend(query_tile, source_tiles, weight_tile, output_tile)
        ctx.heads = heads
        ctx.save_for_backward(weights, query, *sources)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, query, *sources = ctx.saved_tensors
        wanted = zip((query, *sources), ctx.needs_input_grad[1:], strict=True)
        grads = [_empty_map(map_, map_.dtype) if needs else None for map_, needs in wanted]
        queries = _tiles(query, ctx.heads)
        no_tiles: list[Tensor | None] = [None] * len(queries)
        sources_by_tile = zip(*(_tiles(source, ctx.heads) for source in sources), strict=True)
        grads_by_tile = zip(
            *(no_tiles if map_ is None else _tiles(map_, ctx.heads) for map_ in grads), strict=True
        )
        for tile in zip(
            queries,
            sources_by_tile,
            _weight_tiles(weights, queries, len(sources) // 2),
            _tiles(grad, ctx.heads),
            grads_by_tile,
            strict=True,
        ):
            _attend_backward(*tile)
        return None, *grads
