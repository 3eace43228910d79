"""Plans of gates: their formulas at their places, one for each block or one for a stage."""

import math
from typing import assert_never

from torch import nn

from skipsearch.searchspace.arch import gate_places, gates, recurrent_gates
from skipsearch.searchspace.arch.blocks import Pre
from skipsearch.searchspace.arch.effects import GATED
from skipsearch.searchspace.assembly.plan import Call, call, in_turn
from skipsearch.searchspace.assembly.stage import Stage
from skipsearch.searchspace.layers import (
    channel_gates,
    layer_attention,
    recurrent,
    self_attention,
    spatial_gates,
)
from skipsearch.searchspace.layers.gates import cbam, combine


def in_branch(stage: Stage, block: int) -> Call:
    """Plan the gate of a block's branch, or the identity if the gate stands elsewhere."""
    match stage.arch.gate:
        case gate_places.Recurrent() as gate if remembers(stage, "branch"):
            return _remembering(stage, gate, first=block == 0)
        case _:
            return _placed(stage, gate_places.InBranch, stage.outputs)


def after_block(stage: Stage, block: int, whole: Call) -> Call:
    """Plan the block `whole` with the gate after it, if the gate stands there."""
    gate = stage.arch.gate
    if isinstance(gate, gates.NoGate) or not isinstance(gate.place, gate_places.AfterBlock):
        return whole
    if not (block or gate.place.first) or not stage.gated:
        return whole
    match gate:
        case gate_places.Recurrent():
            made = _remembering(stage, gate, first=block == first_remembering(stage))
            return call(recurrent.Whole, whole, made)
        case _:
            return in_turn(whole, _placed(stage, gate_places.AfterBlock, stage.outputs))


def after_stage(stage: Stage, channels: int) -> Call:
    """Plan the gate after a stage, or the identity if the gate stands elsewhere."""
    return _placed(stage, gate_places.AfterStage, channels)


def in_convolution(stage: Stage, roles: set[str], channels: int) -> Call:
    """Plan the gate on a convolution's input, or the identity if this convolution has none."""
    gate = stage.arch.gate
    if isinstance(gate, gates.NoGate) or not isinstance(gate.place, gate_places.InConvolution):
        return call(nn.Identity)
    if not roles & GATED[gate.place.on]:
        return call(nn.Identity)
    return _placed(stage, gate_places.InConvolution, channels)


def remembers(stage: Stage, place: str) -> bool:
    """Return True if the stage has a recurrent gate at a place: "branch" or "block"."""
    gate = stage.arch.gate
    return stage.gated and isinstance(gate, gate_places.Recurrent) and gate.place.label == place


def first_remembering(stage: Stage) -> int | None:
    """Return the number of the first block with a recurrent gate, or None if no block has one."""
    gate = stage.arch.gate
    if not stage.gated or not isinstance(gate, gate_places.Recurrent):
        return None
    number = 1 if isinstance(gate.place, gate_places.AfterBlock) and not gate.place.first else 0
    return number if number < stage.blocks else None


def has_tail_norm(stage: Stage) -> bool:
    """Return True if a pre-activation branch ends with a norm for the recurrent gate's sake."""
    gate = stage.arch.gate
    return (
        isinstance(gate, recurrent_gates.SharedCell)
        and gate.tail_norm
        and isinstance(stage.arch.activation, Pre)
        and remembers(stage, "branch")
    )


def _placed(stage: Stage, place: type, channels: int) -> Call:
    gate = stage.arch.gate
    if isinstance(gate, gates.NoGate | gate_places.Recurrent):
        return call(nn.Identity)
    if not isinstance(gate.place, place) or not stage.gated:
        return call(nn.Identity)
    if gate.sharing == "block":
        return _combined(stage, gate, channels)
    if isinstance(gate, gates.SRM) and gate.norm == "block":
        return _combined(stage, gate, channels, style=_shared(stage, "style", channels))
    key = ("gate", channels)
    if key not in stage.shared:
        made = _combined(stage, gate, channels)
        stage.shared[key] = Call(made.cls, made.args, made.kwargs, name="gate")
    return stage.shared[key]


def _shared(stage: Stage, name: str, channels: int) -> Call:
    key = (name, channels)
    if key not in stage.shared:
        stage.shared[key] = Call(channel_gates.StyleWeights, (channels,), name=name)
    return stage.shared[key]


def _combined(stage: Stage, gate: gates.OneMap, channels: int, style: Call | None = None) -> Call:
    function = _function(stage, gate, channels, style)
    match gate.combine:
        case "add":
            return call(combine.Add, function)
        case "gated":
            return call(combine.Gated, function)
        case _:
            return function


def _function(stage: Stage, gate: gates.OneMap, channels: int, style: Call | None) -> Call:
    match gate:
        case gates.SE():
            hidden = _squeezed(stage, gate.base, channels, gate.reduction)
            return call(channel_gates.SqueezeExcite, channels, hidden, bias=gate.bias)
        case gates.EffectiveSE():
            return call(channel_gates.EffectiveSqueeze, channels)
        case gates.ECA():
            return call(channel_gates.EfficientChannel, _kernel(gate.kernel, channels))
        case gates.CBAM():
            return _cbam(gate, channels)
        case gates.SRM():
            style = style or call(channel_gates.StyleWeights, channels)
            norm = call(nn.BatchNorm1d, channels)
            return call(channel_gates.StyleRecalibration, style, norm)
        case gates.SPA():
            hidden, levels = max(1, channels // gate.reduction), gate.levels.split("-")
            sides = [int(side) for side in levels]
            return call(channel_gates.SpatialPyramid, channels, hidden, sides, bias=gate.bias)
        case gates.SEM():
            hidden = _squeezed(stage, gate.base, channels, gate.reduction)
            kernel = _kernel(gate.kernel, channels)
            return call(channel_gates.SwitchableExcitation, channels, hidden, kernel)
        case gates.SPEM():
            return call(channel_gates.SelfEnhanced, channels)
        case gates.SGE():
            groups = math.gcd(gate.groups, channels)
            return call(spatial_gates.SpatialGroupEnhance, groups)
        case gates.GlobalContext():
            hidden = max(2, channels // gate.reduction)
            return call(spatial_gates.GlobalContext, channels, hidden)
        case gates.Coordinate():
            hidden = max(8, channels // gate.reduction)
            norm = call(nn.BatchNorm2d, hidden)
            return call(spatial_gates.CoordinateAttention, channels, hidden, norm)
        case gates.ResponseNorm():
            return call(channel_gates.GlobalResponse, channels)
        case gates.InputAttention():
            return _parallel(gate, channels)
        case gates.SelfAttention():
            return call(self_attention.SelfAttention, channels, transposed=gate.over == "queries")
        case gates.MultiHead():
            heads = math.gcd(gate.heads, channels)
            return call(self_attention.MultiHeadAttention, channels, heads)
        case _:
            assert_never(gate)


def _cbam(gate: gates.CBAM, channels: int) -> Call:
    hidden = max(1, channels // gate.reduction)
    norm = call(nn.BatchNorm2d, 1) if gate.spatial_norm == "batch" else call(nn.Identity)
    kinds = {"bias": gate.bias, "mlp_bias": gate.mlp_bias, "norm": norm, "mlp": gate.mlp}
    return call(cbam.ConvBlockAttention, channels, hidden, gate.kernel, **kinds)


def _parallel(gate: gates.InputAttention, channels: int) -> Call:
    hidden = max(1, channels // gate.reduction)
    channel = call(spatial_gates.ChannelMask, channels, hidden)
    spatial = call(spatial_gates.SpatialMask, channels, gate.kernel, bias=gate.bias)
    masks = {"both": [channel, spatial], "channel": [channel], "spatial": [spatial]}
    return call(spatial_gates.Masked, *masks[gate.masks])


def _remembering(stage: Stage, gate: gates.Remembering, *, first: bool) -> Call:
    channels = stage.outputs
    if isinstance(gate, recurrent_gates.MRLA):
        norm = call(nn.BatchNorm2d, channels)
        heads = math.gcd(gate.heads, channels)
        return call(layer_attention.LayerAttention, channels, gate.kernel, heads, norm, first=first)
    key = ("cell", channels)
    if key not in stage.shared:
        made = _cell(gate, channels)
        stage.shared[key] = Call(made.cls, made.args, made.kwargs, name="cell")
    return stage.shared[key]


def _cell(gate: recurrent_gates.DIA | recurrent_gates.DIALight, channels: int) -> Call:
    hidden = max(1, channels // gate.reduction)
    match gate:
        case recurrent_gates.DIA():
            dropout = gate.dropout if gate.cells > 1 else recurrent_gates.DIA.dropout
            stack = {"output": gate.output, "cells": gate.cells, "dropout": dropout}
            return call(recurrent.SharedLSTM, channels, hidden, **stack)
        case recurrent_gates.DIALight():
            inputs = (gate.input_i, gate.input_f, gate.input_g, gate.input_o)
            masks = (gate.hidden_i, gate.hidden_f, gate.hidden_g, gate.hidden_o)
            linear = [[term == "linear" for term in terms] for terms in (inputs, masks)]
            return call(recurrent.LightLSTM, channels, hidden, *linear, output=gate.output)


def _squeezed(stage: Stage, base: str, channels: int, reduction: int) -> int:
    """Return the hidden width of a squeeze, rounded as in DIA's code, at least 1."""
    return max(1, round((stage.inner if base == "inner" else channels) / reduction))


def _kernel(kernel: int | str, channels: int) -> int:
    """Return ECA's kernel: by its rule, (log₂ channels + 1) / 2 rounded to an odd number."""
    if isinstance(kernel, int):
        return kernel
    size = int((math.log2(channels) + 1) / 2)
    return size + 1 - size % 2
