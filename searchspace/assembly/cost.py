"""Costs of a network: parameters, multiply-accumulates (FLOPs = 2 × macs), latency.

`macs` counts convolutions, linear layers and every product that a layer writes as a function:
a layer reports those in a method `macs`, since generic counters see no functional operation.
Norms, activations, pooling and the multiplication by a mask or a learned scale are not counted, as
in the papers' tables; weighted sums of several maps are.
"""

import statistics
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.assembly.assemble import Shape, assemble
from skipsearch.searchspace.assembly.meta_shapes import Shapes
from skipsearch.searchspace.assembly.parts import counted, macs_of
from skipsearch.searchspace.assembly.plan import identity, module


@dataclass(frozen=True)
class Description:
    """Exact counts for a network on images of one shape, and its identity."""

    params: int  # trainable; a shared one once
    macs: int  # multiply-accumulates of one image
    identity: str  # 12 hexadecimal digits, the same for the same network


def describe(arch: Arch, *, classes: int, shape: Shape) -> Description:
    """Count the costs of `arch` part by part, without memory for its weights.

    Raises
    ------
    ValueError
        The architecture does not fit images of this shape.
    """
    plan = assemble(arch, classes=classes, shape=shape)
    params, macs = counted(plan, shape)
    return Description(params, macs, identity(plan))


def count_macs(network: nn.Module, shape: Shape) -> int:
    """Count multiply-accumulates of one image of `shape`; the network may be on any device."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += macs_of(layer, inputs, output)

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    training = network.training
    device = next(network.parameters()).device
    skipping = Shapes() if device.type == "meta" else nullcontext()
    with torch.no_grad(), skipping:
        network.eval()(torch.zeros(1, *shape, device=device))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return total


def latency_ms(
    arch: Arch,
    *,
    classes: int,
    shape: Shape,
    batch: int = 1,
    device: str = "cpu",
    repeats: int = 20,
) -> float:
    """Time `repeats` warm forward passes of a batch and return their median in milliseconds."""
    network = module(assemble(arch, classes=classes, shape=shape)).eval().to(device)
    network = network.to(memory_format=torch.channels_last)
    images = torch.zeros(batch, *shape, device=device).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(3):
            network(images)
        return statistics.median(_seconds(network, images) for _ in range(repeats)) * 1e3


def _seconds(network: nn.Module, images: Tensor) -> float:
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    start = time.perf_counter()
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start
