"""Run a network on the meta device for its shapes only, skipping what changes no shape.

There torch runs norms, activations, sums, convolutions and initial weights through Python,
operation by operation: 50 ms for a network of 15 layers. What has a shape that is plain needs none
of it. What torch takes apart into operations on numbers can load its compiler as well (`arange`, in
torch 2.14: 2 s).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional, init
from torch.overrides import TorchFunctionMode

KEEPING = {  # the shape of their first argument
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
BROADCASTING = {  # the operands' shapes, stretched to each other's
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
STARTING = {  # in place, handed on by keyword; inside them no mode is asked again
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.uniform_,
    init.normal_,
    init.constant_,
}
SUMMING = {  # a sum's shape and arguments, but for `correction`
    Tensor.mean,
    Tensor.std,
    torch.mean,
    torch.linalg.vector_norm,
}
CONVOLVING = {functional.conv1d: 1, functional.conv2d: 2}  # along so many axes


class Shapes(TorchFunctionMode):
    """Answer plain operations by their shapes; leave all others, and all errors, to torch."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function in KEEPING:
            return args[0]
        if function in BROADCASTING and (widest := _widest(*args)) is not None:
            return widest
        if function in STARTING and kwargs:
            return kwargs["tensor"]
        if function in SUMMING:
            given = {k: v for k, v in (kwargs or {}).items() if k != "correction"}
            return torch.sum(*args, **given)
        if function is torch.stack and (found := _stacked(*args, **(kwargs or {}))) is not None:
            return found
        if function is torch.cat and (found := _joined(*args, **(kwargs or {}))) is not None:
            return found
        if (axes := CONVOLVING.get(function)) and (
            found := _convolved(axes, *args, **(kwargs or {}))
        ) is not None:
            return found
        if function is torch.arange and (found := _counted(*args, **(kwargs or {}))) is not None:
            return found
        if function is functional.adaptive_avg_pool2d and isinstance(args[1], int):
            return args[0].new_empty((*args[0].shape[:-2], args[1], args[1]))
        if function is functional.linear and args[0].shape[-1] == args[1].shape[1]:
            return args[0].new_empty((*args[0].shape[:-1], args[1].shape[0]))
        if function is functional.scaled_dot_product_attention:
            query, _key, value = args[:3]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return function(*args, **(kwargs or {}))


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
