"""Gradient flow: exact against autograd's own gradients, for every preset, and what is dead."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipsearch.searchspace.arch.gates import GATES
from skipsearch.searchspace.arch.shortcuts import SHORTCUTS
from skipsearch.studies.analysis.gradients.flow import (
    GradientFlow,
    Recorder,
    gradient_flow,
    parametric_layers,
)
from skipsearch.studies.analysis.gradients.health import PAPER, Thresholds, health, sensitivity
from skipsearch.studies.analysis.gradients.tables import flow_record
from skipsearch.studies.analysis.subject import Subject
from skipsearch.studies.exporting.export import export
from skipsearch.studies.storage.find import find
from skipsearch.trainers.loop.fit import seeded
from tests.support.command import Command
from tests.support.subjects import arch, assert_undisturbed, images, state_of, subject


def obvious(one: Subject, batches: int, size: int) -> dict[str, list[list[Tensor]]]:
    """For each layer and batch the gradients of its outputs, which are kept."""
    found: dict[str, list[list[Tensor]]] = {}
    outputs: list[tuple[str, Any]] = []
    handles = [
        layer.register_forward_hook(lambda _l, _i, y, name=name: outputs.append((name, y)))
        for name, layer in parametric_layers(one.network).items()
    ]
    with seeded(0):
        one.network.train()
        for x, label in one.batches(size, batches, 0):
            outputs.clear()
            loss = F.cross_entropy(one.network(x), label)
            flat = [(n, t) for n, y in outputs for t in (y if isinstance(y, tuple) else (y,))]
            grads = torch.autograd.grad(loss, [t for _, t in flat])
            came: dict[str, list[Tensor]] = {}
            for (name, _), grad in zip(flat, grads, strict=True):
                came.setdefault(name, []).append(grad)
            for name, own in came.items():
                found.setdefault(name, []).append(own)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shortcut": "attention", "shortcut.attention.heads": 2},
        {"shortcut": "concat", "gate": "se", "gate.se.sharing": "stage"},
        {"gate": "dia", "body.basic.dropout": 0.3},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "sum",
)
def test_figures_are_those_of_the_gradients_that_autograd_gives(changes: dict[str, Any]) -> None:
    twin = obvious(subject(arch(**changes)), 3, 8)
    flow = gradient_flow(subject(arch(**changes)), batches=3, batch_size=8)
    assert flow.batches == 3 and flow.images == 24 and len(flow.layers) == len(twin)
    for layer in flow.layers:
        every = [torch.cat([g.flatten() for g in batch]).double() for batch in twin[layer.name]]
        norms = torch.stack([g.norm() for g in every])
        deviation = norms.std(correction=0)
        expected = {
            "norm": norms.mean(),
            "norm_sd": deviation,
            "norm_min": norms.min(),
            "norm_max": norms.max(),
            "mean_abs": torch.stack([g.abs().mean() for g in every]).mean(),
            "sd": torch.stack([g.std(correction=0) for g in every]).mean(),
            "max_abs": torch.stack([g.abs().max() for g in every]).mean(),
        }
        got = {name: getattr(layer, name) for name in expected}
        assert got == pytest.approx({n: float(v) for n, v in expected.items()}, rel=1e-4, abs=1e-9)


def test_a_stages_distribution_counts_every_element_of_its_outputs_gradient() -> None:
    one = subject(arch())
    flow = gradient_flow(one, batches=2, batch_size=8)
    assert [s.name for s in flow.stages] == ["stage 1", "stage 2"]
    assert [s.elements for s in flow.stages] == [2 * 8 * 8 * 64, 2 * 8 * 16 * 16]
    grads: list[Tensor] = []
    stage: nn.Module = one.network.stages[0]  # type: ignore[index, union-attr]
    stage.register_forward_hook(lambda _s, _i, y: (y.register_hook(grads.append), None)[1])
    with seeded(0):
        one.network.train()
        for x, label in one.batches(8, 2, 0):
            F.cross_entropy(one.network(x), label).backward()
    size = torch.cat([g.abs().flatten() for g in grads])
    found = flow.stages[0]
    assert found.zeros == int((size == 0).sum()) and sum(found.counts) + found.zeros == len(size)
    assert found.mean_abs == pytest.approx(float(size.mean()), rel=1e-5)
    assert math.log10(found.quantile(0.5)) == pytest.approx(
        math.log10(float(size[size > 0].median())), abs=0.11
    )


@pytest.mark.parametrize("shortcut", [one.label for one in SHORTCUTS])
@pytest.mark.parametrize("gate", ["none", "dia", "cbam"])
def test_nothing_of_the_network_is_changed(shortcut: str, gate: str) -> None:
    one = subject(arch(shortcut=shortcut, gate=gate))
    parameter = next(one.network.parameters())
    parameter.grad = torch.ones_like(parameter)
    list(one.network.parameters())[1].requires_grad_(False)
    before = state_of(one.network)
    gradient_flow(one, batches=2, batch_size=8)
    assert_undisturbed(one.network, before)


def test_nor_is_it_after_an_error() -> None:
    one, begun = subject(arch()), False

    def broken(steps: Any, _what: str) -> Any:
        nonlocal begun
        for step in steps:
            if begun:
                raise KeyboardInterrupt
            begun = True
            yield step

    before = state_of(one.network)
    with pytest.raises(KeyboardInterrupt):
        gradient_flow(one, batches=3, batch_size=8, track=broken)
    assert_undisturbed(one.network, before)


def test_every_gate_has_all_its_layers_recorded() -> None:
    for gate in GATES[1:]:
        one = subject(arch(gate=gate.label))
        flow = gradient_flow(one, batches=1, batch_size=8)
        assert all(layer.norm is not None for layer in flow.layers), gate.label
        assert len(flow.layers) == len(parametric_layers(one.network))


def test_a_network_made_dead_is_found_dead() -> None:
    """The last norm of a plain network's second stage puts out zeros: no gradient passes it."""
    one = subject(arch(shortcut="none"))
    stages: Any = one.network.stages
    last = stages[1][1].body.norm2
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, -1.0)  # and the ReLU behind it is shut
    flow = gradient_flow(one, batches=2, batch_size=8)
    found = health(flow.layers)
    dead = set(found.states["dead"])
    assert "stages.1.1.body.norm2" in dead and "stem.0" in dead
    assert set(found.states["healthy"]) == {"head.classifier"}
    assert found.score == 1 / len(flow.layers) and found.band == "poor"
    assert flow.stages[0].zeros == flow.stages[0].elements
    assert math.isnan(flow.stages[0].quantile(0.5))


def test_a_layer_that_no_gradient_comes_to_is_silent_and_not_counted() -> None:
    one = subject(arch())
    one.network.unused = nn.Linear(2, 2)
    found = health(gradient_flow(one, batches=1, batch_size=8).layers)
    assert found.states["silent"] == ("unused",) and found.score == 1.0


def test_nan_is_a_finding() -> None:
    one = subject(arch())
    with torch.no_grad():
        one.network.stem[0].weight.fill_(math.nan)  # type: ignore[index, union-attr, operator]
    found = health(gradient_flow(one, batches=1, batch_size=8).layers)
    assert "head.classifier" in found.states["not finite"]


class Norm:
    def __init__(self, name: str, norm: float | None) -> None:
        self.name, self.norm = name, norm


def test_health_is_as_the_paper_defines_it() -> None:
    norms = (1e-9, 1e-7, 1e-6, 1e-5, 1.0, 10.0, 50.0, 0.0, None)
    layers = [Norm(str(n), norm) for n, norm in enumerate(norms)]
    found = health(layers)
    assert found.states["vanishing"] == ("0", "1", "2") and found.states["healthy"] == ("3", "4")
    assert found.states["exploding"] == ("5", "6") and found.states["dead"] == ("7",)
    assert found.score == 2 / 8 and found.band == "poor"
    assert PAPER.severe(1e-9) and PAPER.severe(101) and not PAPER.severe(1e-7)
    ratios = [1e-9 / 1e-7, 1e-7 / 1e-6, 1e-6 / 1e-5, 1e-5, 0.1, 0.2]
    assert found.decay == pytest.approx(sum(ratios) / 6)
    assert [
        health([Norm("a", n) for n in (1.0,) * k + (0.0,) * (10 - k)]).band for k in (9, 7, 5)
    ] == [
        "excellent",
        "good",
        "moderate",
    ]
    assert found.steep and not health([Norm("a", 1.0), Norm("b", 9.0)]).steep
    assert health([Norm("a", 20.0), Norm("b", 1.0)]).steep
    low = [Norm(str(n), 1.0 if n else 0.1) for n in range(10)]
    assert health(low).bottlenecks == ("0",)


def test_sensitivity_has_the_chosen_thresholds_in_its_middle() -> None:
    layers = [Norm("a", 1e-7), Norm("b", 1.0), Norm("c", 30.0)]
    rows = sensitivity(layers, PAPER)
    assert len(rows) == 25 and rows[12] == (PAPER, pytest.approx(1 / 3))
    by = {(round(math.log10(t.vanishing)), t.exploding): score for t, score in rows}
    assert by[-8, 10.0] == pytest.approx(2 / 3) and by[-8, 100.0] == 1.0


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--vanishing must be .* less than --exploding"):
        Thresholds(1.0, 0.1)


def test_memory_does_not_grow_with_the_batches() -> None:
    """What a recorder holds is as large after 2 batches as after 20."""

    def held(flow: GradientFlow) -> int:
        return len(json.dumps(flow_record([flow]), default=str).encode()) // 1000

    shown = images(160)
    few = gradient_flow(subject(arch(), shown), batches=2, batch_size=8)
    many = gradient_flow(subject(arch(), shown), batches=20, batch_size=8)
    assert many.batches == 20 and held(many) == held(few)
    recorder = Recorder(subject(arch()).network, [])
    assert not recorder._batch


PRESET = ("analyze", "gradient-flow", "cnntention/resnet20", "--data", "digits")


def test_the_command_prints_tables_and_writes_its_files(
    skipsearch: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("--batches", "2", "--batch-size", "8")
    status, out, _ = skipsearch(*PRESET, *few)
    assert status == 0 and "gradient flow" in out and "cnntention/resnet20" in out
    home = tmp_path / "analyses" / "cnntention-resnet20"
    assert f"written   analyses/{home.name}/gradient-flow.json" in out
    page = (home / "gradient-flow.html").read_text()
    assert "Gradient norm by layer" in page and "Layers of cnntention/resnet20" in page
    status, out, _ = skipsearch(*PRESET, *few, "--json", "--to", "else")
    record = json.loads(out)
    assert record == json.loads((tmp_path / "else" / "gradient-flow.json").read_text())
    assert record == json.loads((home / "gradient-flow.json").read_text())
    network = record["networks"][0]
    kinds = network["health"]["by_kind"]
    assert kinds["convolution"]["layers"] + kinds["linear"]["layers"] == 20
    assert network["dataset"] == "digits" and network["images"] == 16 and not network["trained"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("as/out",), "as/out was never trained and has no data set of its own: name one with"),
        (("as/ot", "--data", "digits"), "as/ot"),
        (("no/where#3",), "no/where"),
        ((*PRESET[2:], "cnntention/resnet20"), "resnet20 is named more than once"),
        ((*PRESET[2:], "--part", "train"), "--part must be validation or test, got 'train'"),
        ((*PRESET[2:], "--device", "cuda:77"), "--device must be auto, cpu or a GPU of this"),
        ((*PRESET[2:], "--vanishing", "11"), "--vanishing must be at least 0 and less than"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...],
    said: str,
    skipsearch: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, error = skipsearch("analyze", "gradient-flow", *words)
    assert status == 2 and said in error and error.count("\n") == 1


def test_a_trial_and_its_export_are_looked_at_with_their_own_images(
    skipsearch: Command,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    export("tiny", tmp_path / "out", trial=0, formats=(), folder=runs)
    words = ("analyze", "gradient-flow", "tiny#0", "out", "--batches", "2", "--folder", str(runs))
    status, out, _ = skipsearch(*words, "--json")
    one, other = json.loads(out)["networks"]
    assert status == 0 and one["trained"]
    assert (one["dataset"], one["part"]) == ("digits", "validation")
    trial = find("tiny", folder=runs).trials[0]
    assert one["params"] == trial.user_attrs["params"] and other["target"] == "out"
    assert [one[k] for k in ("loss", "layers")] == [other[k] for k in ("loss", "layers")]
