"""Count a plan part by part: equal parts that read equal shapes cost the same, in any network.

A part is a call of a plan. To run a part on shapes that it has not met, its layer is made with
parts in the place of the modules that it takes, each of which is looked up first. The blocks of a
stage, and networks that differ in a few parameters, have most of their parts in common: after 100
random networks of the whole space, 5 % of the layers that take no modules are new.
"""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from skipsearch.searchspace.assembly.meta_shapes import Shapes
from skipsearch.searchspace.assembly.plan import Argument, Call
from skipsearch.searchspace.layers.blocks import Activated, Plain, Residual
from skipsearch.searchspace.layers.merge import RecurrentSteps, Start, Step
from skipsearch.searchspace.layers.recurrent import Recurrent, Whole

DRIVING = (Recurrent, RecurrentSteps)  # call the parts of their modules one by one
DRIVEN = (Start, Step, Residual, Activated, Plain, Whole)  # the modules whose parts these call
MOST = 10_000  # structures that are remembered
NOTHING: dict[str, Any] = {}  # the parameters and modules of a part


Run = tuple[int, Any]  # multiply-accumulates, and the output


@dataclass(eq=False)
class Known:
    """Parameters and runs of all calls of one structure."""

    params: int | None = None  # of the layer itself, without those of the modules that it takes
    runs: dict[Any, Run] = field(default_factory=dict)  # by the shapes of the inputs


_KNOWN: dict[Any, Known] = {}


def counted(plan: Call, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return parameters, shared ones once, and multiply-accumulates for one image of `shape`."""
    if len(_KNOWN) > MOST:
        _KNOWN.clear()
    count = _Count()
    with torch.no_grad(), Shapes():
        _Part(count, plan, count.known(plan))(torch.empty(1, *shape))
        return count.params(), count.macs


class _Part(nn.Module):
    """Stand-in for the module of a call: answers with a map of the right shape, adds up macs."""

    count: "_Count"
    plan: Call
    known: Known

    def __init__(self, count: "_Count", plan: Call, known: Known) -> None:
        # `nn.Module.__init__` takes 3 µs, and what it makes takes Python's collector as long again.
        vars(self).update(count=count, plan=plan, known=known)
        vars(self).update(_parameters=NOTHING, _buffers=NOTHING, _modules=NOTHING)

    def __call__(self, *inputs: Any) -> Any:
        with torch._C.DisableTorchFunction():  # else each shape is asked of `Shapes`: 1.2 µs
            key = _shapes(inputs)
        found = self.known.runs.get(key)
        if found is None:
            found = self.known.runs[key] = self.count.run(self.plan, self.known, inputs)
        self.count.macs += found[0]
        return _copied(found[1])


class _Count:
    """The count of one network."""

    def __init__(self) -> None:
        self.macs, self.calls = 0, dict[int, tuple[Call, Known]]()  # by identity: shared ones once

    def known(self, plan: Call) -> Known:
        """Return what is known of a call, and note it and those of its arguments."""
        if id(plan) not in self.calls:
            kwargs = [(name, self._key(one)) for name, one in plan.kwargs.items()]
            key = plan.cls, *map(self._key, plan.args), *kwargs
            self.calls[id(plan)] = plan, _KNOWN.get(key) or _KNOWN.setdefault(key, Known())
        return self.calls[id(plan)][1]

    def _key(self, argument: Argument) -> Any:
        if isinstance(argument, Call):
            return self.known(argument)
        if isinstance(argument, list):
            return tuple([self._key(one) for one in argument])
        return type(argument), argument  # `True` is not 1

    def run(self, plan: Call, known: Known, inputs: tuple[Any, ...]) -> Run:
        """Make the layer of a call and run it: return its macs and its output."""
        before, self.macs = self.macs, 0
        layer = self._layer(plan, issubclass(plan.cls, DRIVING))
        for one in layer.modules():
            if not isinstance(one, _Part):
                vars(one)["training"] = False  # `eval()` without the rest of it
                if one is not layer and _counts(type(one)):  # type: ignore[arg-type]
                    one.register_forward_hook(self._add)
        output = layer.forward(*inputs)
        self._add(layer, inputs, output)
        macs, self.macs = self.macs, before
        if known.params is None and not issubclass(plan.cls, DRIVING):
            known.params = count_params(layer)
        return macs, output

    def _add(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if _counts(type(layer)):  # type: ignore[arg-type]
            self.macs += macs_of(layer, inputs, output)

    def params(self) -> int:
        """Return the trainable parameters of all layers."""
        total = 0
        for plan, known in self.calls.values():
            if known.params is None:
                known.params = count_params(self._layer(plan, False))
            total += known.params
        return total

    def _layer(self, plan: Call, opens: bool) -> nn.Module:
        """Make the layer of a call of parts; if it `opens` modules, those that it drives too."""
        args = [self._made(one, opens) for one in plan.args]
        kwargs = {name: self._made(one, opens) for name, one in plan.kwargs.items()}
        layer: nn.Module = plan.cls(*args, **kwargs)
        return layer

    def _made(self, argument: Argument, opens: bool) -> Any:
        if isinstance(argument, Call):
            if opens and issubclass(argument.cls, DRIVEN):
                return self._layer(argument, True)
            return _Part(self, argument, self.known(argument))
        if isinstance(argument, list):
            return [self._made(one, opens) for one in argument]
        return argument


@cache
def _counts(cls: Any) -> bool:
    """Return True for a class of layers that have multiply-accumulates of their own."""
    return issubclass(cls, nn.Conv1d | nn.Conv2d | nn.Linear) or hasattr(cls, "macs")


def count_params(layer: nn.Module) -> int:
    """Count trainable parameters, a shared one once."""
    return sum(p.numel() for p in layer.parameters() if p.requires_grad)


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, tuple | list):
        return tuple([_shapes(one) for one in value])
    return value


def _copied(output: Any) -> Any:
    """Copy the lists in an output, which its reader may change; maps hold nothing to change."""
    if isinstance(output, tuple | list):
        return type(output)([_copied(one) for one in output])
    return output


def macs_of(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
    """Return the multiply-accumulates of a layer itself, for a batch of one."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        window = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return int(output[0].numel() * window)
    if isinstance(layer, nn.Linear):
        return int(output[0].numel() * layer.in_features)
    own = getattr(layer, "macs", None)
    return int(own(*inputs)) if own else 0
