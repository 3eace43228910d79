"""Initial weights by name: each function draws those of a whole network, in place.

"Fan-out" is N(0, 2/fan_out) (https://arxiv.org/abs/1502.01852), a grouped convolution's fan being
its kernel × all its outputs, as torch and the authors count. Weights that a function does not name
stay as their layer made them: norms, the scalar of a join, subclasses such as `MaskConv2d`, and
linear layers, which are U(±1/√inputs) in torch. "The classifier" is the linear layer
`head.classifier`; those of gates are not it. Weights on the meta device hold nothing to draw;
drawing them all the same took a quarter of a count's time.
"""

from collections.abc import Callable, Iterator

from torch import nn


class MaskConv2d(nn.Conv2d):
    """A convolution to one map of scores; it keeps torch's initial weights in every network.

    Fan-out of one output is N(0, 2/kernel²) however many channels are summed: the scores of C
    channels then deviate by about √(2C), and masks start shut or open. On noise, the values below
    0.01 or above 0.99 of AICNN's spatial masks: 45 % in its ResNet-20, 68 % in its ResNet-50, none
    of either here; the largest weight of a global context over 1,024 positions: 0.56, here 0.008.
    """


class ProjectionConv2d(nn.Conv2d):
    """A projection to queries, keys or values of depth attention; it keeps torch's initial weights.

    No ReLU halves its output, so with fan-out the scores deviate by 2: the softmax starts shut and
    the gradient of as/out (at a quarter of its width, 16×16 pixels) has a norm of 3,915, with
    torch's of 1.4. At the paper's rate of 0.1 the former is nan after 5 steps, the latter's loss is
    0.84 after 60; as/kv likewise. The paper does not say how its weights start.
    """


def kaiming(network: nn.Module) -> None:
    """Draw convolutions and linear layers fan-out (CNNtention)."""
    for layer in _layers(network):
        _fan_out(layer)


def convolutions(network: nn.Module) -> None:
    """Draw convolutions fan-out (DIA's ResNets)."""
    for layer in _layers(network):
        if isinstance(layer, nn.Conv2d):
            _fan_out(layer)


def zero_bias(network: nn.Module) -> None:
    """Draw convolutions fan-out and set the classifier's bias to 0 (DIA's wide ResNets).

    "Linear bias 0" is said of the backbone, "attention linears framework default" of the gates.
    """
    convolutions(network)
    for last in _classifier(network):
        nn.init.zeros_(last.bias)


def classifier(network: nn.Module) -> None:
    """Draw as `zero_bias`, and the classifier N(0, 2/fan_in) (DIA's ResNeXts)."""
    zero_bias(network)
    for last in _classifier(network):
        nn.init.kaiming_normal_(last.weight, mode="fan_in", nonlinearity="relu")


def small(network: nn.Module) -> None:
    """Draw convolutions fan-out, linear layers N(0, 0.01²), biases 0 (GradAttn's ResNet-18s)."""
    convolutions(network)
    for layer in _layers(network):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def framework(network: nn.Module) -> None:
    """Keep all weights as torch draws them (GradAttn)."""


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
        if (type(layer) is nn.Conv2d or type(layer) is nn.Linear) and not layer.weight.is_meta:
            yield layer


def _classifier(network: nn.Module) -> list[nn.Linear]:
    """Return the classifier in a list, or an empty list on the meta device."""
    last = dict(network.named_modules()).get("head.classifier")
    return [last] if isinstance(last, nn.Linear) and not last.weight.is_meta else []


def _fan_out(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
