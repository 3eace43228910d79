"""The table of trials."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from skipsearch.studies.results.trial_table import trials
from skipsearch.studies.storage.trial_record import is_full, state_of
from tests.support.fake_study import EPOCHS, make_study


def test_a_row_holds_the_facts_and_the_whole_configuration_of_its_trial() -> None:
    study = make_study(30)
    table = trials(study).set_index("trial")
    for trial in study.trials:
        row = table.loc[trial.number]
        assert row["params"] == trial.user_attrs["params"]
        assert row["epochs"] == trial.user_attrs["epochs"]
        for name, value in trial.user_attrs["arch"].items():
            assert row[name] == value
        assert row["recipe.lr"] == trial.user_attrs["recipe"]["recipe.lr"]


def test_the_error_of_a_stopped_trial_is_its_last_one_and_none_without_training() -> None:
    study = make_study(60)
    table = trials(study).set_index("trial")
    states = {state_of(t) for t in study.trials}
    assert states == {"complete", "stopped early", "not trained", "failed"}
    for trial in study.trials:
        error = table.loc[trial.number, "val_error"]
        if trial.state == TrialState.COMPLETE:
            assert error == trial.values[0]
        elif trial.intermediate_values:
            assert error == trial.intermediate_values[trial.last_step]
        else:
            assert table["val_error"].isna()[trial.number]


def test_accuracy_stands_beside_the_error() -> None:
    table = trials(make_study(20)).dropna(subset="val_error")
    assert (table["accuracy"] + table["val_error"] - 1).abs().max() < 1e-12


def test_settings_of_one_choice_stand_together_and_the_recipe_last() -> None:
    names = list(trials(make_study(40)).columns)
    shortcut = [i for i, name in enumerate(names) if name.split(".")[0] == "shortcut"]
    assert shortcut == list(range(shortcut[0], shortcut[-1] + 1))
    assert names.index("recipe.lr") > max(names.index("gate"), shortcut[-1])


def test_a_study_without_trials_is_an_empty_table_with_its_columns() -> None:
    table = trials(optuna.create_study(directions=["minimize", "minimize"]))
    assert len(table) == 0
    assert {"trial", "state", "val_error", "params", "macs"} <= set(table.columns)


@pytest.mark.parametrize(
    ("state", "epochs", "constraints", "full"),
    [
        (TrialState.COMPLETE, EPOCHS, {"0": 0.0}, True),
        (TrialState.COMPLETE, EPOCHS - 1, {"0": 0.0}, True),  # its recipe ended it early
        (TrialState.COMPLETE, EPOCHS, {"0": 0.1}, False),
        (TrialState.PRUNED, EPOCHS - 1, {"0": 0.1}, False),
    ],
)
def test_only_a_feasible_trial_whose_training_came_to_its_end_is_full(
    state: TrialState, epochs: int, constraints: dict[str, float], full: bool
) -> None:
    facts = {"epochs": epochs, "max_epochs": EPOCHS}
    values = [0.1, 1e5] if state == TrialState.COMPLETE else None
    trial = create_trial(state=state, values=values, user_attrs=facts, constraints=constraints)
    assert is_full(trial) is full
