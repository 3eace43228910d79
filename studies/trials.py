"""All trials of a study as one table: a row a trial, columns that a reader understands."""

from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.config.schema import COSTS

# What the bridge writes into `trial.user_attrs`, in the order of the table.
SPREAD = ("val_error_sd", "val_errors")  # of a finished trial's seeds, where it has several
FACTS = ("params", "macs", "latency_ms", "epochs", "max_epochs", "seconds")
NOTES = ("identity", "duplicate_of", "checkpoint", "node", "why")


def trials(study: optuna.Study) -> pd.DataFrame:
    """One row a trial, in the order in which they were asked for.

    `val_error` (0 to 1) is the error of the weights that a finished trial keeps and the last
    reported one of any other, after `epochs` of at most `max_epochs` epochs; `accuracy` is
    1 − val_error. With several seeds a trial it is their mean, `val_errors` has each and
    `val_error_sd` their sample standard deviation. The columns after the facts are the
    configuration: parameters of the architecture under their own names, those of the recipe with
    `recipe.` before them. What a trial does not have is empty (NA).
    """
    costs = cost_names(study)
    rows = [row(trial, costs) for trial in study.get_trials(deepcopy=False)]
    first = ["trial", "state", "baseline", "imported", "val_error", "accuracy", *SPREAD, *FACTS]
    table = pd.DataFrame(rows, columns=[*first, *_setting_names(rows, {*first, *NOTES}), *NOTES])
    if "latency_ms" not in costs and table["latency_ms"].isna().all():
        table = table.drop(columns="latency_ms")
    if table["val_error_sd"].isna().all():
        table = table.drop(columns=list(SPREAD))
    if table["imported"].isna().all():
        table = table.drop(columns="imported")
    return table.convert_dtypes()


def row(trial: FrozenTrial, costs: list[str]) -> dict[str, Any]:
    """One row of the table: the facts, then the configuration."""
    return facts(trial, costs) | settings(trial)


def facts(trial: FrozenTrial, costs: list[str]) -> dict[str, Any]:
    """What is known of a trial but for its configuration, None where it is not."""
    given, error = trial.user_attrs, val_error(trial)
    measured = dict(zip(costs, (trial.values or [])[1:], strict=False))
    return {
        "trial": trial.number,
        "state": state_of(trial),
        "baseline": given.get("baseline"),
        "imported": given.get("imported"),
        "val_error": error,
        "accuracy": None if error is None else 1 - error,
        **{
            name: given.get(name) if trial.state == TrialState.COMPLETE else None for name in SPREAD
        },
        **{name: given.get(name, _number(measured.get(name))) for name in FACTS},
        "epochs": epochs(trial),
        **{name: given.get(name) for name in NOTES},
    }


def settings(trial: FrozenTrial) -> dict[str, Any]:
    """The flat configuration of a trial: its architecture, then `recipe.…`."""
    recipe = trial.user_attrs.get("recipe", {})
    named = {n if n.startswith("recipe.") else f"recipe.{n}": v for n, v in recipe.items()}
    return {**trial.user_attrs.get("arch", {}), **named}


def val_error(trial: FrozenTrial) -> float | None:
    """The error of the weights that a finished trial keeps, else the last one reported, else None
    (nothing was trained)."""
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    step = trial.last_step
    return None if step is None else float(trial.intermediate_values[step])


def epochs(trial: FrozenTrial) -> int:
    """Epochs trained so far."""
    return int(trial.user_attrs.get("epochs", trial.last_step or 0))


def state_of(trial: FrozenTrial) -> str:
    """The state in words; a pruned trial was stopped early, or never trained (over a limit)."""
    match trial.state:
        case TrialState.COMPLETE:
            return "complete"
        case TrialState.PRUNED:
            return "stopped early" if trial.intermediate_values else "not trained"
        case TrialState.FAIL:
            return "failed"
        case TrialState.RUNNING:
            return "running"
        case TrialState.WAITING:
            return "waiting"


def is_full(trial: FrozenTrial) -> bool:
    """True for a trial whose training came to its end (all its epochs, or the end that its recipe
    set) and that keeps all limits.

    Only these are compared with one another: an error on the way there is no result."""
    return trial.state == TrialState.COMPLETE and all(
        violation <= 0 for violation in trial.constraints.values()
    )


def is_imported(trial: FrozenTrial) -> bool:
    """Told as it ended in an earlier study: neither trained nor paid for here."""
    return "imported" in trial.user_attrs and "baseline" not in trial.user_attrs


def baseline_numbers(study: optuna.Study) -> dict[str, int]:
    """The trials that trained presets or arch files, by the names of these."""
    return {
        t.user_attrs["baseline"]: t.number
        for t in study.get_trials(deepcopy=False)
        if "baseline" in t.user_attrs and "charged" in t.user_attrs
    }


def objective_names(study: optuna.Study) -> list[str]:
    """The names of the objectives, `val_error` first."""
    return list(study.metric_names or ["val_error", *COSTS][: len(study.directions)])


def cost_names(study: optuna.Study) -> list[str]:
    return objective_names(study)[1:]


def _setting_names(rows: list[dict[str, Any]], others: set[str]) -> list[str]:
    """The names of all settings, those of one choice together, the recipe last."""
    names = list(dict.fromkeys(name for r in rows for name in r if name not in others))
    firsts = list(dict.fromkeys(name.partition(".")[0] for name in names))
    firsts.sort(key=lambda first: first == "recipe")
    return sorted(names, key=lambda name: firsts.index(name.partition(".")[0]))


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value
