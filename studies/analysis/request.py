"""The options that all analyses share, and how each writes and prints its result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from skipsearch.studies.analysis.pages.report import Report
from skipsearch.studies.analysis.subject import Subject, look
from skipsearch.studies.models.model import safe_name
from skipsearch.studies.storage.find import RUNS
from skipsearch.studies.terminal.tables import json_text


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options that select a subject's weights, images and device; see `subject.look`."""

    data: str | None = None
    data_dir: Path | None = None
    part: str | None = None
    retrained: bool = False
    device: str = "auto"
    folder: Path = RUNS
    storage: str | None = None

    def subjects(self, targets: Sequence[str]) -> list[Subject]:
        """Load every target. Raises ValueError for a duplicate or one that cannot be loaded."""
        twice = [one for one in dict.fromkeys(targets) if targets.count(one) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is named more than once: name each target once")
        return [look(target, **vars(self)) for target in targets]

    def trained(self, target: str) -> Subject:
        """Load a target. Raises ValueError if it was never trained, also if it has images."""
        return look(target, trained=True, **vars(self))


def folder_for(subjects: Sequence[Subject]) -> Path:
    """Return the default output folder, `analyses/digits-3+digits-17`."""
    return Path("analyses") / safe_name("+".join(one.model.name for one in subjects))


def conclude(
    report: Report,
    tables: Sequence[Table],
    lines: Sequence[str],
    to: Path,
    *,
    as_json: bool,
    terminal: Console,
) -> None:
    """Write the report's files to `to`, then print tables and lines, or with `as_json` its record
    alone.
    """
    files = report.write(to)
    if as_json:
        print(json_text(report.record))
        return
    for table in tables:
        terminal.print(table)
        terminal.print()
    for line in lines:
        terminal.print(line, soft_wrap=True, markup=False)
    for file in files:
        terminal.print(f"written   {file}", soft_wrap=True, markup=False)
