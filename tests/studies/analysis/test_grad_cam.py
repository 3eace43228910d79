"""`skipsearch analyze grad-cam`: maps against slow twins and known answers."""

import io
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.layers.network import Network, PoolHead
from skipsearch.searchspace.parameters.walk import encode, override
from skipsearch.studies.analysis.cam.grad_cam import (
    Heat,
    Label,
    Named,
    Predicted,
    Seen,
    grad_cam,
    of_named,
    stages_named,
)
from skipsearch.studies.analysis.cam.page import cam_report, remarks
from skipsearch.studies.analysis.images import asked_for, check_same, mistakes
from skipsearch.studies.analysis.pages.image_grid import coloured, fitting, overlaid
from skipsearch.studies.analysis.subject import Subject, look
from skipsearch.trainers.data.arrays import Images
from tests.support.failure_cases import refused, skipsearch

SMALL = {"stages": 2, "blocks": 1, "stem_channels": 8, "width.doubling.channels": 8}
KINDS: dict[str, dict[str, object]] = {
    "sum": {},
    "attention": {"shortcut": "attention", "shortcut.attention.heads": 2},
    "concat": {"shortcut": "concat"},
    "recurrent gate": {"shortcut": "weighted", "gate": "dia"},
    "token head": {"head": "tokens", "head.tokens.channels": 32},
}


def written(folder: Path, changes: Mapping[str, object] = {}) -> Path:
    file = folder / f"network-{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps(encode(override(Arch, SMALL | dict(changes)))))
    return file


def subject(folder: Path, changes: Mapping[str, object] = {}) -> Subject:
    return look(str(written(folder, changes)), data="digits", device="cpu")


def network(of: Subject) -> Any:
    return of.network


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def analytic(of: Subject, weights: Tensor) -> Subject:
    """Logits = weights · mean(x²) of one channel: after stage 1, A = x and dlogit/dA = 2·w·A/HW."""
    head = PoolHead(1, len(weights), nn.Identity())
    head.classifier.weight.data, head.classifier.bias.data = weights[:, None], torch.zeros(10)
    made = Network(nn.Identity(), [nn.Identity(), Squared()], head, init="framework")
    head.classifier.weight.data = weights[:, None]
    return replace(of, network=made.eval())


def test_a_map_whose_answer_is_known(tmp_path: Path) -> None:
    one = analytic(subject(tmp_path), torch.linspace(-1, 1, 10))
    index = np.arange(3)
    x_BHW = one.prepared(index)[0][:, 0]
    for number in (9, 0):
        weight = -1.0 if number == 0 else 1.0
        found = grad_cam(one, index, stages=[1, 2], of=Named(number))
        for seen, x_HW in zip(found, x_BHW, strict=True):
            alpha = weight * 2 * x_HW.mean() / x_HW.numel()
            expected = (alpha * x_HW).relu()
            highest = float(expected.max())
            assert seen.heats[0].highest == pytest.approx(highest, rel=1e-4)
            assert np.allclose(seen.heats[0].map_HW, expected / highest, atol=1e-5)
            last = (weight / x_HW.numel() * x_HW * x_HW).relu()
            assert seen.heats[1].highest == pytest.approx(float(last.max()), abs=1e-7)
    zero = found[0].heats[1]
    assert zero.highest == 0 and not zero.map_HW.any() and zero.centre is zero.spread is None


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_those_of_a_loop_over_channels(kind: str, tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS[kind])
    index = np.array([4, 1, 7])
    found = grad_cam(one, index, stages=[0, 1, 2], of=Label(), batch_size=2)
    assert [seen.image for seen in found] == [4, 1, 7]
    for seen in found:
        x_BCHW, label_B = one.prepared(np.array([seen.image]))
        features = network(one).forward_features(x_BCHW.requires_grad_())
        logits = network(one).head(features)[0]
        assert seen.probabilities == pytest.approx(logits.softmax(0).tolist(), abs=1e-6)
        assert seen.explained == seen.label == int(label_B) and seen.predicted == int(
            logits.argmax()
        )
        for heat in seen.heats:
            a = features[heat.stage]
            (g,) = torch.autograd.grad(logits[seen.label], a, retain_graph=True)
            total = torch.zeros(a.shape[2:])
            for channel in range(a.shape[1]):
                total += float(g[0, channel].mean()) * a[0, channel].detach()
            expected = total.clamp(min=0)
            assert heat.highest == pytest.approx(float(expected.max()), rel=1e-3, abs=1e-8)
            scale = float(expected.max()) or 1.0
            assert np.allclose(heat.map_HW, expected / scale, atol=1e-3)


def test_of_the_last_stage_it_is_cam_where_the_head_averages(tmp_path: Path) -> None:
    """CAM (https://arxiv.org/abs/1512.04150): the maps weighted with the class's weights."""
    one = subject(tmp_path)
    found = grad_cam(one, np.arange(5), of=Named(3))
    features = network(one).forward_features(one.prepared(np.arange(5))[0])[-1]
    weight_C = network(one).head.classifier.weight[3]
    cams = torch.einsum("c,bchw->bhw", weight_C, features).relu().detach()
    assert any(seen.heats[0].highest for seen in found)
    for seen, cam in zip(found, cams, strict=True):
        assert np.allclose(seen.heats[0].map_HW, cam / (float(cam.max()) or 1.0), atol=1e-5)


def test_what_is_explained_is_the_predicted_the_true_or_a_named_class(tmp_path: Path) -> None:
    classes = ("cat", "dog", "true story")
    assert of_named("predicted", classes) == Predicted() and of_named("true", classes) == Label()
    assert of_named("dog", classes) == Named(1)
    with pytest.raises(ValueError, match=r"got 'dig' \(nearest: dog"):
        of_named("dig", classes)
    one = subject(tmp_path)
    for seen in grad_cam(one, np.arange(4), of=Predicted()):
        assert seen.explained == seen.predicted


def test_the_centre_and_the_spread_of_a_map() -> None:
    point = np.zeros((4, 4))
    point[0, 3] = 1.0
    heat = Heat(stage=1, map_HW=point, highest=2.0)
    assert heat.centre == pytest.approx((0.875, 0.125)) and heat.spread == pytest.approx(0)
    even = Heat(stage=1, map_HW=np.ones((64, 64)), highest=1.0)
    assert even.centre == pytest.approx((0.5, 0.5))
    assert even.spread == pytest.approx(math.sqrt(1 / 6), abs=1e-3)


def test_mistakes_come_with_the_most_confident_first(tmp_path: Path) -> None:
    one = subject(tmp_path)
    x, labels = one.prepared(np.arange(len(one.images)))
    with torch.no_grad():
        sure, answers = network(one)(x).softmax(1).max(1)
    wrong = [n for n in range(len(labels)) if answers[n] != labels[n]]
    expected = sorted(wrong, key=lambda n: -float(sure[n]))[:5]
    found = mistakes(one, 5, batch_size=50)
    assert [float(sure[n]) for n in found] == pytest.approx([float(sure[n]) for n in expected])
    assert set(found) <= set(wrong)
    images = one.images
    right = [n for n in range(len(labels)) if n not in wrong]
    good = replace(one, images=Images(images.images[right], images.labels[right]))
    with pytest.raises(ValueError, match=f"wrong about none of the {len(right)} images"):
        mistakes(good, 5)
    with pytest.raises(ValueError, match="leave one out"):
        asked_for(one, "1", 5, wrong=True)


def test_networks_are_compared_on_the_same_images_of_the_same_classes(tmp_path: Path) -> None:
    one = subject(tmp_path)
    check_same([one, subject(tmp_path, KINDS["attention"])])
    images = one.images
    fewer = replace(one, images=Images(images.images[1:], images.labels[1:]))
    renamed = replace(
        one.model, inputs=replace(one.model.inputs, classes=tuple(map(str, range(9))))
    )
    for other in (fewer, replace(one, model=renamed)):
        with pytest.raises(ValueError, match="take them one by one") as caught:
            check_same([one, other])
        assert "\n" not in str(caught.value)
    assert stages_named(one, []) == (2,) and stages_named(one, [1, 0, 1]) == (1, 0)
    with pytest.raises(ValueError, match=r"from 0 \(the stem\) to 2"):
        stages_named(one, [3])


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_left_as_it_was(kind: str, tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS[kind])
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    one.network.train()
    network(one).stem[0].weight.requires_grad_(False)
    frozen = [p.requires_grad for p in one.network.parameters()]
    grad_cam(one, np.arange(2), of=Predicted())
    mistakes(one, 1)
    assert all(module.training for module in one.network.modules())
    assert [p.requires_grad for p in one.network.parameters()] == frozen
    assert all(p.grad is None for p in one.network.parameters())
    assert not any(m._forward_hooks for m in one.network.modules())
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_pictures_have_the_colours_of_the_map() -> None:
    ramp = coloured(np.array([[0.0, 1.0, 2.0]]), 2.0)
    assert ramp[0, 0].tolist() == [0x44, 0x01, 0x54] and ramp[0, 2].tolist() == [0xFD, 0xE7, 0x25]
    grey = np.full((8, 8, 1), 100, np.uint8)
    left = np.zeros((4, 4))
    left[:, 0] = 1
    laid = overlaid(grey, left, 64).astype(int).sum(2)
    assert laid.shape == (64, 64) and laid[:, 0].min() > laid[:, -1].max()
    assert fitting("an overlong name of a class", 60, 13).endswith("…")


def test_an_empty_map_is_told(tmp_path: Path) -> None:
    one = subject(tmp_path)
    heats = (Heat(stage=0, map_HW=np.zeros((4, 4)), highest=0.0),)
    seen = Seen(image=3, label=1, predicted=1, explained=2, probabilities=(0.1,) * 10, heats=heats)
    found = [(one, (seen,))]
    assert any("no pixel speaks for 2 in image 3 at stem" in line for line in remarks(found))
    record = cam_report(found).record
    assert record["networks"][0]["images"][0]["maps"][0]["centre"] is None


def test_the_command_leaves_a_table_a_record_a_page_and_a_picture(tmp_path: Path) -> None:
    sums, attention = written(tmp_path), written(tmp_path, KINDS["attention"])
    to = tmp_path / "out"
    words = ("analyze", "grad-cam", sums, attention, "--data", "digits", "--device", "cpu")
    given = ("--stage", 0, "--stage", 2, "--of", "true", "--to", to)
    status, out, _ = skipsearch(*words, *given, "--images", "3,17")
    assert status == 0 and "never trained" in out and "prediction for each image" in out
    record = json.loads((to / "grad-cam.json").read_text())
    assert [one["target"] for one in record["networks"]] == [str(sums), str(attention)]
    first, second = record["networks"][0]["images"]
    assert (first["image"], second["image"]) == (3, 17) and len(first["probabilities"]) == 10
    assert first["explained"] == first["label"]
    assert [one["stage"] for one in first["maps"]] == [0, 2]
    picture = Image.open(io.BytesIO((to / "grad-cam.png").read_bytes()))
    assert picture.format == "PNG" and picture.width > 5 * 128
    assert "data:image/png;base64" in (to / "grad-cam.html").read_text()
    status, out, _ = skipsearch(*words, "--wrong", "--count", 2, "--to", to, "--json")
    assert status == 0
    shown = json.loads(out)["networks"][0]["images"]
    assert len(shown) == 2 and all(one["predicted"] != one["label"] for one in shown)
    assert "has 144 images" in refused(*words, "--images", "400")
    assert "--stage must be from 0 (the stem) to 2" in refused(*words, "--stage", 5)
    assert "predicted, true or a class" in refused(*words, "--of", "cat")
