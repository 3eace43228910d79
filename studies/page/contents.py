"""Read from a study, once, all that its page shows: trials, front, summary, test errors."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.humanize import phrases
from skipsearch.studies.results.front import knee
from skipsearch.studies.results.retrained import Retrained, results
from skipsearch.studies.results.summary import Summary, summarize
from skipsearch.studies.storage.record import Flat
from skipsearch.studies.storage.trial_record import (
    TrialRecord,
    cost_names,
    facts,
    is_full,
    settings,
)

# The palette of Okabe and Ito for the colour-blind, legible on white and on black, and symbols.
LOOKS = {
    "attention": ("#D55E00", "circle"),
    "sum": ("#0072B2", "square"),
    "concat": ("#009E73", "triangle-up"),
    "weighted": ("#CC79A7", "diamond"),
    "pseudo_query": ("#56B4E9", "pentagon"),
    "none": ("#8A8F98", "cross"),
}
FURTHER = (("#7F3C8D", "star"), ("#E69F00", "hexagon"), ("#B8A800", "star-triangle-down"))


@dataclass(frozen=True)
class Entry:
    """A trial and its facts, as the page's table and figures use them."""

    trial: FrozenTrial
    known: dict[str, Any]  # `trials.facts`

    @property
    def number(self) -> int:
        """The trial's number in the study."""
        return int(self.trial.number)

    @property
    def arch(self) -> Flat:
        """The architecture; empty for a trial that was abandoned before it had one."""
        return TrialRecord.of(self.trial).arch or {}

    @property
    def shortcut(self) -> str:
        """The kind of shortcut, which determines colour and symbol."""
        return str(self.arch.get("shortcut", "?"))

    @cached_property
    def full(self) -> bool:
        """True if the trial was trained to its last epoch within the limits."""
        return is_full(self.trial)

    @cached_property
    def words(self) -> dict[str, str]:
        """The configuration as readable phrases, by the first part of the parameters' names."""
        return phrases(settings(self.trial))

    @property
    def baseline(self) -> str:
        """The name of the baseline; empty for any other trial."""
        return str(self.known["baseline"] or "")

    def at(self, objective: str) -> float | None:
        """Return the value of an objective as it is drawn, an error in %; None if unknown."""
        value = self.known.get(objective)
        if value is None:
            return None
        return 100 * float(value) if objective == "val_error" else float(value)

    @property
    def sd(self) -> float | None:
        """Standard deviation of the validation error in %, if the trial has several seeds."""
        sd = self.known["val_error_sd"]
        return None if sd is None else 100 * float(sd)


@dataclass(frozen=True)
class Contents:
    """A snapshot of a study for its page."""

    study: optuna.Study
    summary: Summary
    costs: list[str]
    entries: list[Entry]  # by trial number
    retrained: dict[int, Retrained]
    knee: int | None

    @classmethod
    def of(cls, study: optuna.Study) -> "Contents":
        """Read a study."""
        costs, summary = cost_names(study), summarize(study)
        entries = [Entry(t, facts(t, costs)) for t in study.get_trials(deepcopy=False)]
        best = knee(summary.front)
        number = None if best is None else int(best.number)
        return cls(study, summary, costs, entries, results(study), number)

    @cached_property
    def front(self) -> list[int]:
        """Trial numbers of the front, lowest error first."""
        return [int(t.number) for t in self.summary.front]

    @cached_property
    def ended(self) -> list[Entry]:
        """The trials that are neither running nor waiting."""
        open_ones = (TrialState.RUNNING, TrialState.WAITING)
        return [e for e in self.entries if e.trial.state not in open_ones]

    @cached_property
    def full(self) -> list[Entry]:
        """The trials trained to their last epoch within the limits."""
        return [e for e in self.entries if e.full]

    @cached_property
    def shortcuts(self) -> list[str]:
        """The kinds of shortcut that occur, built-in ones first, in a fixed order."""
        order = list(LOOKS)
        found = {e.shortcut for e in self.entries}
        return sorted(found, key=lambda s: (order.index(s) if s in LOOKS else len(order), s))

    @cached_property
    def looks(self) -> dict[str, tuple[str, str]]:
        """Colour and symbol of each shortcut; built-in ones look the same in every study."""
        unknown = [s for s in self.shortcuts if s not in LOOKS]
        return LOOKS | {s: FURTHER[i % len(FURTHER)] for i, s in enumerate(unknown)}

    @property
    def objectives(self) -> list[str]:
        """The axes of the figures: the error and the costs, `params` if the study has no cost."""
        return ["val_error", *(self.costs or ["params"])]
