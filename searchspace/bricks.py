"""Plans of a network's parts: convolutions, norms, gates, blocks."""

from typing import assert_never

from torch import nn

from searchspace import gates, shortcuts
from searchspace.arch import (
    Arch,
    Basic,
    BatchNorm,
    Bottleneck,
    Conv3,
    Conv7,
    GroupNorm,
    LayerNorm,
    NoNorm,
    Norm,
)
from searchspace.layers import blocks, norms, self_attention
from searchspace.layers import gates as gate_layers
from searchspace.plan import Call, call


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> Call:
    """A convolution without bias that keeps the resolution but for its stride."""
    extra: dict[str, int] = {}
    if stride > 1:
        extra["stride"] = stride
    if kernel > 1:
        extra["padding"] = kernel // 2
    return call(nn.Conv2d, inputs, outputs, kernel, **extra, bias=False)


def norm(kind: Norm, channels: int) -> Call:
    match kind:
        case BatchNorm():
            return call(nn.BatchNorm2d, channels)
        case LayerNorm():
            return call(norms.LayerNorm2d, channels)
        case GroupNorm(groups=groups):  # one value a group would normalise to a constant
            return call(nn.GroupNorm, min(groups, channels // 2), channels)
        case NoNorm():
            return call(nn.Identity)
        case _:
            assert_never(kind)


def stem(arch: Arch, channels: int) -> Call:
    width = arch.stem_channels
    match arch.stem:
        case Conv3():
            first = conv(channels, width, 3)
            return call(nn.Sequential, first, norm(arch.norm, width), call(nn.ReLU))
        case Conv7():
            first, pool = conv(channels, width, 7, 2), call(nn.MaxPool2d, 3, stride=2, padding=1)
            return call(nn.Sequential, first, norm(arch.norm, width), call(nn.ReLU), pool)
        case _:
            assert_never(arch.stem)


def body(arch: Arch, inputs: int, inner: int, outputs: int, stride: int) -> Call:
    last = norm(arch.last_norm, outputs)
    match arch.body:
        case Basic():
            first = conv(inputs, inner, 3, stride), norm(arch.norm, inner)
            return call(blocks.Basic, *first, conv(inner, outputs, 3), last)
        case Bottleneck():
            first = conv(inputs, inner, 1), norm(arch.norm, inner)
            middle = conv(inner, inner, 3, stride), norm(arch.norm, inner)
            return call(blocks.Bottleneck, *first, *middle, conv(inner, outputs, 1), last)
        case _:
            assert_never(arch.body)


def skip(arch: Arch, match_by: str, inputs: int, outputs: int, stride: int) -> Call | None:
    """What is added to a block's branch, or None where the shortcut has nothing to add."""
    if inputs == outputs and stride == 1:
        return call(nn.Identity)
    if match_by == "projection":
        return call(nn.Sequential, conv(inputs, outputs, 1, stride), norm(arch.norm, outputs))
    if match_by == "zero_pad":
        before = (outputs - inputs) // 2
        return call(blocks.PadChannels, before, outputs - inputs - before, stride)
    return call(blocks.Subsample, stride) if inputs == outputs else None


def block(
    arch: Arch,
    residual: shortcuts.Sum | shortcuts.NoShortcut,
    inputs: int,
    inner: int,
    outputs: int,
    stride: int,
) -> Call:
    """activation(gate(body(x)) + skip(x)), and a gate after it where one belongs."""
    activation = call(nn.ReLU) if arch.activation == "post" else call(nn.Identity)
    branch = {
        "body": body(arch, inputs, inner, outputs, stride),
        "gate": gate_at("branch", arch, outputs),
    }
    added = None
    if isinstance(residual, shortcuts.Sum):
        added = skip(arch, residual.match, inputs, outputs, stride)
    if added is None:
        whole = call(blocks.Plain, **branch, activation=activation)
    else:
        whole = call(blocks.Residual, **branch, skip=added, activation=activation)
    return then_gate("block", arch, outputs, whole)


def then_gate(place: str, arch: Arch, channels: int, *parts: Call) -> Call:
    """The parts one after the other, and the gate if it belongs at `place`."""
    gate = gate_at(place, arch, channels)
    if gate.cls is not nn.Identity:
        parts = (*parts, gate)
    return parts[0] if len(parts) == 1 else call(nn.Sequential, *parts)


def gate_at(place: str, arch: Arch, channels: int) -> Call:
    """The gate for features of `channels`, or the identity if it belongs elsewhere."""
    gate = arch.gate
    if isinstance(gate, gates.NoGate) or gate.place != place:
        return call(nn.Identity)
    function = _gate_function(gate, channels)
    match gate.combine:
        case "add":
            return call(gate_layers.Add, function)
        case "gated":
            return call(gate_layers.Gated, function)
        case _:
            return function


def _gate_function(
    gate: gates.SE | gates.ECA | gates.CBAM | gates.SelfAttention | gates.MultiHead, channels: int
) -> Call:
    match gate:
        case gates.SE():
            hidden = max(1, channels // gate.reduction)
            return call(gate_layers.SqueezeExcite, channels, hidden, bias=gate.bias)
        case gates.ECA():
            return call(gate_layers.EfficientChannel, gate.kernel)
        case gates.CBAM():
            hidden = max(1, channels // gate.reduction)
            return call(
                gate_layers.ConvBlockAttention, channels, hidden, gate.kernel, bias=gate.bias
            )
        case gates.SelfAttention():
            return call(self_attention.SelfAttention, channels)
        case gates.MultiHead():
            return call(self_attention.MultiHeadAttention, channels, gate.heads)
        case _:
            assert_never(gate)
