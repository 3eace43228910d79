"""Run a network on the meta device for its shapes only, skipping what changes no shape.

There torch runs norms, activations, sums, convolutions and initial weights through Python,
operation by operation: 50 ms for a network of 15 layers. What has a shape that is plain needs none
of it. What torch takes apart into operations on numbers can load its compiler as well (`arange`, in
torch 2.14: 2 s).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional, init
from torch.overrides import TorchFunctionMode

KEEPING: set[Any] = {  # the shape of their first argument
    functional.batch_norm,
    functional.group_norm,
    functional.layer_norm,
    functional.normalize,
    functional.relu,
    functional.silu,
    functional.hardsigmoid,
    functional.hardswish,
    functional.softmax,
    functional.dropout,
    torch.relu,
    torch.sigmoid,
    torch.tanh,
    torch.rsqrt,
    torch.softmax,
    Tensor.relu,
    Tensor.sigmoid,
    Tensor.tanh,
    Tensor.rsqrt,
    Tensor.square,
    Tensor.softmax,
    Tensor.uniform_,
    Tensor.normal_,
    Tensor.zero_,
    Tensor.fill_,
    Tensor.__rpow__,
    Tensor.__neg__,
    Tensor.neg,
    Tensor.cos,
    Tensor.sin,
}
BROADCASTING: set[Any] = {  # the operands' shapes, stretched to each other's
    torch.mul,
    torch.add,
    Tensor.mul,
    Tensor.add,
    Tensor.sub,
    Tensor.div,
    Tensor.__mul__,
    Tensor.__add__,
    torch.addcmul,
}
STARTING: set[Any] = {  # in place, handed on by keyword; inside them no mode is asked again
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.uniform_,
    init.normal_,
    init.constant_,
}
REDUCING: set[Any] = {  # along axes, to one number each
    Tensor.mean,
    Tensor.sum,
    Tensor.std,
    Tensor.amax,
    Tensor.amin,
    torch.mean,
    torch.sum,
}
MAKING: set[Any] = {  # on the meta device, if no other is named
    torch.empty,
    torch.zeros,
    torch.ones,
    torch.randn,
    torch.rand,
}
WRITING: set[Any] = {  # into their first argument, whose shape the others may be stretched to
    Tensor.addcmul_,
    Tensor.mul_,
    Tensor.copy_,
}


class Shapes(TorchFunctionMode):
    """Answer plain operations by their shapes; leave all others, and all errors, to torch."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = ANSWERS.get(function)
        found = answer(*args, **(kwargs or {})) if answer else None
        return function(*args, **(kwargs or {})) if found is None else found


# Each returns None if the call is invalid, or not as plain as it expects: torch answers then.


def _first(x: Any, *_others: Any, **_kwargs: Any) -> Any:
    return x


def _started(*_args: Any, tensor: Tensor | None = None, **_kwargs: Any) -> Tensor | None:
    return tensor


def _broadcast(*operands: Any, out: Tensor | None = None, **_kwargs: Any) -> Tensor | None:
    widest = _widest(*operands)
    if out is None or widest is None:
        return widest
    return out if out.shape == widest.shape else None


def _written(x: Tensor, *operands: Any, **_kwargs: Any) -> Tensor | None:
    widest = _widest(x, *operands)
    return x if widest is not None and widest.shape == x.shape else None


def _reduced(
    x: Tensor,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: torch.dtype | None = None,
    **_correction: int,
) -> Tensor | None:
    if not isinstance(x, Tensor) or dim is None or isinstance(dim, bool):
        return None
    sides = x.dim()
    axes = (dim,) if isinstance(dim, int) else dim
    if not axes or not x.is_floating_point() or not all(-sides <= axis < sides for axis in axes):
        return None
    kept: list[int | None] = list(x.shape)
    for axis in axes:
        kept[axis] = 1 if keepdim else None
    shape = [side for side in kept if side is not None]
    if out is not None:
        return out if list(out.shape) == shape else None
    return x.new_empty(shape, dtype=dtype)


def _normed(x: Tensor, _order: float = 2, **reduction: Any) -> Tensor | None:
    return _reduced(x, **reduction)


def _made(*size: Any, dtype: torch.dtype | None = None, device: Any = "meta", **_: Any) -> Tensor:
    return torch.empty(*size, dtype=dtype, device=device)


def _filled(size: Sequence[int], _value: float, **kwargs: Any) -> Tensor:
    return _made(size, **kwargs)


def _alike(x: Tensor, *, dtype: torch.dtype | None = None, **_layout: Any) -> Tensor:
    return x.new_empty(x.shape, dtype=dtype)


def _pooled(x: Tensor, side: int | Sequence[int]) -> Tensor | None:
    return x.new_empty((*x.shape[:-2], side, side)) if isinstance(side, int) else None


def _linear(x: Tensor, weight: Tensor, *_bias: Any, **_kwargs: Any) -> Tensor | None:
    if x.shape[-1] != weight.shape[1]:
        return None
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _attended(query: Tensor, _key: Tensor, value: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


def _stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    """Return None if the call is invalid, so that torch raises its own error."""
    shape = tensors[0].shape
    if dim < 0 or dim > len(shape) or any(one.shape != shape for one in tensors):
        return None
    return tensors[0].new_empty((*shape[:dim], len(tensors), *shape[dim:]))


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    """Return None if the call is invalid, so that torch raises its own error."""
    around = [(*one.shape[:dim], *one.shape[dim + 1 :]) for one in tensors]
    if dim < 0 or dim >= tensors[0].dim() or any(one != around[0] for one in around):
        return None
    total = sum(one.shape[dim] for one in tensors)
    return tensors[0].new_empty((*around[0][:dim], total, *around[0][dim:]))


def _convolved(
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """Return None if the call is invalid, has no batch axis, or pads by a word (`"same"`)."""
    if not x.dim() == weight.dim() == axes + 2 or isinstance(padding, str):
        return None
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        return None
    if bias is not None and bias.shape != weight.shape[:1]:
        return None
    steps, around, apart = (
        (one,) * axes if isinstance(one, int) else one for one in (stride, padding, dilation)
    )
    if not len(steps) == len(around) == len(apart) == axes or min(*steps, *apart) < 1:
        return None
    windows = [a * (size - 1) + 1 for size, a in zip(weight.shape[2:], apart, strict=True)]
    sides = [
        (length + 2 * edge - window) // step + 1
        for length, edge, window, step in zip(x.shape[2:], around, windows, steps, strict=True)
    ]
    return x.new_empty((x.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else None


def _counted(*bounds: Any, dtype: torch.dtype = torch.int64, **kwargs: Any) -> Tensor | None:
    """Return None if the call is invalid, or a bound is no integer."""
    if not all(isinstance(one, int) for one in bounds) or not all(bounds[2:]):
        return None
    total = len(range(*bounds))
    return torch.empty(total, dtype=dtype, **kwargs) if total else None


def _widest(*operands: Any) -> Tensor | None:
    wide, *others = operands
    for other in others:
        wide = _wider(wide, other)
    return cast("Tensor | None", wide)


def _wider(one: Any, other: Any) -> Tensor | None:
    """Return an operand, or a new tensor, with the result's shape; None if the shapes do not fit.

    A number changes no shape.
    """
    if not isinstance(one, Tensor):
        return None
    if not isinstance(other, Tensor) or _stretches(other, one):
        return one
    if _stretches(one, other):
        return other
    try:
        shape = torch.broadcast_shapes(one.shape, other.shape)  # type: ignore[no-untyped-call]
        return one.new_empty(shape)
    except RuntimeError:
        return None


def _stretches(small: Tensor, large: Tensor) -> bool:
    pairs = zip(reversed(small.shape), reversed(large.shape), strict=False)
    return small.dim() <= large.dim() and all(s in (1, d) for s, d in pairs)


ANSWERS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(KEEPING, _first),
    **dict.fromkeys(BROADCASTING, _broadcast),
    **dict.fromkeys(STARTING, _started),
    **dict.fromkeys(REDUCING, _reduced),
    **dict.fromkeys(MAKING, _made),
    torch.full: _filled,
    torch.tensor: partial(torch.tensor, device="meta"),
    torch.empty_like: _alike,
    torch.zeros_like: _alike,
    **dict.fromkeys(WRITING, _written),
    torch.linalg.vector_norm: _normed,
    torch.stack: _stacked,
    torch.cat: _joined,
    torch.arange: _counted,
    functional.conv1d: partial(_convolved, 1),
    functional.conv2d: partial(_convolved, 2),
    functional.linear: _linear,
    functional.adaptive_avg_pool2d: _pooled,
    functional.scaled_dot_product_attention: _attended,
}
