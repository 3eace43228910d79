"""Exported networks as backbones of torchvision's detectors: the papers' detection use."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from skipsearch.searchspace import PRESETS, Arch, override
from skipsearch.searchspace.codegen.standalone import standalone

SMALL = {"blocks": 1, "stem": "conv7", "stem_channels": 8, "width.doubling.channels": 8}
NETWORKS = {"dia": ("dia/imagenet-resnet50-dia", 4), "as": ("as/out", 4)}


def exported(name: str) -> dict[str, Any]:
    """`model.py` of a preset, narrowed, as a module."""
    preset, stages = NETWORKS[name]
    arch = override(Arch, {"stages": stages, **SMALL}, PRESETS[preset].arch)
    text = standalone(arch, classes=10, shape=(3, 64, 64), name=name, about="A network.")
    module: dict[str, Any] = {"__name__": "model"}
    exec(compile(text, "model.py", "exec"), module)
    return module


def pyramid(module: dict[str, Any]) -> nn.Module:
    maps = module["backbone"](module["build"](), stages=(2, 3, 4))
    body = nn.Sequential(maps, FeaturePyramidNetwork(maps.channels, 16))
    body.out_channels = 16  # type: ignore[assignment]
    return body


def anchors(per_place: int) -> AnchorGenerator:
    ratios = (1.0,) if per_place == 1 else (0.5, 1.0, 2.0)
    return AnchorGenerator(((8,), (16,), (32,)), (ratios,) * 3)


def faster_rcnn(body: nn.Module) -> nn.Module:
    sizes = {"min_size": 64, "max_size": 64, "rpn_anchor_generator": anchors(1)}
    return FasterRCNN(body, num_classes=3, box_roi_pool=None, **sizes)  # type: ignore[no-any-return]


def retina_net(body: nn.Module) -> nn.Module:
    sizes = {"min_size": 64, "max_size": 64, "anchor_generator": anchors(3)}
    return RetinaNet(body, num_classes=3, **sizes)  # type: ignore[no-any-return]


@pytest.mark.parametrize("detector", [faster_rcnn, retina_net])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_detector_trains_a_step_on_an_exported_backbone(
    name: str, detector: Callable[[nn.Module], nn.Module]
) -> None:
    body = pyramid(exported(name))
    model = detector(body).train()
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 64)]
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1])} for _ in images]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = [p.detach().clone() for p in body.parameters()]
    loss = sum(model(images, targets).values())
    assert torch.isfinite(loss)
    loss.backward()
    without = [n for n, p in body.named_parameters() if p.grad is None]
    assert not without
    optimizer.step()
    assert any(not torch.equal(p, q) for p, q in zip(body.parameters(), before, strict=True))
    detections = model.eval()(images)
    assert len(detections) == 2 and {"boxes", "labels", "scores"} <= set(detections[0])


def test_a_backbone_gives_the_features_of_the_network_it_was_made_of() -> None:
    module = exported("as")
    network = module["build"]().eval()
    images = torch.rand(2, 3, 64, 64)
    features = network.forward_features(images)
    maps = module["backbone"](network).eval()(images)
    assert list(maps) == ["1", "2", "3", "4"]
    assert all(torch.equal(maps[str(n)], features[n]) for n in range(1, 5))
    body = module["backbone"](network, stages=(0, 4))
    assert body.channels == [features[0].shape[1], features[4].shape[1]]
    assert body.out_channels == features[4].shape[1]
