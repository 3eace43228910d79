"""Plans of a network's parts: convolutions, norms, bodies, skips, blocks, the stem."""

from math import gcd
from typing import assert_never

from torch import nn

from skipsearch.searchspace.arch import shortcuts
from skipsearch.searchspace.arch.arch import Arch, BatchNorm, GroupNorm, LayerNorm, NoNorm, Norm
from skipsearch.searchspace.arch.blocks import (
    Basic,
    Bottleneck,
    Conv3,
    Conv7,
    Linear,
    Post,
    Pre,
    Single,
)
from skipsearch.searchspace.assembly import gates
from skipsearch.searchspace.assembly.plan import Call, call, in_turn
from skipsearch.searchspace.assembly.stage import Stage
from skipsearch.searchspace.layers import blocks, downsampling, joins, norms
from skipsearch.searchspace.layers.initialise import ProjectionConv2d


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = False
) -> Call:
    """Plan a convolution, padded so that only its stride changes the resolution."""
    extra: dict[str, int] = {}
    if stride > 1:
        extra["stride"] = stride
    if kernel > 1:
        extra["padding"] = kernel // 2
    if groups > 1:
        extra["groups"] = groups
    return call(nn.Conv2d, inputs, outputs, kernel, **extra, bias=bias)


def projection(inputs: int, outputs: int, stride: int = 1) -> Call:
    """Plan a 1×1 convolution to queries, keys or values of depth attention."""
    made = conv(inputs, outputs, 1, stride)
    return call(ProjectionConv2d, *made.args, **made.kwargs)


def norm(kind: Norm, channels: int) -> Call:
    """Plan a norm over maps of `channels`; the identity for no norm."""
    match kind:
        case BatchNorm():
            return call(nn.BatchNorm2d, channels)
        case LayerNorm():
            return call(norms.LayerNorm2d, channels)
        case GroupNorm(groups=groups):  # one value per group would normalise to a constant
            return call(nn.GroupNorm, min(gcd(groups, channels), channels // 2), channels)
        case NoNorm():
            return call(nn.Identity)
        case _:
            assert_never(kind)


def stem(arch: Arch, channels: int) -> Call:
    """Plan the stem: convolution, then norm and ReLU unless blocks are pre-activated."""
    width = arch.stem_channels
    after = [] if isinstance(arch.activation, Pre) else [norm(arch.norm, width), call(nn.ReLU)]
    match arch.stem:
        case Conv3(bias=bias):
            return call(nn.Sequential, conv(channels, width, 3, bias=bias), *after)
        case Conv7():
            pool = call(nn.MaxPool2d, 3, stride=2, padding=1)
            return call(nn.Sequential, conv(channels, width, 7, 2), *after, pool)
        case _:
            assert_never(arch.stem)


def block(
    stage: Stage,
    residual: shortcuts.Sum | shortcuts.NoShortcut,
    number: int,
    inputs: int,
    stride: int,
) -> Call:
    """Plan a block: activation(add(skip(x), gate(body(x)))), and the gate after it, if any."""
    arch, gate = stage.arch, gates.in_branch(stage, number)
    activation = call(nn.ReLU) if isinstance(arch.activation, Post) else call(nn.Identity)
    skipped = added = None
    if isinstance(residual, shortcuts.Sum):
        skipped = skip(stage, residual, inputs, stride)
        added = join(stage, residual, number)
    if skipped is None:
        branch = body(stage, inputs, stride)
        whole = call(blocks.Plain, body=branch, gate=gate, activation=activation)
    elif _shares_activation(arch, inputs, stage.outputs, stride):
        first = norm(arch.norm, inputs)
        branch = _post_body(stage, inputs, stride)
        rest = {"skip": skipped, "add": added, "activation": activation}
        whole = call(blocks.Activated, norm=first, body=branch, gate=gate, **rest)
    else:
        branch = body(stage, inputs, stride)
        rest = {"skip": skipped, "add": added, "activation": activation}
        whole = call(blocks.Residual, body=branch, gate=gate, **rest)
    return gates.after_block(stage, number, whole)


def body(stage: Stage, inputs: int, stride: int) -> Call:
    """Plan the convolutions of a block, with norms and ReLUs where the activation has them."""
    match stage.arch.activation:
        case Post() | Linear():
            return _post_body(stage, inputs, stride)
        case Pre():
            return _pre_body(stage, inputs, stride)
        case _:
            assert_never(stage.arch.activation)


def skip(stage: Stage, residual: shortcuts.Sum, inputs: int, stride: int) -> Call | None:
    """Plan the skip that a block's branch is added to, or None if the shortcut has none here."""
    outputs = stage.outputs
    if inputs == outputs and stride == 1:
        return call(nn.Identity)
    match residual.match:
        case shortcuts.Projection() as projection:
            return _projection(stage, projection, inputs, stride)
        case shortcuts.ZeroPad():
            before = (outputs - inputs) // 2
            return call(blocks.PadChannels, before, outputs - inputs - before, stride)
        case shortcuts.Identity():
            return call(blocks.Subsample, stride) if inputs == outputs else None
        case _:
            assert_never(residual.match)


def join(stage: Stage, residual: shortcuts.Sum, number: int) -> Call:
    """Plan the layer that joins skip and branch of block `number`."""
    match residual.add:
        case shortcuts.PlainAdd():
            add = call(joins.Sum)
        case shortcuts.ReZero():
            add = call(joins.SkipScale)
        case shortcuts.LayerScale(start=start):
            add = call(joins.LayerScale, stage.outputs, start)
        case shortcuts.Highway():
            add = call(joins.Highway, stage.outputs)
        case _:
            assert_never(residual.add)
    if residual.drop == 0:
        return add
    return call(joins.StochasticDepth, add, round(residual.drop * stage.depth(number), 6))


def final(arch: Arch, channels: int) -> Call:
    """Plan the end of the last stage: norm and ReLU if blocks are pre-activated."""
    if isinstance(arch.activation, Pre):
        return call(nn.Sequential, norm(arch.norm, channels), call(nn.ReLU))
    return call(nn.Identity)


def _projection(stage: Stage, projection: shortcuts.Projection, inputs: int, stride: int) -> Call:
    pool: list[Call] = []
    if stride > 1 and projection.pool == "average":
        pool, stride = [call(nn.AvgPool2d, 2, ceil_mode=True)], 1
    convolution = _conv(stage, {"projection"}, inputs, stage.outputs, 1, stride)
    kinds: dict[str, Norm] = {"same": stage.arch.norm, "batch": BatchNorm(), "none": NoNorm()}
    return in_turn(*pool, convolution, norm(kinds[projection.norm], stage.outputs))


def _shares_activation(arch: Arch, inputs: int, outputs: int, stride: int) -> bool:
    """Return True if branch and projection read the same norm and ReLU (WRN)."""
    activation = arch.activation
    changes = inputs != outputs or stride > 1
    return isinstance(activation, Pre) and activation.projection == "activated" and changes


def _post_body(stage: Stage, inputs: int, stride: int) -> Call:
    arch, inner, outputs = stage.arch, stage.inner, stage.outputs
    last = _last_norm(stage)
    match arch.body:
        case Basic(dropout=dropout):
            first = _conv(stage, {"first", "spatial"}, inputs, inner, 3, stride)
            second = _conv(stage, {"later", "spatial"}, inner, outputs, 3)
            return call(blocks.Basic, first, norm(arch.norm, inner), _drop(dropout), second, last)
        case Bottleneck(dropout=dropout, groups=groups):
            first = _conv(stage, {"first"}, inputs, inner, 1)
            second = _conv(
                stage, {"later", "spatial"}, inner, inner, 3, stride, groups=gcd(groups, inner)
            )
            third = _conv(stage, {"later"}, inner, outputs, 1)
            norms_ = [norm(arch.norm, inner) for _ in range(2)]
            parts = (first, norms_[0], second, norms_[1], _drop(dropout), third, last)
            return call(blocks.Bottleneck, *parts)
        case Single(dropout=dropout, bias=bias):
            only = _conv(stage, {"first", "spatial"}, inputs, outputs, 3, stride, bias=bias)
            return call(blocks.Single, _drop(dropout), only, last)
        case _:
            assert_never(arch.body)


def _pre_body(stage: Stage, inputs: int, stride: int) -> Call:
    arch, inner, outputs = stage.arch, stage.inner, stage.outputs
    before, last = norm(arch.norm, inputs), _last_norm(stage)
    match arch.body:
        case Basic(dropout=dropout):
            first = _conv(stage, {"first", "spatial"}, inputs, inner, 3, stride)
            second = _conv(stage, {"later", "spatial"}, inner, outputs, 3)
            middle = norm(arch.norm, inner)
            return call(blocks.PreBasic, before, first, middle, _drop(dropout), second, last)
        case Bottleneck(dropout=dropout, groups=groups):
            first = _conv(stage, {"first"}, inputs, inner, 1)
            second = _conv(
                stage, {"later", "spatial"}, inner, inner, 3, stride, groups=gcd(groups, inner)
            )
            third = _conv(stage, {"later"}, inner, outputs, 1)
            norms_ = [norm(arch.norm, inner) for _ in range(2)]
            parts = (before, first, norms_[0], second, norms_[1], _drop(dropout), third, last)
            return call(blocks.PreBottleneck, *parts)
        case Single(dropout=dropout, bias=bias):
            only = _conv(stage, {"first", "spatial"}, inputs, outputs, 3, stride, bias=bias)
            return call(blocks.PreSingle, before, _drop(dropout), only, last)
        case _:
            assert_never(arch.body)


def _last_norm(stage: Stage) -> Call:
    kind = stage.arch.last_norm
    if isinstance(kind, NoNorm) and gates.has_tail_norm(stage):
        kind = BatchNorm()
    return norm(kind, stage.outputs)


def _drop(probability: float) -> Call:
    return call(nn.Dropout, probability) if probability else call(nn.Identity)


def _conv(
    stage: Stage,
    roles: set[str],
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    bias: bool = False,
) -> Call:
    """Plan a convolution of a block, with the gate on its input and the way it halves."""
    gate = gates.in_convolution(stage, roles, inputs)
    if stride == 1:
        return in_turn(gate, conv(inputs, outputs, kernel, groups=groups, bias=bias))
    plain = conv(inputs, outputs, kernel, groups=groups, bias=bias)
    match stage.arch.downsampling:
        case "blur":
            parts = [gate, plain, call(downsampling.BlurPool, outputs)]
        case "space_to_depth":
            wide = conv(4 * inputs, outputs, kernel, groups=groups, bias=bias)
            parts = [gate, call(downsampling.SpaceToDepth, 2), wide]
        case "average_pool":
            parts = [call(nn.AvgPool2d, 2, ceil_mode=True), gate, plain]
        case "max_pool":
            parts = [call(nn.MaxPool2d, 2, ceil_mode=True), gate, plain]
        case _:
            parts = [gate, conv(inputs, outputs, kernel, stride, groups=groups, bias=bias)]
    return in_turn(*parts)
