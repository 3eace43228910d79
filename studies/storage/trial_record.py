"""The attributes of a trial in the storage, declared, and what can be read from them."""

from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.studies.config.limits import Cost
from skipsearch.studies.config.schema import COSTS
from skipsearch.studies.storage.record import ArchAttribute, Attribute, Flat, Record
from skipsearch.studies.storage.verdict import Kind, Verdict, kind_in_text


class TrialRecord(Record):
    """All attributes of a trial, in the order in which they are written.

    Errors are parts of the images, 0 to 1. Written by the driver through `Store.note`, those that
    a group names with it in one transaction.
    """

    __slots__ = ()

    # When it is enqueued (engine/baselines.py) or imported (engine/import_trials.py).
    baseline = Attribute[str]("name of the preset, arch file or imported trial that it trains")
    imported = Attribute[str]("the trial of an earlier study that it comes from, STUDY#NUMBER")

    # When it is proposed (engine/searcher.py).
    arch = ArchAttribute("the architecture: its parameters by their names")
    recipe = Attribute[Flat]("the recipe, likewise")
    identity = Attribute[str]("hash of the network; equal networks have one whatever their names")
    params = Attribute[int]("trainable parameters")
    macs = Attribute[int]("multiply-accumulates per image")
    latency_ms = Attribute[float](
        "milliseconds per image; only where it is an objective or limited"
    )
    mutated = Attribute[bool]("True for a neighbour of what the sampler proposed, which repeated")
    duplicate_of = Attribute[int]("number of the trial that trained the same; of a repeat only")

    # When it is first handed to a worker (engine/searcher.py); the counters also with each attempt
    # (engine/searcher.py, executors/serial.py, executors/ray_callback.py).
    seed = Attribute[int]("random seed of its training, the first of several")
    max_epochs = Attribute[int]("epochs of its full training")
    attempts = Attribute[int]("how often it was begun at epoch `attached_at`")
    attached_at = Attribute[int]("the last epoch that was there when it was begun, 0 at first")
    charged = Attribute[bool]("True: it counts against the budget of trials")

    # With each epoch's report (pruning/trial_reports.py, retraining/retrainer.py).
    node = Attribute[str]("host name of the worker")
    pid = Attribute[int]("process number of the worker")
    epochs = Attribute[int]("epochs trained so far")
    fidelity = Attribute[float]("part of its full training so far, 0 to 1")
    seconds = Attribute[float]("seconds of training so far")
    checkpoint = Attribute[str]("path or URI of its newest checkpoint")
    val_errors = Attribute[list[float]]("validation error of each seed, where it has several")
    val_error_sd = Attribute[float]("sample standard deviation of `val_errors`")

    # When it pauses at a rung and when it is promoted (pruning/promotion.py).
    parked = Attribute[int]("epoch of the rung at which it is paused, 0 once it was promoted")

    # When it ends (`Store.decide`); `why` also when an attempt is lost, with its cause.
    why = Attribute[str]("reason of its end in words, for people; code reads the verdict's kind")
    verdict = Attribute[dict[str, Any]]("`Verdict.to_dict`: how it ended")
    judged = Attribute[bool]("imported: whether the earlier study pruned by the same rule")

    # Of a retraining, with `arch` to `macs` and `seed` to `charged`, in one transaction
    # (retraining/retrainer.py); there is no other proposal, and no `max_epochs`.
    system = Attribute[str]("number of the search's trial, or name of a preset or an arch file")
    seed_number = Attribute[int]("which of its seeds, from 0: the seed of the search")
    epochs_asked = Attribute[int]("epochs of its recipe")
    test_loss = Attribute[float]("loss on the test images, with the last report")

    @classmethod
    def of(cls, trial: FrozenTrial | optuna.Trial) -> "TrialRecord":
        """View a trial's attributes. A record is read at once and not kept: a later write gives the
        trial another dictionary.
        """
        return cls(trial.user_attrs)

    @property
    def cost(self) -> Cost:
        """Identity and costs. Raises KeyError where the trial was given up before it had them."""
        identity = self[TrialRecord.identity]
        params, macs = self[TrialRecord.params], self[TrialRecord.macs]
        return Cost(identity, params, macs, self.latency_ms)

    def measured(self, name: str) -> float | None:
        """One of the costs `params`, `macs`, `latency_ms`; None where it was not measured."""
        value: float | None = self.attributes.get(name)
        return value

    def costs(self, names: Iterable[str]) -> tuple[float, ...]:
        """Several of them. Raises KeyError where one was not measured."""
        return tuple(float(self.attributes[name]) for name in names)


# Columns of the table of trials, in its order.
SPREAD = ("val_error_sd", "val_errors")  # of a finished trial's seeds, where it has several
FACTS = ("params", "macs", "latency_ms", "epochs", "max_epochs", "seconds")
NOTES = ("identity", "duplicate_of", "checkpoint", "node", "why")


def facts(trial: FrozenTrial, costs: list[str]) -> dict[str, Any]:
    """Return a trial's row in the table of trials, without its configuration; None if unknown."""
    given, error = TrialRecord.of(trial).attributes, val_error(trial)
    measured = dict(zip(costs, (trial.values or [])[1:], strict=False))
    return {
        "trial": trial.number,
        "state": state_of(trial),
        "baseline": given.get("baseline"),
        "imported": given.get("imported"),
        "val_error": error,
        "accuracy": None if error is None else 1 - error,
        **{n: given.get(n) if trial.state == TrialState.COMPLETE else None for n in SPREAD},
        **{name: given.get(name, _number(measured.get(name))) for name in FACTS},
        "epochs": epochs(trial),
        **{name: given.get(name) for name in NOTES},
    }


def settings(trial: FrozenTrial) -> dict[str, Any]:
    """The flat configuration of a trial: its architecture, then `recipe.…`."""
    record = TrialRecord.of(trial)
    recipe = record.recipe or {}
    named = {n if n.startswith("recipe.") else f"recipe.{n}": v for n, v in recipe.items()}
    return {**(record.arch or {}), **named}


def val_error(trial: FrozenTrial) -> float | None:
    """The error of the weights that a finished trial keeps, else the last one reported, else None
    (nothing was trained).
    """
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    step = trial.last_step
    return None if step is None else float(trial.intermediate_values[step])


def epochs(trial: FrozenTrial) -> int:
    """Epochs trained so far."""
    trained = TrialRecord.of(trial).epochs
    return int((trial.last_step or 0) if trained is None else trained)


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

    Only these are compared with one another: an error on the way there is no result.
    """
    return trial.state == TrialState.COMPLETE and all(
        violation <= 0 for violation in trial.constraints.values()
    )


def is_imported(trial: FrozenTrial) -> bool:
    """Told as it ended in an earlier study: neither trained nor paid for here."""
    record = TrialRecord.of(trial)
    return record.imported is not None and record.baseline is None


def is_trained(trial: FrozenTrial) -> bool:
    """True for a trial that a worker trained, here or in the study that it was imported from."""
    return bool(TrialRecord.of(trial).charged) or is_imported(trial)


def kind_of(trial: FrozenTrial) -> Kind | None:
    """The kind of a trial's end, whichever version wrote it; None before it has ended."""
    if not trial.state.is_finished():
        return None
    record = TrialRecord.of(trial)
    if record.verdict is not None:
        return Verdict.from_dict(record.verdict).kind
    return kind_in_text(trial.state, record.why or "")


def baseline_numbers(study: optuna.Study) -> dict[str, int]:
    """The trials that trained presets or arch files, by the names of these."""
    records = ((t.number, TrialRecord.of(t)) for t in study.get_trials(deepcopy=False))
    return {one.baseline: n for n, one in records if one.baseline is not None and one.charged}


def objective_names(study: optuna.Study) -> list[str]:
    """The names of the objectives, `val_error` first."""
    return list(study.metric_names or ["val_error", *COSTS][: len(study.directions)])


def cost_names(study: optuna.Study) -> list[str]:
    """Return the names of the objectives after `val_error`."""
    return objective_names(study)[1:]


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def attempts_at(trial: FrozenTrial) -> int:
    """Return how many attempts a trial has had at its present epoch."""
    record = TrialRecord.of(trial)
    here = record.attached_at == (trial.last_step or 0)
    return record[TrialRecord.attempts] if here else 0


def undone(trial: FrozenTrial) -> bool:
    """Neither trained nor refused yet (an abandoned one is asked for again)."""
    return trial.state in (TrialState.WAITING, TrialState.PRUNED)


def whole_trial(
    verdict: Verdict,
    attributes: Mapping[str, Any],
    *,
    params: Mapping[str, Scalar],
    distributions: Mapping[str, BaseDistribution],
    curve: Mapping[int, float],
) -> FrozenTrial:
    """A trial that has ended, to be added to a study in one transaction. `why` and `verdict` of its
    attributes are those of the verdict.
    """
    written = {**attributes, "why": verdict.why, "verdict": verdict.to_dict()}
    TrialRecord.require_declared(written)
    return create_trial(
        state=verdict.state,
        values=verdict.values,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=written,
        system_attrs={"constraints": verdict.constraints},
        intermediate_values=dict(curve),
    )
