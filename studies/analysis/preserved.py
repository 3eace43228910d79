"""Restore a network after an analysis has run it with hooks and gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

Handles = list[RemovableHandle]


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[Handles]:
    """Restore modes, buffers (running statistics), gradients and `requires_grad` on exit, also
    after an error, and remove the hooks whose handles were appended to the yielded list.

    Inside the block every parameter starts with no gradient.
    """
    modes = [(module, module.training) for module in network.modules()]
    parameters = [(p, p.requires_grad, p.grad) for p in network.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    for parameter, _, _ in parameters:
        parameter.grad = None
    handles: Handles = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
        for parameter, required, gradient in parameters:
            parameter.requires_grad_(required)
            parameter.grad = gradient
        with torch.no_grad():
            for buffer, content in buffers:
                buffer.copy_(content)
