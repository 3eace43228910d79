"""Means and strides: torch's values, and gradients that lie in memory as their maps do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from skipsearch.searchspace import build
from skipsearch.searchspace.layers.pooling import channel_mean, spatial_mean, subsampled
from skipsearch.searchspace.presets import preset_named
from tests.support.presets import shortened

LAYOUTS = (torch.contiguous_format, torch.channels_last)
Pooling = Callable[[Tensor], Tensor]
POOLINGS: dict[str, tuple[Pooling, Pooling]] = {
    "spatial_mean": (spatial_mean, lambda x: x.mean((2, 3))),
    "channel_mean": (channel_mean, lambda x: x.mean(1)),
    "halved": (lambda x: subsampled(x, 2), lambda x: x[:, :, ::2, ::2]),
    "quartered": (lambda x: subsampled(x, 4), lambda x: x[:, :, ::4, ::4]),
    "kept": (lambda x: subsampled(x, 1), lambda x: x),
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1)], ids=str)
def test_values_and_gradients_are_torchs(
    name: str, layout: torch.memory_format, size: tuple[int, int]
) -> None:
    ours, theirs = POOLINGS[name]
    x = torch.randn(3, 4, *size, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    y, expected = ours(x), theirs(x)
    torch.testing.assert_close(y, expected, check_stride=False)
    weight = torch.randn_like(expected)
    for mine, other in zip(
        torch.autograd.grad((y * weight).sum(), x),
        torch.autograd.grad((expected * weight).sum(), x),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, check_stride=False)
        assert mine.is_contiguous(memory_format=layout)


class MixedLayouts(TorchDispatchMode):
    """Notes the operations on maps that lie in memory in two ways."""

    found: tuple[str, ...] = ()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        maps = [x for x in args if isinstance(x, Tensor) and x.ndim == 4 and min(x.shape) > 1]
        layouts = {tuple(x.is_contiguous(memory_format=f) for f in LAYOUTS) for x in maps}
        if len(layouts) > 1:
            self.found += (str(function),)
        return function(*args, **(kwargs or {}))


def mixed(images: Tensor, name: str) -> tuple[str, ...]:
    """Operations of a training step whose maps have different layouts."""
    network = build(shortened(preset_named(name)), classes=4, shape=(3, 32, 32))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with MixedLayouts() as layouts:
        network(images).sum().backward()
    return layouts.found


@pytest.mark.parametrize(
    "name",
    [
        "as/resnet50-plain",
        "cnntention/resnet20",
        "cnntention/cbam-blocks",
        "aicnn/resnet20-channel",
        "aicnn/resnet20-spatial",
        "gradattn/se",
        *(f"dia/resnet164-{gate}" for gate in ("se", "eca", "sem", "dia")),
    ],
)
def test_a_training_step_keeps_to_one_layout(name: str) -> None:
    images = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last)
    assert mixed(images, name) == ()


def test_images_of_another_layout_would_be_seen() -> None:
    assert "aten.convolution.default" in mixed(torch.randn(2, 3, 32, 32), "cnntention/resnet20")
