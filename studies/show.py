"""Tables and texts on the terminal, with as many columns as its width has room for."""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skipsearch.studies.humanize import (
    compact,
    cost,
    differing,
    duration,
    percent,
    percent_sd,
    phrases,
)

if TYPE_CHECKING:
    import optuna

    from skipsearch.studies.results.summary import Summary


def console(*, stderr: bool = False) -> Console:
    """A console that honours NO_COLOR and COLUMNS, and writes plain text into files and pipes."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else 100
    return Console(file=stream, highlight=False, soft_wrap=False, width=wide)


@dataclass(frozen=True)
class Column:
    """A column, and how important it is: 0 always stays, others go, the highest first."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    left: bool = False

    @property
    def width(self) -> int:
        return max(len(text) for text in (self.title, *self.cells))


def table(
    columns: Sequence[Column], width: int, *, rest: Column | None = None, title: str = ""
) -> Table:
    """The columns that fit; `rest` takes what is left over and is cut with an ellipsis."""
    kept = list(columns)
    least = min(rest.width, 28) + 2 if rest else 0
    while sum(c.width + 2 for c in kept) + least > width + 2 and any(c.rank for c in kept):
        kept.remove(max(kept, key=lambda c: c.rank))
    drawn = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        title=title,
        title_justify="left",
        title_style="bold",
    )
    for c in kept:
        drawn.add_column(c.title, justify="left" if c.left else "right", min_width=c.width)
    if rest:
        left = max(8, width - sum(c.width + 2 for c in kept) - 1)
        drawn.add_column(rest.title, no_wrap=True, overflow="ellipsis", max_width=left)
        kept.append(rest)
    for cells in zip(*(c.cells for c in kept), strict=True):
        drawn.add_row(*map(escape, cells))
    return drawn


def front_table(records: Sequence[Mapping[str, Any]], width: int) -> Table:
    """Members of the front (`front.front_records`), best accuracy first."""

    def column(title: str, texts: Iterable[str], rank: int = 0) -> Column:
        return Column(title, list(texts), rank)

    timed = any("latency_ms" in r for r in records)
    columns = [
        column("trial", (str(r["trial"]) + ("★" if r["knee"] else " ") for r in records)),
        column(
            "accuracy", (percent_sd(1 - r["val_error"], r.get("val_error_sd")) for r in records)
        ),
        column("error", (percent_sd(r["val_error"], r.get("val_error_sd")) for r in records), 1),
        *tested_columns(records),
        column("params", (compact(r.get("params")) for r in records)),
        column("MACs", (compact(r.get("macs")) for r in records), 0 if not timed else 2),
    ]
    if timed:
        columns.append(
            column("latency", (cost("latency_ms", r.get("latency_ms")) for r in records))
        )
    columns += [
        column("epochs", (f"{r['epochs']}/{r.get('max_epochs', '?')}" for r in records), 3),
        column("time", (duration(r.get("seconds")) for r in records), 4),
    ]
    return table(columns, width, rest=Column("network", networks(records), left=True))


def tested_columns(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The test error of those that were retrained, if any was."""
    cells = [percent_sd(r.get("test_error"), r.get("test_error_sd")) for r in records]
    return [Column("test error", cells)] if any("test_error" in r for r in records) else []


def networks(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """In what the networks differ, in words: the name of a baseline, or of the trial that it was in
    an earlier study, or the shortcut first."""
    flats = [{**r["arch"], **r["recipe"]} for r in records]
    shown = differing(flats)
    found = []
    for record, flat in zip(records, flats, strict=True):
        words = phrases(flat)
        others = [f"{n} {p}" for n, p in words.items() if n in shown and n != "shortcut"]
        name = record.get("baseline") or record.get("imported")
        first = [str(name)] if name else []
        found.append(", ".join([*first, words.get("shortcut", "?"), *others]))
    return found


def best_line(summary: "Summary") -> str:
    """`best 94.10 % accuracy (5.90 % error) · front 5`."""
    if summary.best_error is None:
        return "no finished trial within the limits yet"
    accuracy, error = percent(1 - summary.best_error), percent(summary.best_error)
    return f"best {accuracy} accuracy ({error} error) · front {len(summary.front)}"


def counts_line(summary: "Summary") -> str:
    """`31 of 60 trials: 12 complete, 15 stopped early, 1 failed, 3 running`."""
    order = ("complete", "stopped early", "not trained", "failed", "running", "waiting")
    parts = [f"{summary.counts[s]} {s}" for s in order if summary.counts[s] or s == "complete"]
    of = f" of {summary.budget}" if summary.budget is not None else ""
    if summary.imported:
        parts.append(f"{summary.imported} of them imported")
    return f"{summary.charged}{of} trials: {', '.join(parts)}"


def print_json(document: object) -> None:
    """Pure JSON on stdout."""
    print(json_text(document))


def json_text(document: object) -> str:
    """What JSON cannot say (nan, inf) is null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False)


def print_front(study: "optuna.Study", terminal: Console) -> int:
    """The front and where the study stands. Returns the number of its members."""
    from skipsearch.studies.results.front import front_records
    from skipsearch.studies.results.summary import summarize

    records, summary = front_records(study), summarize(study)
    if records:
        terminal.print(front_table(records, terminal.width))
    if any(r["knee"] for r in records):
        terminal.print("★ knee: the best bargain", style="dim")
    if seeds := {len(r["val_errors"]) for r in records if "val_errors" in r}:
        terminal.print(f"mean ± sd (n = {max(seeds)}) over the seeds of a trial", style="dim")
    if seeds := {len(r["test_errors"]) for r in records if "test_errors" in r}:
        least, most = min(seeds), max(seeds)
        n = f"{most}" if least == most else f"{least} to {most}"
        terminal.print(f"test error: mean ± sd (n = {n}) after retraining", style="dim")
    for line in (f"{study.study_name}: {best_line(summary)}", counts_line(summary)):
        terminal.print(line, soft_wrap=True, markup=False)
    return len(records)


def status_lines(study: "optuna.Study") -> list[str]:
    """What `skipsearch status` prints."""
    from skipsearch.studies.results.retrained import finished
    from skipsearch.studies.results.summary import passed_seconds, summarize
    from skipsearch.studies.storage.lease import driver

    summary = summarize(study)
    given = summary.given
    about = [str(given[key]) for key in ("dataset", "sampler", "pruner") if key in given]
    if "epochs" in given:
        about.append(f"{given['epochs']} epochs")
    times = (
        f"{duration(passed_seconds(study))} passed, {duration(summary.train_seconds)} of training"
    )
    lines = [
        f"study     {summary.name} ({', '.join(about)})",
        f"trials    {counts_line(summary)}",
        f"best      {best_line(summary).removeprefix('best ')}",
        f"time      {times}",
        f"driver    {driver(study) or 'none'}",
    ]
    if summary.counts["running"] and not driver(study):
        lines[1] = lines[1].replace(" running", " interrupted (`run` goes on with them)")
    if study.user_attrs.get("exhausted"):
        lines.append(f"ended     {study.user_attrs['exhausted']}")
    if retrained := finished(study):
        count = sum(map(len, retrained.values()))
        lines.append(f"retrained {len(retrained)} networks, {count} trainings")
    if shared := study.user_attrs.get("trials_per_gpu"):
        said = f" ({shared['said']})" if "said" in shared else ""
        lines.append(f"GPU       {shared['now']} trials at a time{said}")
    return lines


def preset_tables(records: Sequence[Mapping[str, Any]], width: int) -> list[Table]:
    """The built-in networks (`studies.describe.preset_records`), a table a source; "for" says
    where a count is not for 10 classes of images of 3×32×32."""
    found = []
    for source in dict.fromkeys(r["source"] for r in records):
        own = [r for r in records if r["source"] == source]
        figures = [_printed(r) for r in own]
        columns = [
            Column("preset", [r["name"] for r in own], left=True),
            Column("params", [f"{r['params']:,}" for r in own]),
            Column("printed", [" ".join(f["printed"] for f in row) or "–" for row in figures]),
            Column("met", [" ".join("✗✓"[f["match"]] for f in row) or "–" for row in figures]),
            Column("where", [r["table"] for r in own], 1, left=True),
        ]
        if any(images := [_images(r) for r in own]):
            columns.insert(2, Column("for", images, left=True))
        rest = Column("what differs", [r["why"] or r["note"] for r in own], left=True)
        found.append(table(columns, width, rest=rest, title=f"\n{source}"))
    return found


def _images(record: Mapping[str, Any]) -> str:
    """`100 · 224²`, `8 · 1×28×28`; nothing for 10 classes of 3×32×32."""
    classes, (channels, height, width) = record["classes"], record["shape"]
    if (classes, channels, height, width) == (10, 3, 32, 32):
        return ""
    square = channels == 3 and height == width
    return f"{classes} · {f'{height}²' if square else f'{channels}×{height}×{width}'}"


def figures_line(records: Sequence[Mapping[str, Any]]) -> str:
    """`printed figures met: as 3 of 3, cnntention none given, …`, by the names' first parts."""
    from skipsearch.searchspace.presets import UNLISTED

    papers: dict[str, list[bool]] = {}
    for record in records:
        met = papers.setdefault(record["name"].partition("/")[0], [])
        if not record["alternative"]:
            met += [figure["match"] for figure in _printed(record)]
    found = []
    for paper, met in papers.items():
        more = f" ({UNLISTED[paper]})" if paper in UNLISTED else ""
        found.append(f"{paper} {f'{sum(met)} of {len(met)}' if met else 'none given'}{more}")
    return f"printed figures met: {', '.join(found)}; each by the default reading of it alone"


def _printed(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The figures of a preset that its paper prints, its own first."""
    return [figure for figure in (record, *record["figures"]) if figure["printed"]]


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
