"""A slow and obvious implementation of attention over depth, and random maps to compare it on."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from skipsearch.searchspace.layers.compiled import attention as compiled

Attention = Callable[[Tensor, list[Tensor], list[Tensor], int], Tensor]


def twin(query: Tensor, keys: list[Tensor], values: list[Tensor], heads: int) -> Tensor:
    """Attend over depth. N sources, B images, G heads, D channels of a head, H, W pixels."""
    query_BGDHW = query.unflatten(1, (heads, -1))
    keys_NBGDHW = torch.stack(keys).unflatten(2, (heads, -1))
    values_NBGDHW = torch.stack(values).unflatten(2, (heads, -1))
    scores = torch.einsum("bgdhw,nbgdhw->nbghw", query_BGDHW, keys_NBGDHW)
    weights = torch.softmax(scores / math.sqrt(query_BGDHW.shape[2]), 0)
    return torch.einsum("nbghw,nbgdhw->bgdhw", weights, values_NBGDHW).flatten(1, 2)


def draw(
    sources: int,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float64,
    layout: torch.memory_format = torch.channels_last,
) -> list[Tensor]:
    """Return the query, the keys and the values, one after another."""
    generator = torch.Generator().manual_seed(sources)
    maps = [torch.randn(shape, generator=generator) for _ in range(1 + 2 * sources)]
    return [map_.to(dtype).contiguous(memory_format=layout).requires_grad_() for map_ in maps]


def exactly(maps: list[Tensor]) -> list[Tensor]:
    return [map_.detach().double().requires_grad_(map_.requires_grad) for map_ in maps]


def attend(attention: Attention, maps: list[Tensor], heads: int) -> Tensor:
    sources = len(maps) // 2
    return attention(maps[0], maps[1 : 1 + sources], maps[1 + sources :], heads)


def output_and_gradients(attention: Attention, maps: list[Tensor], heads: int) -> list[Tensor]:
    output = attend(attention, maps, heads)
    grad = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    grad = grad.bfloat16().to(output.dtype)  # the same values in every type
    wanted = [map_ for map_ in maps if map_.requires_grad]
    return [output.detach(), *torch.autograd.grad(output, wanted, grad)]


needs_loops = pytest.mark.skipif(
    compiled._loops() is None or compiled._team() is None, reason="needs numba and GNU OpenMP"
)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the compiled loops append each part that they process."""
    done, work = [], compiled._work

    def count(part: int, *arguments: Any) -> None:
        done.append(part)
        work(part, *arguments)

    monkeypatch.setattr(compiled, "_work", count)
    return done
