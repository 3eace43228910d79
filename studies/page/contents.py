"""What a page shows of a study, read once: trials, their facts, the front, what was retrained."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.humanize import phrases
from skipsearch.studies.results.front import knee
from skipsearch.studies.results.retrained import Retrained, results
from skipsearch.studies.results.summary import Summary, summarize
from skipsearch.studies.storage.trial_record import (
    Flat,
    TrialRecord,
    cost_names,
    facts,
    is_full,
    settings,
)

# Okabe and Ito's palette for the colour-blind, legible on white and on black, with a symbol each.
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
    """A trial and what is known of it."""

    trial: FrozenTrial
    known: dict[str, Any]  # `trials.facts`

    @property
    def number(self) -> int:
        return int(self.trial.number)

    @property
    def arch(self) -> Flat:
        """Its architecture; empty for a trial that was given up before it had one."""
        return TrialRecord.of(self.trial).arch or {}

    @property
    def shortcut(self) -> str:
        return str(self.arch.get("shortcut", "?"))

    @cached_property
    def full(self) -> bool:
        return is_full(self.trial)

    @cached_property
    def words(self) -> dict[str, str]:
        """The configuration by its first names, as people read it."""
        return phrases(settings(self.trial))

    @property
    def baseline(self) -> str:
        return str(self.known["baseline"] or "")

    def at(self, objective: str) -> float | None:
        """Where it is drawn on the axis of an objective; an error in %."""
        value = self.known.get(objective)
        if value is None:
            return None
        return 100 * float(value) if objective == "val_error" else float(value)

    @property
    def sd(self) -> float | None:
        """Of its error in %, over several seeds."""
        sd = self.known["val_error_sd"]
        return None if sd is None else 100 * float(sd)


@dataclass(frozen=True)
class Contents:
    study: optuna.Study
    summary: Summary
    costs: list[str]
    entries: list[Entry]  # in the order in which they were asked for
    retrained: dict[int, Retrained]
    knee: int | None

    @classmethod
    def of(cls, study: optuna.Study) -> "Contents":
        costs, summary = cost_names(study), summarize(study)
        entries = [Entry(t, facts(t, costs)) for t in study.get_trials(deepcopy=False)]
        best = knee(summary.front)
        number = None if best is None else int(best.number)
        return cls(study, summary, costs, entries, results(study), number)

    @cached_property
    def front(self) -> list[int]:
        """Numbers, lowest error first."""
        return [int(t.number) for t in self.summary.front]

    @cached_property
    def ended(self) -> list[Entry]:
        open_ones = (TrialState.RUNNING, TrialState.WAITING)
        return [e for e in self.entries if e.trial.state not in open_ones]

    @cached_property
    def full(self) -> list[Entry]:
        return [e for e in self.entries if e.full]

    @cached_property
    def shortcuts(self) -> list[str]:
        """Those that occur, known ones first, always in one order."""
        order = list(LOOKS)
        found = {e.shortcut for e in self.entries}
        return sorted(found, key=lambda s: (order.index(s) if s in LOOKS else len(order), s))

    @cached_property
    def looks(self) -> dict[str, tuple[str, str]]:
        """Colour and symbol of each shortcut; known ones look the same in every study."""
        unknown = [s for s in self.shortcuts if s not in LOOKS]
        return LOOKS | {s: FURTHER[i % len(FURTHER)] for i, s in enumerate(unknown)}

    @property
    def objectives(self) -> list[str]:
        return ["val_error", *(self.costs or ["params"])]
