"""Show a running study: on a terminal a live line and the front, in a file or pipe plain lines.

`Progress` is an observer of `engine.driver.run`, which calls `started`, `changed` and `finished`
with the store.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import optuna
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from skipsearch.studies.humanize import compact, duration, percent, rough
from skipsearch.studies.results.front import front_records
from skipsearch.studies.results.summary import Summary, summarize
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.studies.terminal.front import best_line, counts_line, front_table


def notices(study: optuna.Study) -> list[str]:
    """Return lines on what the current (or last) driver extended and imported."""
    record = StudyRecord.of(study)
    run = (record.lease or {}).get("run")
    imports = [import_line(r) for r in record.imports or () if r.get("run") == run]
    extended = [extension_line(r) for r in record.extended or () if r["run"] == run]
    return [*extended, *imports]


def import_line(record: Mapping[str, Any]) -> str:
    """Return `imported base: 12 told as trained, 3 trained first, 5 skipped (4 failed, 1 …)`."""
    skipped = record["skipped"]
    why = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    return (
        f"imported {record['study']}: {record['told']} told as trained, {record['first']} trained "
        f"first, {sum(skipped.values())} skipped" + (f" ({why})" if why else "")
    )


def extension_line(record: Mapping[str, Any]) -> str:
    """Return a line that says how the study was extended, and which earlier trials lie outside."""
    outside = record["outside"]
    stay = f"; {outside} earlier trials lie outside of it and stay" if outside else ""
    return f"extended: {'; '.join(record['what'])}{stay}"


class Store(Protocol):
    """The part of `storage.store.Store` that the progress reads."""

    @property
    def study(self) -> optuna.Study:
        """The study being run."""
        ...


class Progress:
    """Shows a study while it runs; `clock` returns seconds and can be replaced in tests."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self._live: Live | None = None
        self._begun = clock()
        self._shown = -1.0
        self._ended_before = 0
        self._last: Summary | None = None

    def started(self, store: Store) -> None:
        """Print what the study continues, extends and imports; begin the live line."""
        self._begun = self.clock()
        summary = self._last = summarize(store.study)
        self._ended_before = summary.charged
        if summary.charged:
            self.console.print(f"continuing {summary.name} at trial {summary.charged + 1}")
        for line in notices(store.study):
            self._print(line)
        if self.console.is_terminal:
            self._live = Live(self._picture(store, summary), console=self.console, transient=True)
            self._live.start()

    def changed(self, store: Store) -> None:
        """Show the study's state. Called often; reads the study at most four times a second."""
        if self.clock() - self._shown < 0.25:
            return
        self._shown = self.clock()
        self._show(store, summarize(store.study))

    def finished(self, store: Store) -> None:
        """Show the final state and end the live line, also after an interruption."""
        summary = summarize(store.study)
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._show(store, summary)

    def _show(self, store: Store, summary: Summary) -> None:
        before, self._last = self._last, summary
        if self._live is not None:
            self._live.update(self._picture(store, summary), refresh=True)
        elif not self.console.is_terminal and (before is None or before.ended != summary.ended):
            old = {t.number for t in before.front} if before else set()
            for trial in summary.front:
                if trial.number not in old:
                    record, accuracy = TrialRecord.of(trial), percent(1 - trial.values[0])
                    shortcut = (record.arch or {}).get("shortcut", "?")
                    price = f"{compact(record.params)} params, {shortcut}"
                    self._print(f"on the front: trial {trial.number}, {accuracy}, {price}")
            self._print(self._line(summary))

    def _print(self, line: str) -> None:
        self.console.print(line, soft_wrap=True, markup=False)

    def _picture(self, store: Store, summary: Summary) -> RenderableType:
        line = Text(self._short_line(summary), no_wrap=True, overflow="ellipsis")
        room = self.console.height - 6
        records = front_records(store.study)
        if not records or room < 3:
            return line
        return Group(front_table(records[:room], self.console.width), line)

    def _short_line(self, summary: Summary) -> str:
        """Return `31/60 trials · 3 running · 15 stopped · error 5.90 % · front 5 · 12 min left`,
        which fits 80 columns.
        """
        counts = summary.counts
        short = {"running": "running", "stopped early": "stopped", "failed": "failed"}
        parts = [f"{summary.charged}/{summary.budget or '?'} trials"]
        parts += [f"{counts[state]} {word}" for state, word in short.items() if counts[state]]
        if summary.best_error is not None:
            parts += [f"error {percent(summary.best_error)}", f"front {len(summary.front)}"]
        return " · ".join([*parts, self._time(summary)])

    def _line(self, summary: Summary) -> str:
        return " · ".join([counts_line(summary), best_line(summary), self._time(summary)])

    def _time(self, summary: Summary) -> str:
        """Return the time left, estimated from the trials that ended in this run; before the first
        one ends, the time passed.
        """
        passed = self.clock() - self._begun
        here = summary.charged - self._ended_before
        left = (summary.budget or 0) - summary.charged
        if here and left > 0:
            return f"{rough(passed / here * left)} left"
        return duration(passed)
