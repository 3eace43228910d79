"""What trials say of their configurations: errors at full fidelity, known or estimated, and costs.

All values are base-10 logarithms, as the front's page draws them (`front.Scale`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.pareto import log_cost, log_error
from skipsearch.studies.storage.trial_record import TrialRecord, is_full


@dataclass(frozen=True)
class Observed:
    """`error` is None for one in training; `full` where it was trained to its end."""

    trial: FrozenTrial
    error: float | None
    costs: tuple[float, ...]
    full: bool


def observed(trials: Sequence[FrozenTrial], names: Sequence[str]) -> list[Observed]:
    """Those that were trained or are in training, with their costs `names`.

    One that was stopped would have come to what those that went on made of the same error after
    the same epochs (the median ratio); one that failed counts as the worst. A proposal that a dead
    driver left half-asked is none: its end is a failure that was never charged.
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
    """None where the trial was given up before they were known."""
    told = dict(zip(names, (trial.values or [])[1:], strict=False))
    record = TrialRecord.of(trial)
    costs = [told.get(n) if (c := record.measured(n)) is None else c for n in names]
    known = [cost for cost in costs if cost is not None]
    return log_costs(known) if trial.params and len(known) == len(names) else None


def log_costs(costs: Iterable[float]) -> tuple[float, ...]:
    return tuple(log_cost(float(cost)) for cost in costs)


def _error(trial: FrozenTrial, ends: Mapping[int, float]) -> float | None:
    if is_full(trial):
        return log_error(trial.values[0])
    step = trial.last_step
    if step is None or trial.state != TrialState.PRUNED:
        return None
    return log_error(trial.intermediate_values[step]) + ends.get(step, 0.0)


def _ends(full: Sequence[FrozenTrial]) -> dict[int, float]:
    """By how much errors still fall after each epoch: the median of those trained to the end."""
    falls: dict[int, list[float]] = {}
    for trial in full:
        for step, error in trial.intermediate_values.items():
            falls.setdefault(step, []).append(log_error(trial.values[0]) - log_error(error))
    return {step: median(values) for step, values in falls.items()}
