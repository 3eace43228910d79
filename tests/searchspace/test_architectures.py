"""Registering is enough to be tested: variants, and 1,000 drawn networks."""

import pytest
import torch
from torch import nn

from skipsearch.searchspace import Arch, build, describe, override
from skipsearch.searchspace.parameters.domains import Integers
from skipsearch.searchspace.parameters.walk import document
from tests.support.random_archs import SMALL, draw, small_space
from tests.support.variants import (
    TINY,
    assert_evaluation_does_not_depend_on_the_batch,
    assert_it_trains,
    opened,
    variants,
)


def assert_every_parameter_matters(arch: Arch, shape: tuple[int, int, int]) -> nn.Module:
    """No parameter's gradient is zero throughout; smooth activations let no unit be dead. Gives the
    network, in double precision.
    """
    torch.manual_seed(0)
    network = opened(build(arch, classes=3, shape=shape)).double()
    images = torch.randn(6, *shape, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "relu", nn.functional.softplus)
        patch.setattr(nn.ReLU, "forward", lambda _self, x: nn.functional.softplus(x))
        loss = nn.functional.cross_entropy(network(images), torch.arange(6) % 3)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), f"{name} cannot learn: {arch}"
    return network


@pytest.mark.sampled(60)
@pytest.mark.parametrize("changes", list(variants()), ids=lambda c: "-".join(map(str, c.values())))
def test_a_variant_trains_evaluates_and_wastes_no_parameter(changes: dict[str, object]) -> None:
    arch = override(Arch, {k: v for k, v in TINY.items() if k not in changes} | changes)
    network = assert_every_parameter_matters(arch, (3, 16, 12))
    assert_evaluation_does_not_depend_on_the_batch(network, (3, 16, 12))
    assert_it_trains(arch, (1, 11, 14))


@pytest.mark.sampled(60)
@pytest.mark.parametrize("seed", range(1000))
def test_a_drawn_architecture_trains_one_step(seed: int) -> None:
    """At 16 and at 32 pixels, one of these grey and the other colour, all alternatives free; the
    size of the images changes no count.
    """
    (arch,) = draw(1, seed)
    channels = (1, 3)[seed % 2]
    other = 4 - channels
    if arch.stem.label == "conv7" and arch.stages == 4:
        with pytest.raises(ValueError, match="images of 16×16 are too small"):
            describe(arch, classes=3, shape=(channels, 16, 16))
        assert_it_trains(arch, (other, 32, 32), batch=2)
        return
    assert_it_trains(arch, (channels, 16, 16), batch=3, described=(channels, 32, 32))
    assert_it_trains(arch, (other, 32, 32), batch=2, counted=False)


@pytest.mark.parametrize("size", [8, 9, 11, 15])
def test_small_images_train_or_are_refused_before_training(size: int) -> None:
    for arch in draw(12, seed=size):
        halvings = arch.stages - 1 + 2 * (arch.stem.label == "conv7")
        if 2 ** (halvings - 1) < size:
            assert_it_trains(arch, (1, size, size))
        else:
            with pytest.raises(ValueError, match=f"images of {size}×{size} are too small"):
                build(arch, classes=3, shape=(1, size, size))


def test_the_drawn_space_holds_every_alternative() -> None:
    """The narrowing of widths and depths that keeps the tests fast leaves all choices free."""
    free = {row["name"]: row["domain"] for row in small_space().table()}
    for parameter in document(Arch):
        if parameter.name in SMALL or isinstance(parameter.domain, Integers):
            continue
        assert free[parameter.name] == str(parameter.search), parameter.name


def test_odd_classes_and_channels_are_refused() -> None:
    for classes, channels in ((1, 3), (10, 4)):
        with pytest.raises(ValueError, match="at least 2 classes and images of 1 or 3 channels"):
            build(Arch(), classes=classes, shape=(channels, 32, 32))
