"""Observations for the surrogates: error at full fidelity, known or estimated, and costs by trial.

All values are base-10 logarithms, as the front's page draws them (`pareto.Scale`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.pareto import log_cost, log_error
from skipsearch.studies.storage.trial_record import TrialRecord, is_full


@dataclass(frozen=True)
class Observed:
    """A trial with its log error (None while it runs) and log costs; `full`: trained to its end."""

    trial: FrozenTrial
    error: float | None
    costs: tuple[float, ...]
    full: bool


def observed(trials: Sequence[FrozenTrial], names: Sequence[str]) -> list[Observed]:
    """Return the observations of all trials that were trained or are running, with costs `names`.

    A pruned trial's error is extrapolated: its last error times the median ratio of the final error
    to the error after as many epochs among full trials. A failed trial is given the worst error. A
    proposal that a dead driver left half-asked is skipped: it ends as an uncharged failure.
    """
    ends = _ends([t for t in trials if is_full(t)])
    errors = {t.number: _error(t, ends) for t in trials if t.state != TrialState.RUNNING}
    known = [error for error in errors.values() if error is not None]
    found = []
    for trial in trials:
        costs = costs_of(trial, names)
        error = errors.get(trial.number)
        if trial.state == TrialState.FAIL and TrialRecord.of(trial).charged and known:
            error = max(known)
        if costs is not None and (error is not None or trial.state == TrialState.RUNNING):
            found.append(Observed(trial, error, costs, is_full(trial)))
    return found


def costs_of(trial: FrozenTrial, names: Sequence[str]) -> tuple[float, ...] | None:
    """Return the log costs of a trial, or None if it was abandoned before they were known."""
    told = dict(zip(names, (trial.values or [])[1:], strict=False))
    record = TrialRecord.of(trial)
    costs = [told.get(n) if (c := record.measured(n)) is None else c for n in names]
    known = [cost for cost in costs if cost is not None]
    return log_costs(known) if trial.params and len(known) == len(names) else None


def log_costs(costs: Iterable[float]) -> tuple[float, ...]:
    """Return log10 of each cost."""
    return tuple(log_cost(float(cost)) for cost in costs)


def _error(trial: FrozenTrial, ends: Mapping[int, float]) -> float | None:
    if is_full(trial):
        return log_error(trial.values[0])
    step = trial.last_step
    if step is None or trial.state != TrialState.PRUNED:
        return None
    return log_error(trial.intermediate_values[step]) + ends.get(step, 0.0)


def _ends(full: Sequence[FrozenTrial]) -> dict[int, float]:
    """Median of (log final error − log error after the epoch) over full trials, by epoch."""
    falls: dict[int, list[float]] = {}
    for trial in full:
        for step, error in trial.intermediate_values.items():
            falls.setdefault(step, []).append(log_error(trial.values[0]) - log_error(error))
    return {step: median(values) for step, values in falls.items()}
