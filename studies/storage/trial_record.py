"""The attributes of a trial in the storage, and what can be read from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.config.limits import Cost
from skipsearch.studies.config.schema import COSTS

# What the bridge writes into `trial.user_attrs`, in the order of the table.
SPREAD = ("val_error_sd", "val_errors")  # of a finished trial's seeds, where it has several


FACTS = ("params", "macs", "latency_ms", "epochs", "max_epochs", "seconds")


NOTES = ("identity", "duplicate_of", "checkpoint", "node", "why")


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


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


@dataclass(frozen=True)
class Verdict:
    """How a trial ended. `constraints` are violations: all ≤ 0 for a feasible one."""

    state: TrialState
    why: str
    constraints: list[float]
    values: list[float] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "state": self.state.name,
            "why": self.why,
            "constraints": self.constraints,
            "values": self.values,
        }

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> "Verdict":
        state = TrialState[flat["state"]]
        return cls(state, flat["why"], flat["constraints"], flat["values"])


def attempts_at(trial: FrozenTrial) -> int:
    """How often a trial was begun at the epoch where it is."""
    facts = trial.user_attrs
    return int(facts["attempts"]) if facts.get("attached_at") == (trial.last_step or 0) else 0


def undone(trial: FrozenTrial) -> bool:
    """Neither trained nor refused yet (an abandoned one is asked for again)."""
    return trial.state in (TrialState.WAITING, TrialState.PRUNED)


def cost_of(facts: Mapping[str, Any]) -> Cost:
    """Of a trial that was described before."""
    latency = facts.get("latency_ms")
    return Cost(facts["identity"], facts["params"], facts["macs"], latency)
