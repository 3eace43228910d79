"""One small architecture for every variant, and images for them."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from skipsearch.searchspace import Arch, build, describe
from skipsearch.searchspace.arch.arch import NORMS
from skipsearch.searchspace.arch.gate_places import Recurrent
from skipsearch.searchspace.arch.gates import GATES
from skipsearch.searchspace.arch.shortcuts import SHORTCUTS
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.studies.analysis.gradients.flow import hooks_on_constants, parametric_layers

TINY = {"stages": 3, "blocks": 2, "stem_channels": 8, "width.doubling.channels": 8}


def variants() -> Iterator[dict[str, object]]:
    """Return every alternative once, every gate at every place, every shortcut with every
    activation.
    """
    for norm in NORMS:
        yield {"norm": norm.label}
        yield {"norm": "none", "last_norm": norm.label}
    for shortcut in SHORTCUTS:
        yield {"shortcut": shortcut.label}
        yield {"shortcut": shortcut.label, "body": "bottleneck", "output.expansion.ratio": 4}
        yield {"shortcut": shortcut.label, "activation": "linear", "stem_channels": 16}
        yield {"shortcut": shortcut.label, "activation": "pre", "last_norm": "none"}
        yield {"shortcut": shortcut.label, "body": "single"}
        yield {"shortcut": shortcut.label, "head": "tokens"}
    yield from _sums()
    yield from _merges()
    yield from _gates()
    for body in ("basic", "bottleneck", "single"):
        for downsampling in ("blur", "space_to_depth", "average_pool", "max_pool"):
            yield {"body": body, "downsampling": downsampling}
        for projection in ("raw", "activated"):
            yield {"body": body, "activation": "pre", "activation.pre.projection": projection}
    yield {"body": "bottleneck", "body.bottleneck.groups": 8, "body.bottleneck.dropout": 0.3}
    for position in ("none", "learned", "rotary"):
        yield {"head": "tokens", "head.tokens.position": position, "init": "framework"}
    yield {"head.pool.before": "max_pool"}
    for init in ("convolutions", "zero_bias", "classifier", "small"):
        yield {"init": init, "gate": "se"}


def _sums() -> Iterator[dict[str, object]]:
    for match in ("identity", "zero_pad"):
        yield {"shortcut.sum.match": match}
    at = "shortcut.sum.match.projection"
    yield {f"{at}.pool": "average", f"{at}.norm": "none"}
    for add in ("rezero", "layer_scale", "highway"):
        yield {"shortcut.sum.add": add}
        yield {"shortcut.sum.add": add, "shortcut.sum.drop": 0.2, "activation": "pre"}


def _merges() -> Iterator[dict[str, object]]:
    for name in ("concat", "weighted", "pseudo_query"):
        yield {"shortcut": name, f"shortcut.{name}.placement": "stages"}
        yield {"shortcut": name, f"shortcut.{name}.classifier": "newest"}
    for placement in ("blocks", "stages"):
        compress = {"shortcut.concat.transition": "compress"}
        yield {"shortcut": "concat", "shortcut.concat.placement": placement} | compress
    for heads in (1, 2, 8):
        yield {"shortcut": "attention", "shortcut.attention.heads": heads}
    at = "shortcut.attention.placement"
    for width in ("common", "own"):
        yield {"shortcut": "attention", at: "stages", f"{at}.stages.width": width}
    for downsampling in ("outputs", "keys_values"):
        for projections in ("matched", "literal"):
            for norm_of_entries in ("none", "layer"):
                for more in ({}, {"stem_channels": 16}, {"output": "constant"}):
                    at = "shortcut.attention.placement.blocks"
                    yield {
                        "shortcut": "attention",
                        "shortcut.attention.entry_norm": norm_of_entries,
                        f"{at}.downsampling": downsampling,
                        f"{at}.projections": projections,
                    } | more


def _gates() -> Iterator[dict[str, object]]:
    for gate in GATES[1:]:
        label, remembers = f"gate.{gate.label}", issubclass(gate, Recurrent)
        for place in ("branch", "block") if remembers else ("branch", "block", "stage"):
            yield {"gate": gate.label, f"{label}.place": place}
        for shortcut in SHORTCUTS:
            at = {"gate": gate.label, "shortcut": shortcut.label}
            yield at | {f"{label}.place": "block" if remembers else "stage"}
            if remembers:
                yield at | {f"{label}.place": "branch", "activation": "pre", "last_norm": "none"}
        later = {f"{label}.place": "block", f"{label}.place.block.first": False, "blocks": 3}
        yield {"gate": gate.label} | later
        some = {f"{label}.stages.each.gated.{stage}": stage != 2 for stage in (1, 2, 3)}
        yield {"gate": gate.label, f"{label}.stages": "each"} | some
        if remembers:
            continue
        for combine in ("replace", "add", "gated"):
            yield {"gate": gate.label, f"{label}.combine": combine, f"{label}.sharing": "stage"}
        for on in ("spatial", "first", "later", "body", "all"):
            place = {f"{label}.place": "convolution", f"{label}.place.convolution.on": on}
            yield {"gate": gate.label, "body": "bottleneck", f"{label}.sharing": "stage"} | place
    yield {"gate": "selfatt", "gate.selfatt.over": "queries"}
    yield {"gate": "srm", "gate.srm.sharing": "stage", "gate.srm.norm": "stage"}
    for output in ("sigmoid", "tanh", "relu"):
        yield {"gate": "dia", "gate.dia.output": output, "gate.dia.cells": 2}
    terms = [f"gate.dia_light.{reads}_{one}" for reads in ("input", "hidden") for one in "ifgo"]
    for number in range(8):
        yield {"gate": "dia_light"} | {
            term: "linear" if at == number else "ie" for at, term in enumerate(terms)
        }


def opened(network: nn.Module) -> nn.Module:
    """Set weights that start at zero (gates, scales, masks) so that all behind them can learn."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.5)
    return network


def assert_it_trains(
    arch: Arch,
    shape: tuple[int, int, int],
    batch: int = 4,
    described: tuple[int, int, int] | None = None,
    counted: bool = True,
) -> nn.Module:
    """Take one step of SGD and return the network.

    Asserts that every parameter receives a gradient and stays finite, that there are as many as
    `describe` says (which takes 1/40 s; for images of another size if `described`), and that a hook
    sees the gradient of every parametric layer's output.
    """
    torch.manual_seed(0)
    network = opened(build(arch, classes=3, shape=shape))
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.SGD(parameters.values(), lr=0.1)
    if counted:
        assert count_params(network) == describe(arch, classes=3, shape=described or shape).params
    layers, reached = parametric_layers(network) if counted else {}, set[str]()
    handles = [
        layer.register_full_backward_pre_hook(lambda _m, _g, name=name: reached.add(name))
        for name, layer in layers.items()
    ]
    logits = network(torch.randn(batch, *shape))
    assert logits.shape == (batch, 3)
    with hooks_on_constants():
        nn.functional.cross_entropy(logits, torch.arange(batch) % 3).backward()
    gradients: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        assert parameter.grad is not None, f"{name} takes no part: {arch}"
        gradients[name] = parameter.grad
    assert reached == {*layers}, f"{set(layers) - reached}: no hook saw a gradient: {arch}"
    own = sum(len([*layer.parameters(recurse=False)]) for layer in layers.values())
    assert own == len(parameters) or not counted
    for handle in handles:
        handle.remove()
    assert not (broken := not_finite(gradients)), f"{broken}: gradients not finite: {arch}"
    optimizer.step()
    assert not (broken := not_finite(parameters)), f"{broken}: not finite after a step: {arch}"
    return network


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors with a nan or infinity; one norm of all is checked first, as
    that is cheaper.
    """
    if nn.utils.get_total_norm(tensors.values()).isfinite():
        return []
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]


def evaluated(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network.eval()(images)
    return logits


def assert_evaluation_does_not_depend_on_the_batch(
    network: nn.Module, shape: tuple[int, int, int]
) -> None:
    images = torch.randn(3, *shape, dtype=torch.float64)
    alone = torch.cat([evaluated(network, one[None]) for one in images])
    torch.testing.assert_close(evaluated(network, images), alone, rtol=1e-8, atol=1e-8)
