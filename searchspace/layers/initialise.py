"""Initial weights by name: each function draws those of a whole network, in place.

"Fan-out" is N(0, 2/fan_out) (https://arxiv.org/abs/1502.01852), a grouped convolution's fan being
its kernel × all its outputs, as torch and the authors count. What a line does not name, a norm or
the scalar of a join too, stays as its layer made it: linear layers U(±1/√inputs) in torch. Weights
on the meta device hold nothing to draw; to try took a quarter of the time of a count.
"""

from collections.abc import Callable, Iterator

from torch import nn


def kaiming(network: nn.Module) -> None:
    """Convolutions and linear layers fan-out (CNNtention)."""
    for layer in _layers(network):
        _fan_out(layer)


def convolutions(network: nn.Module) -> None:
    """Convolutions fan-out (DIA's ResNets)."""
    for layer in _layers(network):
        if isinstance(layer, nn.Conv2d):
            _fan_out(layer)


def zero_bias(network: nn.Module) -> None:
    """Convolutions fan-out, the biases of all linear layers 0 (DIA's wide ResNets)."""
    convolutions(network)
    for linear in _linears(network):
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)


def classifier(network: nn.Module) -> None:
    """As `zero_bias`, and the last linear layer N(0, 2/fan_in) (DIA's ResNeXts)."""
    zero_bias(network)
    for last in _linears(network)[-1:]:
        nn.init.kaiming_normal_(last.weight, mode="fan_in", nonlinearity="relu")


def small(network: nn.Module) -> None:
    """Convolutions fan-out, linear layers N(0, 0.01²) with biases 0 (GradAttn's ResNet-18s)."""
    zero_bias(network)
    for linear in _linears(network):
        nn.init.normal_(linear.weight, std=0.01)


def framework(network: nn.Module) -> None:
    """Everything as torch makes it (GradAttn)."""


INITIALISATIONS: dict[str, Callable[[nn.Module], None]] = {
    "kaiming": kaiming,
    "convolutions": convolutions,
    "zero_bias": zero_bias,
    "classifier": classifier,
    "small": small,
    "framework": framework,
}


def _layers(network: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.is_meta:
            yield layer


def _linears(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in _layers(network) if isinstance(layer, nn.Linear)]


def _fan_out(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
