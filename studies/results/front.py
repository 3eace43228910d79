"""The Pareto front of a study: its best networks, none of which is beaten in every objective.

Only trials trained to their end count (`trials.is_full`). Everything is minimised.
Both sweeps take O(n log n) for two or three objectives: 10,000 trials in a tenth of a second.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.pareto import Point, Scale, hypervolume, non_dominated
from skipsearch.studies.results.retrained import results
from skipsearch.studies.results.trial_table import trials
from skipsearch.studies.storage.trial_record import (
    TrialRecord,
    cost_names,
    epochs,
    facts,
    is_full,
    is_imported,
)

if TYPE_CHECKING:
    import pandas as pd


def front(study: optuna.Study) -> "pd.DataFrame":
    """The front as rows of the table of trials, lowest error first, with a column `knee`."""
    return frame_of(study, front_trials(study))


def frame_of(study: optuna.Study, found: Sequence[FrozenTrial]) -> "pd.DataFrame":
    """The same of a front that has been found."""
    best = knee(found)
    table = trials(study).set_index("trial", drop=False).loc[[t.number for t in found]]
    table.insert(2, "knee", [best is not None and t.number == best.number for t in found])
    unused = {c for c in table.columns if table[c].isna().all()} - {"baseline", "seconds"}
    return table.drop(columns=["state", *unused]).reset_index(drop=True)


def front_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials on the front, lowest error first.

    A copied verdict (`duplicate_of`) is shown by its original; different networks with equal
    values are all shown.
    """
    return members(study.get_trials(deepcopy=False))


def members(among: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The front of some trials, as if there were no others."""
    full = [t for t in among if is_full(t) and TrialRecord.of(t).duplicate_of is None]
    keep = non_dominated([tuple(t.values) for t in full])
    on_front = [t for t, kept in zip(full, keep, strict=True) if kept]
    return sorted(on_front, key=lambda t: (t.values, t.number))


def full_trials(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if is_full(t)]


def knee(found: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The front's point furthest below the line through its ends: the best bargain.

    Error and cost are scaled to 0…1 over the front first (`Scale`); the distance is then
    proportional to 1 − error − cost (Das 1999, doi:10.1007/s001580050111). Two costs count as their
    mean, since params and macs mostly rise together. None where no point is below the line.
    """

    def height(trial: FrozenTrial) -> float:
        error, *costs = scaled(tuple(trial.values))
        return error + sum(costs) / max(len(costs), 1)

    if len({tuple(trial.values) for trial in found}) < 3:
        return None
    scaled = Scale.over([tuple(t.values) for t in found])
    best = min(found, key=lambda t: (height(t), t.values, t.number))
    return best if height(best) < 1 - 1e-9 else None


def hypervolume_history(study: optuna.Study) -> "pd.DataFrame":
    """Columns `trial`, `ended` (trials ended so far, stopped ones included), `epochs` (that those
    were trained in this study), `hypervolume`: one row for each full trial in the order in which
    they ended.

    The hypervolume is the share (0 to 1) of the box between the best and the worst value that any
    trial had in each objective, on log scales (`Scale`); it is no measure between studies.
    """
    import pandas as pd

    ended = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    ended.sort(key=lambda t: (t.datetime_complete, t.number))
    trained = accumulate(spent(t) for t in ended)
    full = [
        reached for reached in zip(ended, count(1), trained, strict=False) if is_full(reached[0])
    ]
    rows, current, volume = [], list[Point](), 0.0
    scale = Scale.over(_all_points(ended, cost_names(study))) if full else None
    for trial, number, so_far in full:
        assert scale is not None
        scaled = scale(tuple(trial.values))
        if not any(all(a <= b for a, b in zip(p, scaled, strict=True)) for p in current):
            grown = [*current, scaled]
            current = [p for p, kept in zip(grown, non_dominated(grown), strict=True) if kept]
            volume = hypervolume(current, tuple(1.0 for _ in scaled))
        reached = {"ended": number, "epochs": so_far, "hypervolume": volume}
        rows.append({"trial": trial.number} | reached)
    return pd.DataFrame(rows, columns=["trial", "ended", "epochs", "hypervolume"])


def spent(trial: FrozenTrial) -> int:
    """Epochs trained in this study, of each of its seeds."""
    seeds = len(TrialRecord.of(trial).val_errors or ()) or 1
    return 0 if is_imported(trial) else seeds * epochs(trial)


def _all_points(ended: Sequence[FrozenTrial], costs: list[str]) -> list[Point]:
    """Last error and costs of all trials that have them, stopped ones included."""
    rows = (facts(trial, costs) for trial in ended)
    points = (tuple(known[name] for name in ("val_error", *costs)) for known in rows)
    return [point for point in points if None not in point]


def front_records(study: optuna.Study) -> list[dict[str, Any]]:
    """The front as plain records for JSON: facts, `knee`, and the flat `arch` and `recipe`; where
    retrained `test_error` (a mean), `test_error_sd` and `test_errors` (one a seed).
    """
    return records_of(study, front_trials(study))


def records_of(study: optuna.Study, found: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """The same of a front that has been found."""
    best, costs, retrained = knee(found), cost_names(study), results(study)
    records = []
    for trial in found:
        known = {k: v for k, v in facts(trial, costs).items() if v is not None and k != "state"}
        known["knee"] = best is not None and trial.number == best.number
        if (own := retrained.get(trial.number)) is not None:
            known |= {"test_error": own.mean, "test_errors": list(own.test_errors)}
            known |= {} if math.isnan(own.sd) else {"test_error_sd": own.sd}
        record = TrialRecord.of(trial)
        records.append(known | {"arch": record.arch or {}, "recipe": record.recipe or {}})
    return records
