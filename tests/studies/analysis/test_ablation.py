"""Ablations: errors and costs without a part, twins of the same weights, studies of them."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from skipsearch import searchspace
from skipsearch.searchspace.arch import (
    blocks,
    gate_places,
    gates,
    heads,
    recurrent_gates,
    shortcuts,
)
from skipsearch.searchspace.arch.arch import Arch, GroupNorm
from skipsearch.searchspace.assembly.cost import count_macs
from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.searchspace.layers.recurrent import SharedLSTM
from skipsearch.studies.analysis.ablations.ablation import Ablation, ablation
from skipsearch.studies.analysis.ablations.fix_gates import Means, fix
from skipsearch.studies.analysis.ablations.page import ablation_report
from skipsearch.studies.analysis.ablations.remove import Part, has, parts_of, remove
from skipsearch.studies.analysis.ablations.write_study import without, write_study
from skipsearch.studies.analysis.gates.masks import watch_masks
from skipsearch.studies.analysis.preserved import undisturbed
from skipsearch.studies.analysis.subject import Subject, look
from skipsearch.studies.cli.app import app
from skipsearch.studies.config.study_config import StudyConfig
from tests.support.subjects import looked_at, small
from tests.support.trained_study import trained

SHAPE = (3, 8, 8)
BY_LABEL = {gate.label: gate for gate in gates.GATES if gate is not gates.NoGate}
X = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))


def made(arch: Arch) -> nn.Module:
    """Every parameter and every statistic drawn: none stays at 0 or 1."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = searchspace.build(arch, classes=4, shape=SHAPE).eval()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.normal_(std=0.3)
                if name.endswith("running_var"):
                    value.abs_().add_(0.5)
    return network


def cut(network: nn.Module, part: str) -> nn.Module:
    return remove(copy.deepcopy(network), Part.named(part))


def close(one: nn.Module, other: nn.Module) -> None:
    with torch.no_grad():
        torch.testing.assert_close(one(X), other(X))


def twin(network: nn.Module, arch: Arch) -> nn.Module:
    """The network of `arch` with the weights that have the same names."""
    found = searchspace.build(arch, classes=4, shape=SHAPE).eval()
    known = network.state_dict()
    found.load_state_dict({name: known[name] for name in found.state_dict()})
    return found


@pytest.mark.parametrize("activation", [blocks.Post(), blocks.Linear(), blocks.Pre()])
def test_without_its_shortcut_a_residual_network_is_the_plain_one(
    activation: blocks.Activation,
) -> None:
    arch = small(activation=activation, shortcut=shortcuts.Sum(drop=0.2))
    network = made(arch)
    plain = twin(network, replace(arch, shortcut=shortcuts.NoShortcut()))
    close(cut(network, "shortcut"), plain)
    assert count_params(cut(network, "shortcut")) == count_params(plain) < count_params(network)
    assert count_macs(cut(network, "shortcut"), SHAPE) == count_macs(plain, SHAPE)


@pytest.mark.parametrize("add", [shortcuts.ReZero(), shortcuts.LayerScale(), shortcuts.Highway()])
@pytest.mark.parametrize("projection", ["raw", "activated"])
def test_a_branch_joins_as_it_did_a_skip_of_zeros(add: Any, projection: str) -> None:
    network = made(
        small(shortcut=shortcuts.Sum(add=add), activation=blocks.Pre(projection=projection))
    )
    block, x = network.stages[1][0], torch.randn(2, 8, 8, 8)
    with torch.no_grad():
        gated = block.gate(block.body(block.open(x)))
        expected = block.activation(block.add(torch.zeros_like(gated), gated))
        torch.testing.assert_close(cut(network, "shortcut@stage2").stages[1][0](x), expected)


@pytest.mark.parametrize("label", BY_LABEL)
@pytest.mark.parametrize("activation", [blocks.Post(), blocks.Pre()])
def test_without_its_gate_a_network_is_the_one_that_never_had_it(
    label: str, activation: blocks.Activation
) -> None:
    gate = BY_LABEL[label]()
    if isinstance(gate, recurrent_gates.SharedCell):
        gate = replace(gate, tail_norm=False)
    arch = small(gate, activation=activation)
    network = made(arch)
    plain = searchspace.build(replace(arch, gate=gates.NoGate()), classes=4, shape=SHAPE).eval()
    left = cut(network, "gate")
    plain.load_state_dict(dict(zip(plain.state_dict(), left.state_dict().values(), strict=True)))
    close(left, plain)
    assert count_params(left) == count_params(plain) < count_params(network)
    assert count_macs(left, SHAPE) == count_macs(plain, SHAPE)


@pytest.mark.parametrize(
    "gate", [gates.SE(), recurrent_gates.DIA(), gates.SE(place=gate_places.AfterStage())]
)
def test_without_the_gate_of_a_stage_the_stages_before_are_as_they_were(gate: Any) -> None:
    network = made(small(gate))
    left = cut(network, "gate@stage2")
    with torch.no_grad():
        before, after = network.forward_features(X), left.forward_features(X)
    assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    assert not torch.allclose(before[2], after[2])
    assert has(left, Part("gate", 1)) and not has(left, Part("gate", 2))


@pytest.mark.parametrize(
    "shortcut", [shortcuts.Weighted(), shortcuts.PseudoQuery(), shortcuts.Attention(heads=2)]
)
def test_without_its_shortcut_a_block_reads_the_newest_output_alone(shortcut: Any) -> None:
    """What the older entries are does not matter then; their weights are in no state."""
    network = made(small(shortcut=shortcut))
    left = cut(network, "shortcut")
    x = network.stem(X)
    with torch.no_grad():
        for stage in network.stages:
            for step in stage:
                value = x
                if isinstance(shortcut, shortcuts.Attention) and hasattr(step, "merge"):
                    value = step.merge.project(step.store.maps[1](x))
                x = step.block(value)
        if hasattr(network.read, "merge") and isinstance(shortcut, shortcuts.Attention):
            x = network.read.store.maps[1](x)
        features = left.forward_features(X)
        torch.testing.assert_close(features[-1], x)
    names = " ".join(left.state_dict())
    assert "query" not in names and "merge.weight" not in names
    assert count_macs(left, SHAPE) <= count_macs(network, SHAPE)


@pytest.mark.parametrize("transition", [shortcuts.Subsample(), shortcuts.Compress()])
def test_without_its_shortcut_a_dense_network_reads_zeros_for_older_outputs(
    transition: Any,
) -> None:
    network = made(small(shortcut=shortcuts.Concat(transition=transition)))
    left = cut(network, "shortcut")
    block = network.stages[0][1].block
    inputs: list[Tensor] = []
    handle = block.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    left.stages[0][1].block.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.no_grad():
        network(X)
        left(X)
    handle.remove()
    whole, newest = inputs
    assert not newest[:, :8].any() and torch.equal(newest[:, 8:], whole[:, 8:])
    assert count_params(left) == count_params(network)


def test_between_stages_both_the_attention_and_the_residuals_go() -> None:
    network = made(
        small(shortcut=shortcuts.Attention(heads=2, placement=shortcuts.BetweenStages()))
    )
    left = cut(network, "shortcut")
    assert not [name for name in left.state_dict() if "query" in name or "skip" in name]
    assert left(X).isfinite().all()


def test_without_norms_those_of_gates_and_heads_stay() -> None:
    arch = small(gates.SRM(), norm=GroupNorm(), head=heads.Tokens(channels=32, heads=2, hidden=8))
    left = cut(made(arch), "norm")
    kept = {name.rpartition(".norm")[0] for name in left.state_dict() if "norm" in name}
    assert kept and all("gate" in name or "head" in name for name in kept)
    assert not has(left, Part("norm"))


def test_without_its_head_the_mean_of_the_tokens_is_classified() -> None:
    arch = small(head=heads.Tokens(channels=32, heads=2, hidden=8, position="learned"))
    network = made(arch)
    head, features = network.head, network.forward_features(X)
    tokens = [tap(x.mean((2, 3))) for tap, x in zip(head.taps, features, strict=True)]
    expected = head.classifier(torch.stack(tokens).mean(0))
    torch.testing.assert_close(cut(network, "head")(X), expected)
    assert Part("head") in parts_of(network) and Part("head") not in parts_of(made(small()))


@pytest.mark.parametrize("sharing", ["block", "stage"])
@pytest.mark.parametrize("label", ["se", "cbam", "grn", "ai", "srm", "dia", "dia_light"])
def test_a_gate_fixed_at_its_mean_is_itself_where_its_mask_does_not_vary(
    label: str, sharing: str
) -> None:
    """Of one image the mean is the mask; of two it reads neither."""
    gate = BY_LABEL[label]()
    network = made(small(gate if label[:3] == "dia" else replace(gate, sharing=sharing)))
    one, both = (fix(copy.deepcopy(network), means_of(network, x), None) for x in (X[:1], X))
    with torch.no_grad():
        torch.testing.assert_close(one(X[:1]), network(X[:1]))
        assert not torch.allclose(both(X), network(X))
    less = cut(network, "gate")
    assert count_params(less) <= count_params(one) < count_params(network)
    assert count_macs(less, SHAPE) <= count_macs(one, SHAPE) <= count_macs(network, SHAPE)
    torch.testing.assert_close(one(X[:1]), network(X[:1]))  # its calls are in step after a count


def means_of(network: nn.Module, x: Tensor) -> Means:
    means = Means()
    with undisturbed(network) as handles, torch.no_grad():
        watch_masks(network, handles, means.add)
        for part in x.split(3):
            network(part)
    return means


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained(folder)
    return folder


def subject_of(runs: Path) -> Subject:
    return look("tiny#0", folder=runs, device="cpu")


@pytest.fixture(scope="module")
def found(runs: Path) -> Ablation:
    return ablation(subject_of(runs))


def test_an_ablation_has_a_row_a_part_and_leaves_the_network(runs: Path) -> None:
    subject = subject_of(runs)
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    found = ablation(subject)
    told = [str(one) for one in found.rows]
    assert told[:3] == ["shortcut", "gate", "gate, fixed at its mean"]
    assert told[3:] == [
        *("gate@stage1", "gate@stage1, fixed at its mean"),
        *("gate@stage2", "gate@stage2, fixed at its mean", "norm"),
    ]
    after = subject.network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[n], before[n]) for n in before)
    assert any(isinstance(module, SharedLSTM) for module in subject.network.modules())
    assert not any(module._forward_hooks for module in subject.network.modules())


def test_errors_and_costs_are_those_of_the_network_that_is_left(
    runs: Path, found: Ablation
) -> None:
    subject = subject_of(runs)
    for row, network in (
        (found.whole, subject.network),
        (found.rows[1], cut(subject.network, "gate")),
    ):
        x, label = subject.prepared(np.arange(len(subject.images)))
        with torch.no_grad():
            wrong = (network(x).argmax(1) != label).float().mean()
        assert row.error == pytest.approx(float(wrong))
        assert (row.params, row.macs) == (count_params(network), count_macs(network, (1, 8, 8)))


def test_logits_that_are_not_finite_count_as_wrong(runs: Path) -> None:
    subject = subject_of(runs)
    subject.network.head.classifier.bias.data[:] = torch.nan
    found = ablation(subject, ["norm"])
    assert found.whole.error == 1 and found.whole.not_finite == found.images


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("head", r"has no head to remove: it has shortcut \(also @stage1, @stage2\), gate \(also"),
        ("gate@stage3", "has no gate@stage3 to remove"),
        ("heat", "--remove must be shortcut, gate, norm or head, of one stage as in gate@stage2"),
        ("gate@2", "got 'gate@2'"),
    ],
)
def test_a_part_that_is_not_there_is_said_with_what_is(
    wanted: str, message: str, runs: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        ablation(subject_of(runs), [wanted])


def test_what_was_never_trained_has_nothing_to_lose(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was never trained and has nothing to lose"):
        ablation(looked_at(tmp_path, small(gates.SE())))


def test_the_page_shows_every_part(found: Ablation) -> None:
    page = ablation_report(found).page()
    assert "gate@stage1, fixed at its mean" in page and '"barmode"' in page


def test_a_study_of_the_ablations_has_their_networks_recipe_and_images(
    runs: Path, tmp_path: Path
) -> None:
    model, path = subject_of(runs).model, tmp_path / "without.toml"
    parts = [Part(k, n) for k, n in (("shortcut", None), ("gate", None), ("gate", 2))]
    written = write_study(model, [*parts, Part("norm", 1)], path)
    config = StudyConfig.from_file(path)
    assert config.baselines["whole"] == model.arch
    assert list(config.baselines)[1:] == [
        *("without-shortcut", "without-gate", "without-gate-stage2")
    ]
    assert config.baselines["without-gate"] == replace(model.arch, gate=gates.NoGate())
    assert (config.dataset, config.train_subset, config.seed, config.epochs) == (
        "digits",
        200,
        4,
        1,
    )
    recipe = config.recipe_space.draw(lambda name, domain, default: default)
    assert searchspace.encode(recipe) == dict(model.origin.recipe)
    assert written.notes == ("no architecture of the space is this one without norm@stage1",)
    assert "skipsearch retrain" in path.read_text() and "--baseline whole" in path.read_text()
    with pytest.raises(ValueError, match="already exists"):
        write_study(model, parts, path)
    with pytest.raises(ValueError, match=r"must be a file that ends with \.toml"):
        write_study(model, parts, tmp_path / "without")
    with pytest.raises(ValueError, match="without norm@stage1"):
        write_study(model, [Part("norm", 1)], tmp_path / "none.toml")


def test_architectures_without_a_part() -> None:
    arch = small(recurrent_gates.DIA(), activation=blocks.Pre(), head=heads.Tokens(channels=32))
    bare = without(arch, Part("norm"))
    assert bare is not None
    network = searchspace.build(bare, classes=4, shape=SHAPE)
    assert not has(network, Part("norm"))
    last = without(arch, Part("gate", 2))
    assert last is not None and last.gate.stages == gate_places.SomeStages(gated=(True, False))
    assert without(last, Part("gate", 1)) == replace(arch, gate=gates.NoGate())
    assert without(arch, Part("head")) == replace(arch, head=heads.Pool())
    assert without(arch, Part("shortcut", 2)) is None


def test_the_command_writes_table_record_page_and_study(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["analyze", "ablate", "tiny#0", "--folder", str(runs), "--remove", "gate"]
    done = CliRunner().invoke(app, [*given, "--study", "again.toml"])
    assert done.exit_code == 0, done.output
    assert "tiny#0 without a part" in done.output and "written   again.toml" in done.output
    record = json.loads((tmp_path / "analyses/tiny-0/ablate.json").read_text())
    assert [row["manner"] for row in record["rows"]] == ["removed", "fixed at its mean"]
    assert record["rows"][0]["params_saved"] > 0 and record["whole"]["part"] == ""
    done = CliRunner().invoke(app, [*given, "--json"])
    assert json.loads(done.output)["target"] == "tiny#0"
