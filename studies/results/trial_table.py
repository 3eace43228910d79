"""All trials of a study as one table with one row per trial."""

from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.storage.trial_record import (
    FACTS,
    NOTES,
    SPREAD,
    cost_names,
    facts,
    settings,
)

if TYPE_CHECKING:
    import pandas as pd


def trials(study: optuna.Study) -> "pd.DataFrame":
    """Return one row per trial, in the order in which they were asked for.

    `val_error` (0 to 1) is the error of the weights that a finished trial keeps, and the last
    reported error of any other, after `epochs` of at most `max_epochs` epochs; `accuracy` is
    1 − val_error. With several seeds per trial it is their mean, `val_errors` has each and
    `val_error_sd` is their sample standard deviation. The columns after the facts are the
    configuration: parameters of the architecture under their own names, those of the recipe with
    the prefix `recipe.`. A missing value is empty (NA).
    """
    import pandas as pd  # pandas and pyarrow would be half of the time that `status` needs to start

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
    """Return one row of the table: the facts, then the configuration."""
    return facts(trial, costs) | settings(trial)


def _setting_names(rows: list[dict[str, Any]], others: set[str]) -> list[str]:
    """Return the names of all settings, those of one choice together, the recipe last."""
    names = list(dict.fromkeys(name for r in rows for name in r if name not in others))
    firsts = list(dict.fromkeys(name.partition(".")[0] for name in names))
    firsts.sort(key=lambda first: first == "recipe")
    return sorted(names, key=lambda name: firsts.index(name.partition(".")[0]))
