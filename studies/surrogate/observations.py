"""The knowledge of each trial: its costs, and its error or the forecast of it.

All values are base-10 logarithms, as the front's page draws them (`pareto.Scale`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.pareto import log_cost, log_error
from skipsearch.studies.storage.trial_record import TrialRecord, is_full
from skipsearch.studies.surrogate.forecast import Forecast

Curves = Mapping[int, Mapping[int, float]]  # by trial number: errors by epoch


@dataclass(frozen=True)
class Observed:
    """A trial with its log error (None before its first epoch), that error's variance, its log
    costs, and whether it was trained to its end.
    """

    trial: FrozenTrial
    error: float | None
    variance: float
    costs: tuple[float, ...]
    full: bool

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def training(self) -> bool:
        """True for a trial in training, False for one that ended or is paused."""
        return self.trial.state == TrialState.RUNNING and not TrialRecord.of(self.trial).parked


def observed(
    trials: Sequence[FrozenTrial],
    names: Sequence[str],
    epochs: int,
    newer: Curves,
    *,
    running: bool = True,
) -> list[Observed]:
    """Return the observations of all trials that were trained or are running.

    Parameters
    ----------
    names
        The costs.
    epochs
        Those of a whole training.
    newer
        Curves of running trials that are ahead of the storage.
    running
        False leaves out the errors of running trials, which depend on how fast the workers are.

    A failed trial is given the worst error. A proposal that a dead driver left half-asked is
    skipped: it ends as an uncharged failure.
    """
    curves = {t.number: newer.get(t.number) or t.intermediate_values for t in trials}
    full = [t for t in trials if is_full(t)]
    whole = [_whole(t, curves[t.number]) for t in full]
    forecast = Forecast([curve for curve in whole if curve], epochs)
    found, failed = [], []
    for trial in trials:
        costs = costs_of(trial, names)
        if costs is None:
            continue
        if trial.state == TrialState.FAIL:
            failed += [(trial, costs)] if TrialRecord.of(trial).charged else []
            continue
        told = None
        if running or trial.state != TrialState.RUNNING:
            told = _told(trial, curves[trial.number], forecast)
        if told is not None or trial.state == TrialState.RUNNING:
            error, sd = told or (None, 0.0)
            found.append(Observed(trial, error, sd**2, costs, is_full(trial)))
    known = [one.error for one in found if one.error is not None]
    if known:
        found += [Observed(trial, max(known), 0.0, costs, False) for trial, costs in failed]
    return sorted(found, key=lambda one: one.number)


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


def _told(
    trial: FrozenTrial, curve: Mapping[int, float], forecast: Forecast
) -> tuple[float, float] | None:
    if is_full(trial):
        return log_error(trial.values[0]), 0.0
    trained = trial.state in (TrialState.PRUNED, TrialState.RUNNING)
    if not trained or not curve:
        return None
    last = max(curve)
    return forecast(last, log_error(curve[last]))


def _whole(trial: FrozenTrial, curve: Mapping[int, float]) -> dict[int, float]:
    """Return the log curve of a whole training, which ends with the error that it keeps."""
    logs = {epoch: log_error(error) for epoch, error in curve.items()}
    return logs | {max(logs): log_error(trial.values[0])} if logs else {}
