"""The replay of studies on learning curves, on a small table of made curves."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from skipsearch.searchspace import describe, encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.storage.study_record import write_study
from tests.support import ROOT
from tests.support.tabulated_training import study_of

BENCHMARKS = ROOT / "benchmarks"
CURVES, EPOCHS = 20, 9
SPACE = {
    "stem": "conv3",
    "stages": 2,
    "blocks": [1, 2, 3],
    "body": "basic",
    "shortcut": ["none", "sum"],
}
SPACE |= {"gate": ["none", "eca"], "gate.eca.kernel": ["adaptive", 3]}  # text and a number


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made from a study folder as a real one is."""
    config, folder = study_of(space=SPACE, pruner="none", sampler="random"), tmp_path / "tabulated"
    folder.mkdir()
    store = open_store(config, f"sqlite:///{folder / 'study.db'}", joint_space.space_hash(config))
    write_study(store.study, data={"classes": list("0123456789"), "shape": [1, 8, 8]})
    rng, noise = random.Random(0), random.Random(1)
    for number in range(CURVES):
        arch = config.arch_space.sample(rng)
        cost = describe(arch, classes=10, shape=(1, 8, 8))
        end = 0.1 + 5 / cost.params**0.5 + noise.gauss(0, 0.02)
        curve = {epoch: end + 0.5 / epoch for epoch in range(1, EPOCHS + 1)}
        facts = {"params": cost.params, "macs": cost.macs, "arch": encode(arch), "charged": True}
        facts["recipe"] = encode(joint_space.preset_recipe(config))
        if number == CURVES - 1:
            facts["baseline"] = "left out"
        told = create_trial(
            state=TrialState.COMPLETE,
            values=[curve[EPOCHS], float(cost.params)],
            intermediate_values=curve,
            user_attrs=facts,
        )
        store.study.add_trial(told)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    path = tmp_path / "data" / "curves.parquet"
    called(monkeypatch, "--make", folder, "--data", path)
    return path


def called(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    import pruning

    monkeypatch.setattr(sys, "argv", ["pruning.py", *map(str, arguments)])
    pruning.main()


def test_the_table_has_the_architectures_and_curves_of_the_study(table: Path) -> None:
    from curves.learning_curves import read

    curves = read(table)
    assert len(curves.rows) == CURVES - 1
    rng = random.Random(0)
    for row, chosen in zip(curves.rows, curves.chosen, strict=True):
        arch = encode(curves.config.arch_space.sample(rng))
        assert arch.items() <= row.flat.items()
        assert len(row.curve) == EPOCHS
        assert curves.distances(chosen).min() == 0
    assert curves.distances(curves.chosen[0])[0] == 0


def test_every_mode_and_sampler_goes_through_and_only_whole_trainings_count(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    found: list[list[dict[str, Any]]] = []
    for samplers in (("random", "tpe", "gp"), ("random", "tpe")):
        called(monkeypatch, "--data", table, "--seeds", 2, "--samplers", *samplers, "--json")
        found.append(json.loads(capsys.readouterr().out)["rows"])
    assert len(found[0]) == 30  # two references, three samplers, five modes
    assert [row for row in found[0] if row["sampler"] != "gp"] == found[1]
    for row in found[0]:
        means = [mean for mean, _ in row["hypervolume"].values()]
        assert means == sorted(means) and means[0] == 0 < means[-1] <= 1
        assert row["trials"] == 6 if row["mode"] == "none" else row["trials"] > 6


def test_who_trains_all_networks_has_the_whole_hypervolume(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    options = ("--seeds", 2, "--trials", CURVES - 1, "--samplers", "random")
    called(monkeypatch, "--data", table, *options, "--json")
    none = json.loads(capsys.readouterr().out)["rows"][0]
    assert none["hypervolume"][str((CURVES - 1) * EPOCHS)] == [pytest.approx(1), pytest.approx(0)]
    called(monkeypatch, "--data", table, *options)
    assert "random: best" in capsys.readouterr().out
