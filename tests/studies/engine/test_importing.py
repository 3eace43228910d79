"""Trials of an earlier study that become points of a new one."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.results.front import front_records, front_trials
from skipsearch.studies.results.summary import summarize
from skipsearch.studies.results.trial_table import trials
from skipsearch.studies.storage.find import source_of
from skipsearch.studies.storage.trial_record import is_imported
from skipsearch.studies.terminal.front import counts_line
from skipsearch.studies.terminal.progress import notices
from tests.support.kills import Killed, killed_at, outcome, violations
from tests.support.tabulated_training import ByNetwork, Silent, charged, study_of

SPACE = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))


def plan(name: str, count: int, **more: Any) -> StudyConfig:
    """Up to 16 networks, which differ in their depth alone."""
    depth = more.pop("blocks", [1, 2, 3, 4])
    space = {**SPACE, "blocks.1": depth, "blocks.2": depth}
    given = {"concurrency": 1, "sampler": "random", "pruner": "none", "epochs": 3}
    return study_of(name=name, trials=count, space=space, **{**given, **more})


def train(config: StudyConfig, folder: Path, *imports: str) -> optuna.Study:
    return run(
        config,
        folder=folder / config.name,
        observer=Silent(),
        in_process=True,
        begin=ByNetwork,
        imports=[source_of(name, folder=folder) for name in imports],
    )


def told(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [t for t in study.trials if is_imported(t)]


def test_what_agrees_is_told_as_it_ended_and_neither_trained_nor_paid(tmp_path: Path) -> None:
    base = train(plan("base", 5), tmp_path)
    config = plan("next", 2)
    done = train(config, tmp_path, "base")
    assert done.user_attrs["imports"][0]["told"] == len(told(done)) == 5
    by_name = {f"base#{t.number}": t for t in charged(base)}
    assert {t.user_attrs["imported"] for t in told(done)} == set(by_name)
    for trial in told(done):
        earlier = by_name[trial.user_attrs["imported"]]
        assert (trial.state, trial.values) == (TrialState.COMPLETE, earlier.values)
        assert trial.intermediate_values == earlier.intermediate_values
        assert trial.params == earlier.params and max(trial.constraints.values()) <= 0
        assert not (tmp_path / "next" / "trials" / str(trial.number)).exists()
    assert not violations(config, done, tmp_path / "next")
    keys = [t.user_attrs["identity"] for t in [*charged(done), *told(done)]]
    assert len(set(keys)) == 7
    assert min(t.number for t in charged(done)) > max(t.number for t in told(done))
    summary = summarize(done)
    assert summary.charged == 2 and summary.counts["complete"] == 7
    assert counts_line(summary) == "2 of 2 trials: 7 complete, 5 of them imported"
    on_front = [r for r in front_records(done) if "imported" in r]
    assert on_front and list(trials(done)["imported"].dropna()) == sorted(by_name)
    assert notices(done) == ["imported base: 5 told as trained, 0 trained first, 0 skipped"]


def test_importing_again_imports_what_is_new_alone(tmp_path: Path) -> None:
    train(plan("base", 3), tmp_path)
    train(plan("next", 2), tmp_path, "base")
    train(plan("base", 5), tmp_path)
    again = train(plan("next", 2), tmp_path, "base")
    assert len(told(again)) + len({t.user_attrs["identity"] for t in charged(again)}) <= 7
    names = [t.user_attrs["imported"] for t in told(again)]
    assert len(set(names)) == len(names) >= 3
    assert again.user_attrs["imports"][0]["skipped"]["imported before"] == 3
    count = len(again.trials)
    assert len(train(plan("next", 2), tmp_path).trials) == count


def test_the_front_of_a_study_with_another_recipe_is_trained_first(tmp_path: Path) -> None:
    base = train(plan("base", 4), tmp_path)
    front = {f"base#{t.number}" for t in front_trials(base)}
    config = plan("next", 5, epochs=4)
    done = train(config, tmp_path, "base")
    assert not told(done) and not violations(config, done, tmp_path / "next")
    first = charged(done)[: len(front)]
    assert {t.user_attrs["baseline"] for t in first} == front
    assert all(t.user_attrs["recipe"]["epochs"] == 4 == t.last_step for t in first)
    (record,) = done.user_attrs["imports"]
    assert record["first"] == len(front)
    assert record["skipped"] == ({"with another recipe": 4 - len(front)} if len(front) < 4 else {})


def test_other_images_another_space_and_limits_are_told_apart(tmp_path: Path) -> None:
    base = train(plan("base", 6), tmp_path)
    costs = sorted(t.user_attrs["params"] for t in charged(base))
    outside = [t for t in charged(base) if {t.params["blocks.1"], t.params["blocks.2"]} - {1, 2, 3}]
    done = train(plan("next", 1, blocks=[1, 2, 3]), tmp_path, "base")
    assert done.user_attrs["imports"][0]["skipped"].get("not in the space", 0) == len(outside)
    small = train(plan("small", 1, limits={"params": costs[2]}), tmp_path, "base")
    assert small.user_attrs["imports"][0]["skipped"] == {"over a limit": 3}
    other = train(plan("other", 1, seed=1), tmp_path, "base")
    assert not told(other)
    assert set(other.user_attrs["imports"][0]["skipped"]) <= {"on other images"}


def test_stopped_trials_are_told_where_the_same_rule_stops(tmp_path: Path) -> None:
    rule = {"pruner": "asha", "epochs": 9}
    base = train(plan("base", 8, **rule), tmp_path)
    stopped = [t for t in charged(base) if t.state == TrialState.PRUNED]
    same = train(plan("same", 1, **rule), tmp_path, "base")
    assert len(told(same)) == 8 and stopped
    for trial in (t for t in told(same) if t.state == TrialState.PRUNED):
        assert trial.intermediate_values and 0 < max(trial.constraints.values()) < 1
    other = train(plan("other", 1, **{**rule, "pruner": "none"}), tmp_path, "base")
    assert {t.state for t in told(other)} == {TrialState.COMPLETE}
    skipped = other.user_attrs["imports"][0]["skipped"]
    assert skipped == {"stopped by another rule": len(stopped)}


def test_an_import_that_is_killed_anywhere_goes_on_without_being_asked_for(tmp_path: Path) -> None:
    """One study whose trials are told, one whose front is trained first."""
    train(plan("base", 2), tmp_path)
    train(plan("longer", 2, epochs=2), tmp_path)

    def begun(folder: Path, *imports: str) -> optuna.Study:
        return run(
            config,
            folder=folder,
            observer=Silent(),
            in_process=True,
            begin=ByNetwork,
            imports=[source_of(name, folder=tmp_path) for name in imports],
        )

    config, remembered = plan("next", 3, deterministic=True), 0
    whole = begun(tmp_path / "whole", "base", "longer")
    for statement in range(18, 110, 24):
        folder = tmp_path / str(statement)
        with killed_at("before", statement), pytest.raises(Killed):
            begun(folder, "base", "longer")
        left = optuna.load_study(study_name="next", storage=f"sqlite:///{folder / 'study.db'}")
        records = left.user_attrs.get("imports", [])
        remembered += not all(record["done"] for record in records)
        done = begun(folder) if records else begun(folder, "base", "longer")
        assert not violations(config, done, folder), f"killed at statement {statement}"
        assert outcome(done) == outcome(whole), f"killed at statement {statement}"
        names = [t.user_attrs["imported"] for t in told(done)]
        assert names == [t.user_attrs["imported"] for t in told(whole)]
    assert remembered > 1
    url = f"sqlite:///{tmp_path / 'gone.db'}"
    whole.set_user_attr("imports", [{"study": "gone", "url": url, "done": False}])
    with pytest.raises(ValueError, match=r"import of study gone was begun .*: put it back and run"):
        begun(tmp_path / "whole")


def test_a_study_to_import_is_named_as_anywhere_else_or_by_its_storage(tmp_path: Path) -> None:
    train(plan("base", 1), tmp_path)
    url = f"sqlite:///{tmp_path / 'base' / 'study.db'}"
    for name in ("base", str(tmp_path / "base"), f"{url}#base"):
        assert source_of(name, folder=tmp_path) == ("base", url)
    assert source_of("base", folder=tmp_path / "elsewhere", storage=url) == ("base", url)
    for name, message in (
        ("bass", "nearest: base"),
        (url, "must be STUDY or URL#NAME"),
        (f"sqlite:///{tmp_path / 'none' / 'study.db'}#base", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            source_of(name, folder=tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="study base cannot import itself"):
        train(plan("base", 1), tmp_path, "base")
