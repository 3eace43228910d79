"""Verdict of a trial: the kind of its end, which code decides by, and the reason in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from optuna.trial import TrialState


class Kind(StrEnum):
    """The way in which a trial ended. Optuna has three states for it; kinds tell apart what a state
    mixes.
    """

    COMPLETE = "complete"  # trained to its end: all epochs, or where its recipe ended; has values
    PRUNED = "pruned"  # not among the best at a rung, or paused there when the budget was spent
    OVER_LIMIT = "over_limit"  # refused before training: the network exceeds a limit of the study
    DIVERGED = "diverged"  # stopped in training: its loss or error became nan or infinite
    TOO_LONG = "too_long"  # stopped in training: it took more than `max_trial_minutes`
    MISFIT = "misfit"  # refused before training: the network cannot be built for the images
    REPEAT = "repeat"  # not trained again: same network and recipe as an earlier trial
    FAILED = "failed"  # raised, lost its worker or reported no error (rate), once too often
    ABANDONED = "abandoned"  # left half-asked by a driver that died: not charged, asked for again

    @property
    def state(self) -> TrialState:
        """The state under which Optuna is told."""
        match self:
            case Kind.COMPLETE:
                return TrialState.COMPLETE
            case Kind.FAILED | Kind.ABANDONED:
                return TrialState.FAIL
            case _:
                return TrialState.PRUNED


ABANDONED = "abandoned by its driver"

# How `why` began, by kind, in verdicts that were written before they had one. "asha: epoch 3" is
# of the first version, the rest as today.
PRUNED_TEXTS = {
    "not among the best after epoch ": Kind.PRUNED,
    "asha: epoch ": Kind.PRUNED,
    "over limit: ": Kind.OVER_LIMIT,
    "diverged: ": Kind.DIVERGED,
    "took more than ": Kind.TOO_LONG,
    "does not fit: ": Kind.MISFIT,
    "repeats trial ": Kind.REPEAT,
}


def kind_in_text(state: TrialState, why: str) -> Kind:
    """The kind of an end that an older version stored: its state, and its reason in words.

    The state goes first, since a failure's text is whatever was raised. A pruned trial with an
    unknown text counts as a misfit, from which nothing is concluded.
    """
    match state:
        case TrialState.COMPLETE:
            return Kind.COMPLETE
        case TrialState.FAIL:
            return Kind.ABANDONED if why == ABANDONED else Kind.FAILED
        case TrialState.PRUNED:
            kinds = (kind for start, kind in PRUNED_TEXTS.items() if why.startswith(start))
            return next(kinds, Kind.MISFIT)
        case TrialState.RUNNING | TrialState.WAITING:
            raise ValueError(f"a trial that is {state.name.lower()} has no verdict")


@dataclass(frozen=True)
class Verdict:
    """The end of a trial. `constraints` are violations: all ≤ 0 for a feasible one."""

    kind: Kind
    why: str  # for people; "" for a complete trial
    constraints: list[float]
    values: list[float] | None = None  # of the objectives, of a complete trial only

    @property
    def state(self) -> TrialState:
        """The state under which Optuna stores the trial."""
        return self.kind.state

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, which `from_dict` reads."""
        return {
            "kind": self.kind.value,
            "state": self.state.name,  # all that older versions read
            "why": self.why,
            "constraints": self.constraints,
            "values": self.values,
        }

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> "Verdict":
        """A stored verdict, of any version."""
        if "kind" in flat:
            kind = Kind(flat["kind"])
        else:
            kind = kind_in_text(TrialState[flat["state"]], flat["why"])
        return cls(kind, flat["why"], flat["constraints"], flat["values"])
