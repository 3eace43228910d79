"""A network and its forward pass for their shapes only, on the meta device.

There torch runs norms, activations, sums and initial weights through Python, operation by
operation: 50 ms for a network of 15 layers. What gives back the shape that it got needs none of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
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
}
BROADCASTING = {  # one operand's shape, where the others' stretch to it
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
SUMMING = {Tensor.mean, torch.mean, torch.linalg.vector_norm}  # a sum's shape and arguments


class Shapes(TorchFunctionMode):
    """Skips what is slow there and plain; all else is torch's own, with its complaints."""

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
        if function in SUMMING:
            return torch.sum(*args, **(kwargs or {}))
        if function is functional.linear and args[0].shape[-1] == args[1].shape[1]:
            return args[0].new_empty((*args[0].shape[:-1], args[1].shape[0]))
        if function is functional.scaled_dot_product_attention:
            query, _key, value = args[:3]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return function(*args, **(kwargs or {}))


def _widest(*operands: Any) -> Tensor | None:
    wide, *others = operands
    for other in others:
        wide = _wider(wide, other)
    return cast("Tensor | None", wide)


def _wider(one: Any, other: Any) -> Tensor | None:
    """The operand whose shape the result has, if any; a number changes no shape."""
    if not isinstance(one, Tensor):
        return None
    if not isinstance(other, Tensor) or _stretches(other, one):
        return one
    return other if _stretches(one, other) else None


def _stretches(small: Tensor, large: Tensor) -> bool:
    pairs = zip(reversed(small.shape), reversed(large.shape), strict=False)
    return small.dim() <= large.dim() and all(s in (1, d) for s, d in pairs)
