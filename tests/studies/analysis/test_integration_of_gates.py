"""Feature integration: importances of earlier gates' masks for each gate's, and R²."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeRegressor
from typer.testing import CliRunner

from skipsearch.searchspace.arch import gates, recurrent_gates
from skipsearch.searchspace.arch.gate_places import (
    AfterBlock,
    AfterStage,
    InConvolution,
    SomeStages,
)
from skipsearch.studies.analysis.gates.integration import Row, integration, row
from skipsearch.studies.analysis.gates.masks import Use, watch_masks
from skipsearch.studies.analysis.gates.page import integration_report, notes
from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.cli.app import app
from tests.support.subjects import looked_at, small

FEW = {"samples": 40, "trees": 3}


def drawn(samples: int, *channels: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((samples, c), dtype=np.float32) for c in channels]


def test_a_copied_mask_is_all_from_its_source() -> None:
    first, second, third = drawn(200, 4, 3, 5)
    found = row([first, second, third], second.copy(), trees=20, seed=0)
    assert found.importances[1] == 1
    assert found.importances[0] < 0.1 and found.importances[2] < 0.1
    assert found.r2 is not None and found.r2 > 0.5


def test_a_row_is_that_of_trees_split_by_hand() -> None:
    """Mean decrease of impurity, each tree's added up over its own splits."""
    first, second, third = drawn(50, 3, 2, 4)
    third[:, 0] += 3 * first[:, 1]
    found = row([first, second], third, trees=4, seed=7)
    x, learned = np.concatenate([first, second], axis=1), 40
    total, predictions, rng = np.zeros(5), [], np.random.RandomState(7)
    seeds = [rng.randint(np.iinfo(np.int32).max) for _ in range(4)]
    for seed in seeds:
        bag = np.random.RandomState(seed).randint(0, learned, learned)
        weights = np.bincount(bag, minlength=learned).astype(float)
        tree = DecisionTreeRegressor(random_state=seed, max_features=1.0)
        tree.fit(x[:learned], third[:learned], sample_weight=weights)
        total += decrease(tree)
        predictions.append(tree.predict(x[learned:]))
    total /= total.sum()
    sums = np.array([total[:3].sum(), total[3:].sum()])
    np.testing.assert_allclose(found.importances, sums / sums.max(), rtol=1e-9)
    truth = third[learned:]
    error, spread = truth - np.mean(predictions, 0), truth - truth.mean(0)
    assert found.r2 == pytest.approx(1 - (error**2).sum() / (spread**2).sum())


def decrease(regressor: DecisionTreeRegressor) -> np.ndarray:
    tree, found = regressor.tree_, np.zeros(5)
    weight = tree.weighted_n_node_samples
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left != -1:
            lost = sum(weight[n] * tree.impurity[n] for n in (left, right))
            found[tree.feature[node]] += weight[node] * tree.impurity[node] - lost
    return found / found.sum()


def test_a_mask_that_never_varies_has_a_row_of_zeros() -> None:
    first, second = drawn(50, 3, 4)
    still = np.full((50, 4), 0.5, np.float32)
    assert row([first, second], still, trees=3, seed=0) == Row(importances=(0.0, 0.0), r2=None)


def test_masks_are_those_of_the_forward_pass_in_its_order(tmp_path: Path) -> None:
    subject = looked_at(tmp_path, small(recurrent_gates.DIA(cells=2)))
    network, x = subject.network, subject.prepared(np.arange(4))[0]
    with undisturbed(network) as handles, torch.no_grad():
        kept: dict[Use, list[torch.Tensor]] = {}
        watch_masks(network, handles, lambda use, mask: kept.setdefault(use, []).append(mask))
        network(x)
        network(x)
        cell = network.stages[0][0].gate
        inputs: list[torch.Tensor] = []
        handles.append(cell.register_forward_pre_hook(lambda _, given: inputs.append(given[0])))
        network(x)
    state, expected = None, []
    with torch.no_grad():
        for a in inputs:
            gated, state = cell(a, state)
            expected.append((gated / a).nanmean((2, 3)))
    found = {use: torch.cat(masks) for use, masks in kept.items()}
    uses = [Use("stages.0.0.gate", n) for n in range(3)]
    assert list(found) == [*uses, *(Use("stages.1.0.gate", n) for n in range(2))]
    for use, mask in zip(uses, expected, strict=True):
        assert found[use].shape == (12, 8)
        torch.testing.assert_close(found[use][8:], mask, rtol=1e-4, atol=1e-5)


WITHOUT = {"none", "sge", "gc", "coordinate", "selfatt", "mha", "mrla"}
BY_LABEL = {gate.label: gate for gate in gates.GATES}


@pytest.mark.parametrize("label", sorted(set(BY_LABEL) - WITHOUT))
def test_every_channel_gate_can_be_integrated(label: str, tmp_path: Path) -> None:
    """Two stages, of three and of two gates, of their own channels; the network stays as it was."""
    gate = BY_LABEL[label]()
    subject = looked_at(tmp_path, small(gate))
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    found = integration(subject, **FEW)
    shape = [[len(one.importances) for one in stage.rows] for stage in found.stages]
    gates_of = 2 if label == "ai" else 1  # inside both convolutions of a block
    assert shape == [list(range(1, 3 * gates_of)), list(range(1, 2 * gates_of))]
    every = [v for stage in found.stages for one in stage.rows for v in one.importances]
    assert all(0 <= v <= 1 for v in every)
    assert all(max(one.importances) in (0, 1) for stage in found.stages for one in stage.rows)
    assert not any(module._forward_hooks for module in subject.network.modules())
    assert not subject.network._forward_pre_hooks and not subject.network.training
    for name, value in subject.network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("label", sorted(WITHOUT))
def test_a_network_without_masks_of_channels_says_what_it_has(label: str, tmp_path: Path) -> None:
    subject = looked_at(tmp_path, small(BY_LABEL[label]()))
    what = "has no gate; " if label == "none" else f"its gate is {label}; "
    with pytest.raises(ValueError, match=what) as raised:
        integration(subject, **FEW)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", [AfterBlock(), AfterBlock(first=False), InConvolution()])
@pytest.mark.parametrize("sharing", ["block", "stage"])
@pytest.mark.parametrize("combine", ["replace", "gated"])
def test_gates_are_found_wherever_they_stand(
    place: AfterBlock | InConvolution, sharing: str, combine: str, tmp_path: Path
) -> None:
    gate = gates.SE(place=place, sharing=sharing, combine=combine)
    found = integration(looked_at(tmp_path, small(gate)), **FEW)
    first = found.stages[0]
    counted = {"block": 3 if getattr(place, "first", False) else 2, "convolution": 6}
    assert len(first.gates) == counted[place.label]
    assert len(set(first.gates)) == len(first.gates)


def test_the_same_seed_gives_the_same_map_and_another_one_another(tmp_path: Path) -> None:
    subject = looked_at(tmp_path, small(gates.SE()))
    one, same = (integration(subject, **FEW, seed=3) for _ in range(2))
    assert one == same
    assert integration(subject, **FEW, seed=4).stages != one.stages


def test_stages_with_one_gate_are_left_out_and_said(tmp_path: Path) -> None:
    found = integration(looked_at(tmp_path, small(gates.SE(), blocks=(3, 1))), **FEW)
    assert [stage.number for stage in found.stages] == [1] and found.alone == (2,)
    assert notes(found)[0] == "stage 2 has one gate: no earlier gate to integrate"
    several = gates.SE(stages=SomeStages(gated=(False, True)))
    found = integration(looked_at(tmp_path, small(several)), **FEW)
    assert [stage.number for stage in found.stages] == [2] and found.alone == ()
    for gate in (gates.SE(place=AfterStage()), gates.SRM(place=AfterStage())):
        with pytest.raises(ValueError, match=r"has one gate \(.*\) per stage: no earlier"):
            integration(looked_at(tmp_path, small(gate)), **FEW)


def test_a_gate_that_starts_still_is_said(tmp_path: Path) -> None:
    """The weights of SRM start from 0: its masks are one half."""
    found = integration(looked_at(tmp_path, small(gates.SRM(), blocks=(2, 2))), **FEW)
    assert [one.importances for stage in found.stages for one in stage.rows] == [(0.0,), (0.0,)]
    assert "the mask of gate 2 is the same for every image" in notes(found)[0]
    assert "nan" not in integration_report(found).page().partition("<script")[0]


def test_the_command_writes_table_record_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "light.json"
    looked_at(tmp_path, small(recurrent_gates.DIALight()), "light")
    given = ["analyze", "integration", str(file), "--data", "digits", "--samples", "40"]
    done = CliRunner().invoke(app, [*given, "--trees", "3", "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert "feature integration of" in done.output and "R²" in done.output
    record = json.loads((tmp_path / "analyses/light/integration.json").read_text())
    assert record["samples"] == 40 and record["held_out"] == 8 and record["trees"] == 3
    assert [len(stage["rows"]) for stage in record["stages"]] == [2, 1]
    assert record["stages"][0]["gates"][1] == "stages.0.0.gate, call 2"
    page = (tmp_path / "analyses/light/integration.html").read_text()
    assert page.count('"heatmap"') >= 2 and "Stage 2" in page
    done = CliRunner().invoke(app, [*given, "--trees", "3", "--json"])
    assert json.loads(done.output)["analysis"] == "integration"
