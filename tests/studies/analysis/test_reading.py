"""`skipsearch analyze depth-attention`: weights against slow twins, on small real networks."""

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
from skipsearch.searchspace.layers import joins
from skipsearch.searchspace.layers.merge import AttentionMerge, Entry, PseudoQueryMerge, Step
from skipsearch.searchspace.parameters.walk import encode, override
from skipsearch.studies.analysis.depth import attention as analysis
from skipsearch.studies.analysis.depth.attention import DepthAttention, maps
from skipsearch.studies.analysis.depth.consumers import merging
from skipsearch.studies.analysis.depth.page import depth_report
from skipsearch.studies.analysis.depth.read_weights import entropy, pixel_weights
from skipsearch.studies.analysis.depth.residual_shares import Carried, carried
from skipsearch.studies.analysis.depth.tables import sizes
from skipsearch.studies.analysis.images import first_of_classes
from skipsearch.studies.analysis.subject import Subject, look
from tests.support.failure_cases import refused, skipsearch
from tests.support.random_archs import draw

SMALL = {
    "stages": 2,
    "blocks": 2,
    "stem_channels": 8,
    "width": "doubling",
    "width.doubling.channels": 8,
}
ATTENTION = {"shortcut": "attention", "shortcut.attention.heads": 2}
PLACE = "shortcut.attention.placement"
KINDS: dict[str, dict[str, object]] = {
    "matched": ATTENTION,
    "keys and values": ATTENTION | {f"{PLACE}.blocks.downsampling": "keys_values"},
    "literal": ATTENTION | {f"{PLACE}.blocks.projections": "literal"},
    "another stem": ATTENTION | {f"{PLACE}.blocks.projections": "literal", "stem_channels": 16},
    "common": ATTENTION
    | {PLACE: "stages", "stages": 3, f"{PLACE}.stages.width.common.channels": 8},
    "own": ATTENTION | {PLACE: "stages", "stages": 3, f"{PLACE}.stages.width": "own"},
    "recurrent gate": ATTENTION | {"gate": "dia"},
    "pseudo-query": {"shortcut": "pseudo_query"},
    "weighted": {"shortcut": "weighted"},
    "concat": {"shortcut": "concat", "shortcut.concat.growth": 1.0},
    "compress": {"shortcut": "concat", "shortcut.concat.transition": "compress"},
    "concat of stages": {"shortcut": "concat", "shortcut.concat.placement": "stages"},
    "token head": {"shortcut": "concat", "head": "tokens", "head.tokens.channels": 32},
    "sum": {},
    "identity": {"shortcut.sum.match": "identity"},
    "highway": {"shortcut.sum.add": "highway"},
    "pre-activation": {"activation": "pre", "gate": "dia"},
}
BY_PIXEL = [*list(KINDS)[:8]]
TWO = ("stem", "block 1.1")


def subject(folder: Path, changes: Mapping[str, object], images: int = 24) -> Subject:
    return looked(folder, override(Arch, SMALL | dict(changes)), images)


def looked(folder: Path, arch: Arch, images: int) -> Subject:
    """A network of drawn weights, learned ones of merges too, and images of digits."""
    file = folder / "network.json"
    file.write_text(json.dumps(encode(arch)))
    found = look(str(file), data="digits", device="cpu")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in found.network.named_parameters():
        if name.endswith(("merge.query", "merge.weight")):
            parameter.data = torch.randn(parameter.shape, generator=generator)
    return replace(found, images=first(found, images))


def first(found: Subject, images: int) -> Any:
    own = found.images
    return replace(own, images=own.images[:images], labels=own.labels[:images])


def read(one: Subject, **given: Any) -> DepthAttention:
    return analysis.depth_attention(one, batch_size=10, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_has_shares_of_its_sources_that_sum_to_1(kind: str, tmp_path: Path) -> None:
    found = read(subject(tmp_path, KINDS[kind]))
    assert found.readings
    for one in found.readings:
        assert len(one.weights) == len(one.sources) == len(one.raw) > 1
        assert len(set(one.sources)) == len(one.sources) and one.consumer not in one.sources
        for weights in (one.weights, *one.heads):
            assert math.fsum(weights) == pytest.approx(1) and min(weights) >= 0
        assert 0 <= one.entropy <= 1 + 1e-6 and 1 <= one.distance <= len(one.sources)
    json.dumps(depth_report([found]).record, allow_nan=False)


def test_every_drawn_network_with_a_shortcut_is_read(tmp_path: Path) -> None:
    for arch in draw(24, seed=2):
        try:
            one = looked(tmp_path, arch, images=2)
            found = analysis.depth_attention(one)
        except ValueError as refusal:
            assert "too small" in str(refusal) or "has no shortcut" in str(refusal)
            continue
        assert all(math.fsum(r.weights) == pytest.approx(1) for r in found.readings)


@pytest.mark.parametrize(
    ("kind", "readers"),
    {
        "matched": "block 1.2, block 2.1, block 2.2, classifier",
        "literal": "block 1.2, block 2.1, block 2.2",
        "common": "stage 2, stage 3",
        "own": "stage 2, stage 3",
        "recurrent gate": "block 1.2, block 2.1, block 2.2, classifier",
        "compress": "block 1.2, transition 1, block 2.2, classifier",
        "concat of stages": "stage 2, classifier",
        "sum": "block 1.2, block 2.1, block 2.2, classifier",
    }.items(),
)
def test_readers_are_the_blocks_with_two_sources_and_more(
    kind: str, readers: str, tmp_path: Path
) -> None:
    found = read(subject(tmp_path, KINDS[kind])).readings
    assert ", ".join(one.consumer for one in found) == readers
    assert found[0].sources == (TWO if "stage" not in readers else ("stem", "stage 1"))


def test_what_is_stored_starts_anew_at_a_transition(tmp_path: Path) -> None:
    found = {
        one.consumer: one.sources for one in read(subject(tmp_path, KINDS["compress"])).readings
    }
    assert found["transition 1"] == ("stem", "block 1.1", "block 1.2")
    assert found["block 2.2"] == ("transition 1", "block 2.1")
    assert found["classifier"] == ("transition 1", "block 2.1", "block 2.2")


class Seen:
    """What every merge of a network read and gave, over all images at once."""

    def __init__(self, one: Subject) -> None:
        self.calls: list[tuple[Any, Tensor, list[Entry], Tensor]] = []
        steps = [m for m in one.network.modules() if isinstance(m, Step)]
        hooks = [step.merge.register_forward_hook(self.keep) for step in steps]
        with torch.no_grad():
            one.network(one.prepared(np.arange(len(one.images)))[0])
        for hook in hooks:
            hook.remove()

    def keep(self, merge: nn.Module, inputs: Any, output: Tensor) -> None:
        if len(inputs[1]) > 1:
            self.calls.append((merge, *inputs, output))


def twin(merge: nn.Module, x: Tensor, memory: list[Entry]) -> Tensor:
    """Stack, einsum, softmax: (N, B, G, H, W), in float64."""
    if isinstance(merge, AttentionMerge):
        q = merge.query(x).double().unflatten(1, (merge.heads, -1))
        k = torch.stack([key.double().unflatten(1, (merge.heads, -1)) for key, _ in memory])
        return (torch.einsum("bgdhw,nbgdhw->nbghw", q, k) / q.shape[2] ** 0.5).softmax(0)
    assert isinstance(merge, PseudoQueryMerge)
    v = torch.stack([entry[0].double() for entry in memory])
    normed = v / (v.square().mean(2, keepdim=True) + 1e-5).sqrt()
    return torch.einsum("c,nbchw->nbhw", merge.query.double(), normed)[:, :, None].softmax(0)


@pytest.mark.parametrize("kind", BY_PIXEL)
def test_attention_is_the_mean_of_an_obvious_softmax(kind: str, tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS[kind])
    found, seen = read(one).readings, Seen(one).calls
    assert len(found) == len(seen)
    for reading, (merge, x, memory, _) in zip(found, seen, strict=True):
        p = twin(merge, x, memory).detach()
        heads = p.mean((1, 3, 4)).T
        assert torch.allclose(torch.tensor(reading.heads, dtype=torch.float64), heads, atol=1e-6)
        assert reading.weights == pytest.approx(heads.mean(0).tolist(), abs=1e-6)
        sds = p.std((1, 3, 4), correction=0).T
        assert torch.allclose(torch.tensor(reading.head_sds, dtype=torch.float64), sds, atol=1e-5)
        entropies = -(p * p.log()).sum(0).mean((0, 2, 3)) / math.log(len(p))
        assert reading.head_entropies == pytest.approx(entropies.tolist(), abs=1e-6)
        assert reading.entropy == pytest.approx(float(entropies.mean()), abs=1e-6)
        assert reading.entropy_of_mean == pytest.approx(entropy(reading.weights))


@pytest.mark.parametrize("kind", ["matched", "keys and values", "pseudo-query"])
def test_values_summed_by_these_weights_are_what_the_merge_gives(kind: str, tmp_path: Path) -> None:
    for merge, x, memory, output in Seen(subject(tmp_path, KINDS[kind])).calls:
        assert not isinstance(merge, AttentionMerge) or isinstance(merge.project, nn.Identity)
        with torch.no_grad():
            weights = pixel_weights(merge, x, memory)
        heads = weights.shape[2]
        values = torch.stack([entry[-1].unflatten(1, (heads, -1)) for entry in memory])
        merged = (weights[:, :, :, None] * values).sum(0).flatten(1, 2)
        assert torch.allclose(merged, output, atol=1e-5)


def test_weighted_sums_are_read_by_the_size_of_their_weights(tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS["weighted"])
    network: Any = one.network
    reading = read(one).readings[-1]
    own = [float(row.abs().mean()) for row in network.read.merge.weight.detach()]
    assert reading.raw == pytest.approx([*own, 1.0])
    assert reading.weights == pytest.approx([w / (sum(own) + 1) for w in [*own, 1.0]])
    assert reading.entropy == pytest.approx(reading.entropy_of_mean) and not reading.heads


@pytest.mark.parametrize("more", [{}, {"activation": "pre"}, {"downsampling": "space_to_depth"}])
def test_concatenation_is_read_by_the_next_layers_weights(
    more: Mapping[str, object], tmp_path: Path
) -> None:
    one = subject(tmp_path, KINDS["concat"] | more)
    network: Any = one.network
    found = {reading.consumer: reading for reading in read(one).readings}
    channels = {"stem": 8, "block 1.1": 8, "block 1.2": 8, "block 2.1": 16, "block 2.2": 16}
    halving = network.stages[1][0].block.body.conv1
    layers = {
        "block 1.2": network.stages[0][1].block.body.conv1,
        "block 2.1": halving[-1] if isinstance(halving, nn.Sequential) else halving,
        "classifier": network.head.classifier,
    }
    for name, layer in layers.items():
        several = 4 if name == "block 2.1" and "downsampling" in more else 1
        place, means = 0, []
        for source in found[name].sources:
            width = several * channels[source]
            means.append(float(layer.weight.detach()[:, place : place + width].abs().mean()))
            place += width
        assert place == layer.weight.shape[1]
        assert found[name].raw == pytest.approx(means)


def test_a_gate_inside_the_convolution_is_not_the_layer_that_reads(tmp_path: Path) -> None:
    gate = {"gate": "se", "gate.se.place": "convolution", "gate.se.place.convolution.on": "first"}
    one = subject(tmp_path, KINDS["concat"] | gate)
    consumers = merging(one.network, one.model.arch)  # type: ignore[arg-type]
    assert all(isinstance(c.next, nn.Conv2d) for c in consumers if c.name != "classifier")


@torch.no_grad()
def test_shares_of_a_sum_are_exact_on_a_made_example() -> None:
    class Block(nn.Module):
        """skip + w·F."""

        def __init__(self, weight: float) -> None:
            super().__init__()
            self.add = joins.LayerScale(1, weight)

    blocks = {"block 1.1": Block(3.0), "block 1.2": Block(0.25), "block 1.3": nn.Identity()}
    handles: list[Any] = []
    watches = Carried(blocks, handles)
    ones = torch.ones(2, 1, 3, 3)
    for name in ("block 1.1", "block 1.2"):
        getattr(blocks[name], "add")(ones, ones)  # noqa: B009
        getattr(blocks[name], "add")(ones, -ones)  # noqa: B009
        getattr(blocks[name], "add")(0 * ones, 0 * ones)  # noqa: B009
    two, three, head = watches.found()
    assert two.weights == pytest.approx((1 / 4, 3 / 4)) and two.raw == pytest.approx((1, 3 / 4))
    assert three.weights == pytest.approx((1 / 4 * 4 / 5, 3 / 4 * 4 / 5, 1 / 5))
    assert head.weights == (0, 0, 0, 1) and head.sources[-1] == "block 1.3"
    assert carried([0.5, 0.5]) == (0.25, 0.25, 0.5)


def test_a_highway_hands_on_what_its_mask_lets_through() -> None:
    add = joins.Highway(4)
    block = nn.Module()
    block.add = add
    watch = Carried({"block 1.1": block, "block 1.2": nn.Identity()}, [])
    skip, branch = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        add(skip, branch)
        t = torch.sigmoid(add.conv(skip))
        b, s = (t * branch).norm(dim=1), ((1 - t) * skip).norm(dim=1)
    assert watch.found()[0].weights[1] == pytest.approx(float((b / (b + s)).mean()), abs=1e-6)


@pytest.mark.parametrize("kind", ["matched", "weighted", "sum"])
def test_the_network_is_left_as_it_was(kind: str, tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS[kind])
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    one.network.train()
    one.network.stem.eval()  # type: ignore[union-attr]
    modes = [module.training for module in one.network.modules()]
    read(one)
    if kind == "matched":
        maps(one, None, np.arange(2))
    assert [module.training for module in one.network.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in one.network.modules())
    assert all(p.grad is None and p.requires_grad for p in one.network.parameters())
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_figures_do_not_depend_on_the_batches_and_the_error_is_that_of_the_images(
    tmp_path: Path,
) -> None:
    one = subject(tmp_path, KINDS["matched"], images=23)
    whole, parts = analysis.depth_attention(one, batch_size=23), read(one)
    for a, b in zip(whole.readings, parts.readings, strict=True):
        assert a.weights == pytest.approx(b.weights, abs=1e-6) and a.entropy == pytest.approx(
            b.entropy
        )
    x, labels = one.prepared(np.arange(23))
    wrong = (one.network(x).argmax(1) != labels).float().mean()
    assert whole.error == parts.error == pytest.approx(float(wrong))
    assert read(one, count=7).images == 7


def test_maps_are_the_weights_of_the_chosen_images(tmp_path: Path) -> None:
    one = subject(tmp_path, KINDS["matched"])
    seen = Seen(one).calls
    for name, (merge, x, memory, _) in zip(("block 1.2", "block 2.1"), seen, strict=False):
        found = maps(one, name, np.array([5, 2]))
        expected = twin(merge, x, memory).mean(2)[:, [5, 2]].detach().numpy()
        assert np.allclose(found.weights_NBHW, expected, atol=1e-6)
        assert found.weights_NBHW.shape[2:] == (8, 8)
    assert maps(one, None, np.array([0])).consumer == "classifier"
    with pytest.raises(ValueError, match=r"must be one of block 1.2, .* got 'stem'"):
        maps(one, "stem", np.array([0]))


def test_an_image_of_each_of_the_first_classes(tmp_path: Path) -> None:
    one = subject(tmp_path, {}, images=100)
    index = first_of_classes(one, 4)
    labels = one.images.labels
    assert labels[index].tolist() == [0, 1, 2, 3]
    assert [labels.tolist().index(label) for label in range(4)] == index.tolist()


def test_networks_of_unequal_size_are_told_apart(tmp_path: Path) -> None:
    one = read(subject(tmp_path, {}))
    assert sizes([one, replace(one, params=int(one.params * 1.09))]) is None
    said = sizes([one, replace(one, target="wide", params=one.params * 2)])
    assert said is not None and said.startswith("not of equal size") and "100 %" in said


def test_a_plain_network_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no shortcut by which .* its shortcut is none") as caught:
        read(subject(tmp_path, {"shortcut": "none"}))
    assert "\n" not in str(caught.value)
    changing = {"blocks": 1, "shortcut.sum.match": "identity", "stem_channels": 16}
    with pytest.raises(ValueError, match=r"its shortcut is none"):  # every block changes the shape
        read(subject(tmp_path, changing))


def test_the_command_leaves_a_table_a_record_a_page_and_a_picture(
    runs: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "sum.json"
    plain.write_text(json.dumps(encode(override(Arch, SMALL))))
    names = (f"tiny#{number}" for number in range(3))
    by_kind = {look(n, folder=runs).model.arch.shortcut.label: n for n in names}
    to = tmp_path / "out"
    given = ("--data", "digits", "--folder", runs, "--to", to, "--count", 40, "--device", "cpu")
    words = ("analyze", "depth-attention", by_kind["attention"], by_kind["concat"], plain)
    status, out, _ = skipsearch(*words, *given, "--images", "3,1")
    assert status == 0 and "block 2.1" in out and "not of equal size" in out
    assert "a concat shortcut weighs all pixels alike" in out
    record = json.loads((to / "depth-attention.json").read_text())
    assert [one["shortcut"] for one in record["networks"]] == ["attention", "concat", "sum"]
    assert [one["image"] for one in record["maps"][0]["images"]] == [3, 1]
    picture = Image.open(io.BytesIO((to / "depth-attention.png").read_bytes()))
    assert picture.format == "PNG" and picture.width > 300
    page = (to / "depth-attention.html").read_text()
    assert "Heads of tiny#" in page and "data:image/png;base64" in page
    words = ("analyze", "depth-attention", plain, "--data", "digits", "--to", to)
    assert "--consumer needs weights that differ by pixel" in refused(*words, "--consumer", "stem")
    assert "--images must be from 0 to" in refused(*words, "--images", "99999")
    assert "such as 3,17" in refused(*words, "--images", "3;1")
