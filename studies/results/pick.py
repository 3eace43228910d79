"""Pick one network of a study's front, by a rule and within limits.

| rule   | the trial                                                                            |
|--------|--------------------------------------------------------------------------------------|
| knee   | the best trade-off between error and costs (`front.knee`)                              |
| best   | the lowest validation error                                                          |
| one-se | the smallest whose error is within one standard error of the best (Breiman et al.,   |
|        | Classification and Regression Trees, 1984, section 3.4.3)                            |

Test errors never choose: of retrained seeds only the spread counts (the standard error of one-se).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from skipsearch.studies.config.schema import COSTS, known
from skipsearch.studies.results.front import full_trials, knee, members
from skipsearch.studies.results.retrained import results
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord, cost_names

RULES = ("knee", "best", "one-se")


@dataclass(frozen=True)
class StandardError:
    """The standard error of a trial's validation error, and the source of the estimate."""

    value: float
    source: str


def pick(study: optuna.Study, rule: str = "knee", limits: Mapping[str, float] = {}) -> FrozenTrial:
    """Return the trial that `rule` picks among the full trials within `limits`, which are upper
    bounds of costs (`{"params": 300_000}`).

    Raises ValueError for an unknown rule or limit, and if no trial qualifies.
    """
    known("pick", rule, RULES, "a rule")
    front = front_within(study, limits)
    best = front[0]
    if rule == "best":
        return best
    if rule == "one-se":
        most = best.values[0] + standard_error(study, best).value
        return min(
            (t for t in front if t.values[0] <= most), key=lambda t: (t.values[1:], t.values)
        )
    bend = best if len(front) == 1 else knee(front)
    if bend is None:
        raise ValueError(
            f"study {study.study_name} has no knee: none of the {len(front)} networks of its front"
            f"{within(limits)} is below the line between the ends; pick best or one-se"
        )
    return bend


def front_within(study: optuna.Study, limits: Mapping[str, float]) -> list[FrozenTrial]:
    """Return the front of the full trials within the limits, lowest error first.

    Raises ValueError if there is none.
    """
    for name in limits:
        known("limit", name, COSTS, "a cost")
    full = [t for t in full_trials(study) if TrialRecord.of(t).duplicate_of is None]
    if not full:
        raise ValueError(f"study {study.study_name} has no fully trained network to pick from yet")
    found = [t for t in full if all(cost_of(study, t, n) <= most for n, most in limits.items())]
    if not found:
        least = ", ".join(
            f"{name} {min(cost_of(study, t, name) for t in full):,.10g}" for name in limits
        )
        raise ValueError(
            f"study {study.study_name} has no fully trained network{within(limits)}; "
            f"the least of {len(full)}: {least}"
        )
    return members(found)


def cost_of(study: optuna.Study, trial: FrozenTrial, name: str) -> float:
    """Return a cost of a full trial. Raises ValueError if it was not measured."""
    costs: Sequence[str] = cost_names(study)
    if (measured := TrialRecord.of(trial).measured(name)) is not None:
        return float(measured)
    if name in costs:
        return float(trial.values[1 + costs.index(name)])
    raise ValueError(
        f"study {study.study_name} has not measured {name}: limit one of "
        f"{', '.join({n: n for n in (*costs, 'params', 'macs')})}"
    )


def standard_error(study: optuna.Study, trial: FrozenTrial) -> StandardError:
    """Estimate the standard error of a trial's validation error, from the best source available:

    its own seeds (their standard deviation / √n), else retrained seeds (their standard deviation,
    since the validation error comes from a single training), else the binomial √(e (1 − e) / n) of
    n validation images.
    """
    record = TrialRecord.of(trial)
    n = len(record.val_errors or ())
    if n > 1:
        value = record[TrialRecord.val_error_sd] / math.sqrt(n)
        return StandardError(value, f"the validation errors of its {n} seeds")
    retrained = results(study).get(trial.number)
    if retrained is not None and retrained.n > 1:
        return StandardError(retrained.sd, f"the test errors of {retrained.n} retrained seeds")
    images = (StudyRecord.of(study).data or {}).get("validation")
    if images is None:
        raise ValueError(
            f"study {study.study_name} does not say how many validation images it has, so that "
            "one-se has no standard error: pick best or knee"
        )
    error = float(trial.values[0])
    value = math.sqrt(error * (1 - error) / images)
    return StandardError(value, f"the binomial of {images:,} validation images")


def within(limits: Mapping[str, float]) -> str:
    """Format limits as ` within params ≤ 300,000`; an empty text without limits."""
    told = ", ".join(f"{name} ≤ {most:,.10g}" for name, most in limits.items())
    return f" within {told}" if told else ""
