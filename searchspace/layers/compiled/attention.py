"""Depth attention in one pass over memory, through the compiled loops of `loops.py`.

It takes large maps of one type in channels_last, the layout that training uses, and leaves all
others to torch's operations in `depth_attention.py`.

16 sources of 16×128×32×32, 4 heads, forward and backward, 2 threads: 33 ms in float32 where torch's
operations take 74, 23 in bfloat16 where they take 86.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEAST_ELEMENTS = 4_194_304  # of all sources
BLOCK_ELEMENTS = 2_048  # of a map
SHARES = 64  # parts of a job that threads take one by one
LANES = 8  # of rows.py
SCORES, OUTPUT, GRADS = range(3)  # of loops.py


def attend(heads: int, query: Tensor, sources: Sequence[Tensor]) -> Tensor | None:
    """Compute `depth_attention`, or return None to leave it to torch."""
    if not _takes(heads, query, sources) or _loops() is None or _team() is None:
        return None
    output: Tensor = _Attention.apply(heads, query, *sources)
    return output


def _takes(heads: int, query: Tensor, sources: Sequence[Tensor]) -> bool:
    return (
        not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and len(sources) * query.numel() >= LEAST_ELEMENTS
        and query.device.type == "cpu"
        and query.dtype in (torch.float32, torch.bfloat16)
        and query.shape[1] // heads % LANES == 0
        and all(_plain(map_, query.dtype) for map_ in (query, *sources))
    )


def _plain(map_: Tensor, dtype: torch.dtype) -> bool:
    return (
        type(map_) in (Tensor, nn.Parameter)
        and map_.dtype == dtype
        and map_.is_contiguous(memory_format=torch.channels_last)
    )


@cache
def _loops() -> ModuleType | None:
    try:
        from skipsearch.searchspace.layers.compiled import loops
    except ImportError:
        return None
    return loops


@cache
def _team() -> Callable[[int, int, int, int], None] | None:
    """Return `GOMP_parallel(function, data, threads, flags)` of the OpenMP that torch itself uses.

    Its threads spin for some milliseconds while they wait for the next operation: threads of
    another team would compete with them for the cores.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    found: Callable[[int, int, int, int], None] = parallel
    return found


def _work(
    part: int,
    heads: int,
    query: Tensor,
    sources: Sequence[Tensor],
    weights: Tensor,
    output: Tensor,
    grads: Sequence[Tensor | None] = (),
) -> None:
    """Fill the scores, the output, or the gradients; for these, `output` is its own gradient."""
    loops, team = _loops(), _team()
    assert loops is not None
    assert team is not None
    batch, channels, height, width = query.shape
    pixels, block = batch * height * width, max(1, BLOCK_ELEMENTS // channels)
    addresses = [
        np.array([0 if map_ is None else map_.data_ptr() for map_ in maps], np.uint64)
        for maps in (sources, grads)
    ]
    job = np.array(
        (
            *(0, part, pixels, block * math.ceil(pixels / SHARES / block), block),
            *(heads, channels // heads, len(sources) // 2),
            *(query.data_ptr(), output.data_ptr(), weights.data_ptr()),
            *(list_.ctypes.data for list_ in addresses),
        ),
        loops.JOB,
    )
    team(loops.compiled(query.dtype).address, job.ctypes.data, torch.get_num_threads(), 0)


def _laid(map_: Tensor) -> Tensor:
    return map_.contiguous(memory_format=torch.channels_last)


class _Attention(torch.autograd.Function):
    """`depth_attention` of maps in channels_last; saves its inputs and the weights."""

    @staticmethod
    def forward(ctx: Any, heads: int, query: Tensor, *sources: Tensor) -> Tensor:
        output = torch.empty_like(query)
        shape = query[:, :heads].numel(), len(sources) // 2
        weights = torch.empty(shape, dtype=torch.float32, device=query.device)
        _work(SCORES, heads, query, sources, weights, output)
        torch.softmax(weights, 1, out=weights)
        _work(OUTPUT, heads, query, sources, weights, output)
        ctx.heads = heads
        ctx.save_for_backward(weights, query, *sources)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, *maps = ctx.saved_tensors
        maps = [_laid(map_) for map_ in maps]  # hooks on saved tensors may have moved them
        query, *sources = maps
        wanted = zip(maps, ctx.needs_input_grad[1:], strict=True)
        grads = [torch.empty_like(map_) if needs else None for map_, needs in wanted]
        _work(GRADS, ctx.heads, query, sources, weights.contiguous(), _laid(grad), grads)
        return None, *grads
