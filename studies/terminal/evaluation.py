"""Print an evaluation: its figures, one row per class, the confusion matrix if it fits."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from skipsearch.studies.humanize import percent
from skipsearch.studies.models.evaluate import BINS, Evaluation
from skipsearch.studies.terminal.tables import Column, table

MOST = 20  # classes in the table, the least accurate ones


def print_evaluation(found: Evaluation, terminal: Console) -> None:
    """Print all tables that fit the terminal's width."""
    for line in summary(found):
        terminal.print(line, soft_wrap=True, markup=False)
    terminal.print()
    terminal.print(classes_table(found, terminal.width))
    if len(found.classes) > MOST:
        rest = f"the {MOST} worst of {len(found.classes)} classes; --json has all"
        terminal.print(rest, style="dim")
    matrix = confusion_columns(found)
    if sum(column.width + 2 for column in matrix) <= terminal.width:
        terminal.print()
        terminal.print(table(matrix, terminal.width, title="images by class and answer"))
    terminal.print()
    terminal.print(calibration_table(found, terminal.width))


def summary(found: Evaluation) -> list[str]:
    """Return two lines: the images evaluated, and the overall figures."""
    five = "" if math.isnan(found.top5) else f" · top-5 {percent(found.top5)}"
    return [
        f"{found.target} on {found.dataset}, {found.part}: {found.images:,} images, "
        f"{len(found.classes)} classes",
        f"top-1 {percent(found.top1)}{five} · NLL {found.nll:.4f} · Brier {found.brier:.4f} · "
        f"calibration error {percent(found.calibration_error)}",
    ]


def classes_table(found: Evaluation, width: int) -> Table:
    """Return the table of classes, least accurate first; `taken for` has the up to three most
    frequent wrong answers.
    """
    counts = [sum(row) for row in found.confusion]
    order = sorted(range(len(counts)), key=lambda k: (_last(found.class_accuracy[k]), k))[:MOST]
    columns = [
        Column("class", [found.classes[k] for k in order], left=True),
        Column("images", [f"{counts[k]:,}" for k in order]),
        Column("accuracy", [percent(found.class_accuracy[k]) for k in order]),
    ]
    taken = [_taken_for(found, k) for k in order]
    return table(columns, width, rest=Column("taken for", taken, left=True))


def confusion_columns(found: Evaluation) -> list[Column]:
    """Return the confusion matrix: one row per true class, one column per answer, 0 as a dot."""
    cells = [[str(count) if count else "·" for count in row] for row in found.confusion]
    answers = zip(found.classes, zip(*cells, strict=True), strict=True)
    return [Column("class", found.classes, left=True), *(Column(n, own) for n, own in answers)]


def calibration_table(found: Evaluation, width: int) -> Table:
    """Return mean confidence and accuracy of the images in each bin of confidence."""
    columns = [
        Column("confidence", [f"{percent(b.low, 0)} to {percent(b.high, 0)}" for b in found.bins]),
        Column("images", [f"{b.images:,}" for b in found.bins]),
        Column("mean confidence", [percent(b.confidence) for b in found.bins]),
        Column("accuracy", [percent(b.accuracy) for b in found.bins]),
    ]
    return table(columns, width, title=f"calibration, {BINS} bins")


def _taken_for(found: Evaluation, true: int) -> str:
    row: Sequence[int] = found.confusion[true]
    wrong = sorted((k for k in range(len(row)) if k != true and row[k]), key=lambda k: -row[k])
    return ", ".join(f"{found.classes[k]} ({row[k]})" for k in wrong[:3])


def _last(accuracy: float) -> float:
    return 2.0 if math.isnan(accuracy) else accuracy
