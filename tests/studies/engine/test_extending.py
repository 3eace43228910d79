"""A study that is continued with another file: what differs, and what it may become."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.joint_space import space_hash
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.extend_study import extend
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.storage.store import Store
from skipsearch.studies.terminal.progress import notices
from tests.support.kills import Killed, killed_at
from tests.support.tabulated_training import ByNetwork, Silent, charged, study_of

SPACE: dict[str, Any] = {
    name: value
    for name, value in encode(Arch(stages=2, blocks=(1, 1), stem_channels=8)).items()
    if not name.startswith(("shortcut.", "blocks."))
} | {"blocks": 1, "shortcut": ["none", "sum"]}


def plan(trials: int = 3, *, space: dict[str, Any] | None = None, **more: Any) -> StudyConfig:
    given = {"concurrency": 1, "sampler": "random", "pruner": "none", "epochs": 2}
    return study_of(trials=trials, space={**SPACE, **(space or {})}, **{**given, **more})


def opened(config: StudyConfig, folder: Path, *, extend: bool = False) -> Store:
    url = f"sqlite:///{folder / 'study.db'}"
    return open_store(config, url, space_hash(config), extend=extend)


def train(config: StudyConfig, folder: Path, *, extend: bool = False) -> optuna.Study:
    return run(
        config, folder=folder, observer=Silent(), in_process=True, begin=ByNetwork, extend=extend
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"space": {"shortcut": ["none"]}}, "shortcut was none | sum, now none"),
        ({"space": {"blocks": [1, 2]}}, "blocks was 1, now 1 | 2"),
        ({"space": {"blocks.1": 2}}, "blocks.1 was 1, now 2"),
        (
            {"recipe": {"lr": {"low": 0.1, "high": 0.2}}},
            "recipe.lr was 0.01, now 0.1 … 0.2, log",
        ),
        (
            {"objectives": ["val_error", "macs"]},
            '[study] objectives was ["val_error", "params"], now ["val_error", "macs"]',
        ),
        ({"limits": {"params": 9e6}}, "[limits] params was not given, now 9000000.0"),
        ({"epochs": 4}, "[study] epochs was 2, now 4"),
    ],
)
def test_a_changed_study_is_refused_with_the_difference_and_what_to_do(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    opened(plan(), tmp_path)
    with pytest.raises(ValueError) as caught:
        opened(plan(**changes), tmp_path)
    grown = "" if line.startswith("[study]") else "go on with it by --extend, "
    assert str(caught.value) == (
        f"tabulated.toml is not the study that was begun: {line}: put it back, {grown}or "
        "give the study another name and start that with --import tabulated"
    )


def test_other_words_for_the_same_space_are_no_difference(tmp_path: Path) -> None:
    opened(plan(space={"blocks": [1]}), tmp_path)
    opened(plan(space={"stages": [2], "blocks": 1}), tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"space": {"shortcut": ["none", "sum", "concat"]}},
            r"shortcut was none \| sum, now none \| sum \| concat "
            r"\(Optuna forbids other choices under one name\)",
        ),
        ({"objectives": ["val_error", "macs"]}, "its trials have values of the old ones"),
        ({"seed": 1}, r"seed was 0, now 1 \(results of before and after could not be compared\)"),
        ({"limits": {"params": 10}}, r"params was not given, now 10 \(trial 0 does not keep it\)"),
        ({"limits": {"latency_ms": 1e6}}, "trial 0 does not keep it"),
    ],
)
def test_what_cannot_be_extended_is_named_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    store = opened(plan(), tmp_path)
    trial = store.study.ask()
    trial.suggest_categorical("shortcut", ["none", "sum"])
    store.note(trial, charged=True, params=1000, macs=1000)
    with pytest.raises(ValueError, match=reason) as caught:
        opened(plan(**changes), tmp_path, extend=True)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(
        "give the study another name and start that with --import tabulated"
    )


def test_choices_that_no_trial_has_drawn_may_grow(tmp_path: Path) -> None:
    opened(plan(), tmp_path)
    opened(plan(space={"shortcut": ["none", "sum", "concat"]}), tmp_path, extend=True)


def test_a_sampler_draws_from_the_grown_range(tmp_path: Path) -> None:
    """TPE would go on drawing from the first range that it saw of a name."""
    narrow = {"lr": {"low": 0.1, "high": 0.11}}
    train(plan(11, sampler="tpe", recipe=narrow), tmp_path)
    wide = {"lr": {"low": 0.1, "high": 1.0}, "weight_decay": [0.0001, 0.0005]}
    config = plan(16, sampler="tpe", recipe=wide, baselines={"presets": ["cnntention/resnet20"]})
    done = train(config, tmp_path, extend=True)
    new = charged(done)[11:]
    assert len(new) == 5 and new[0].user_attrs["baseline"] == "cnntention/resnet20"
    drawn = [t.user_attrs["recipe"]["lr"] for t in new]
    assert max(drawn) > 0.11 and all(0.1 <= lr <= 1 for lr in drawn)
    assert {t.params["recipe.weight_decay"] for t in new} <= {0.0001, 0.0005}
    (record,) = done.user_attrs["extended"]
    assert "@" in record["who"] and record["outside"] == 0
    assert "recipe.lr was 0.1 … 0.11, log, now 0.1 … 1, log" in record["what"]
    assert done.user_attrs["study"] == config.to_dict()
    assert "high = 1.0" in (tmp_path / "study.toml").read_text()


def test_trials_outside_of_a_shrunk_range_stay_and_are_counted(tmp_path: Path) -> None:
    wide = {"lr": {"low": 0.05, "high": 0.5}}
    before = train(plan(11, sampler="tpe", recipe=wide), tmp_path)
    config = plan(13, sampler="tpe", recipe={"lr": {"low": 0.2, "high": 0.3}})
    done = train(config, tmp_path, extend=True)
    drawn = [t.user_attrs["recipe"]["lr"] for t in charged(done)]
    assert all(0.2 <= lr <= 0.3 for lr in drawn[11:])
    assert [t.values for t in charged(done)[:11]] == [t.values for t in charged(before)]
    outside = sum(not 0.2 <= lr <= 0.3 for lr in drawn[:11])
    assert outside and notices(done)[0].endswith(
        f"; {outside} earlier trials lie outside of it and stay"
    )
    again = train(config, tmp_path)
    assert len(again.trials) == len(done.trials) and notices(again) == []


def test_a_looser_limit_lets_in_what_was_refused(tmp_path: Path) -> None:
    space = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8)) | {"blocks.2": [1, 2, 3, 4]}
    config = plan(4, space=space, limits={"params": 30_000})
    before = train(config, tmp_path)
    done = train(plan(4, space=space, limits={"params": 10**9}), tmp_path, extend=True)
    assert len(charged(before)) < 4 == len(charged(done))
    with pytest.raises(ValueError, match=r"params was 1000000000, now 30000 \(trial \d"):
        train(config, tmp_path, extend=True)


def test_an_extension_that_is_killed_anywhere_is_recorded_once(tmp_path: Path) -> None:
    config = plan(space={"blocks": [1, 2]}, baselines={"presets": ["as/resnet50"]})

    def extended(folder: Path) -> Store:
        store = opened(config, folder, extend=True)
        store.take_lease()
        extend(config, store, space_hash(config))
        store.release()
        return store

    statement, killed = 1, True
    while killed:
        folder = tmp_path / str(statement)
        folder.mkdir()
        opened(plan(), folder)
        with killed_at("before", statement):
            try:
                extended(folder)
                killed = False
            except Killed:
                statement += 1
        store = extended(folder)
        (record,) = store.study.user_attrs["extended"]
        assert "blocks was 1, now 1 | 2" in record["what"]
        assert '[baselines] presets was not given, now ["as/resnet50"]' in record["what"]
        assert opened(config, folder).study.user_attrs["study"] == config.to_dict()
    assert statement > 5
