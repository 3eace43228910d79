"""Print a study's front and status, with as many columns as the terminal has room for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from rich.console import Console
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
from skipsearch.studies.results.front import frame_of, records_of
from skipsearch.studies.results.history import front_at
from skipsearch.studies.terminal.tables import Column, console, print_json, table

if TYPE_CHECKING:
    from skipsearch.studies.results.summary import Summary


def front_table(records: Sequence[Mapping[str, Any]], width: int) -> Table:
    """Return the table of the front from its records (`results.front.front_records`)."""

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
    """Return the column of test errors after retraining, if any network was retrained."""
    cells = [percent_sd(r.get("test_error"), r.get("test_error_sd")) for r in records]
    return [Column("test error", cells)] if any("test_error" in r for r in records) else []


def networks(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe each network by its shortcut and the choices in which the networks differ, after the
    name of a baseline or of an imported trial.
    """
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
    """Return `best 94.10 % accuracy (5.90 % error) · front 5`."""
    if summary.best_error is None:
        return "no finished trial within the limits yet"
    accuracy, error = percent(1 - summary.best_error), percent(summary.best_error)
    return f"best {accuracy} accuracy ({error} error) · front {len(summary.front)}"


def counts_line(summary: "Summary") -> str:
    """Return `31 of 60 trials: 12 complete, 15 stopped early, 1 failed, 3 running`."""
    order = ("complete", "stopped early", "not trained", "failed", "running", "waiting")
    parts = [f"{summary.counts[s]} {s}" for s in order if summary.counts[s] or s == "complete"]
    of = f" of {summary.budget}" if summary.budget is not None else ""
    if summary.imported:
        parts.append(f"{summary.imported} of them imported")
    return f"{summary.charged}{of} trials: {', '.join(parts)}"


def print_front(study: "optuna.Study", terminal: Console) -> int:
    """Print the front and the study's state; return the number of the front's members."""
    from skipsearch.studies.results.front import front_records
    from skipsearch.studies.results.summary import summarize

    records, summary = front_records(study), summarize(study)
    if records:
        terminal.print(front_table(records, terminal.width))
    if any(r["knee"] for r in records):
        terminal.print("★ knee: the best trade-off", style="dim")
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
    """Return the lines that `skipsearch status` prints."""
    from skipsearch.studies.results.retrained import finished
    from skipsearch.studies.results.summary import passed_seconds, summarize
    from skipsearch.studies.storage.lease import driver
    from skipsearch.studies.storage.study_record import StudyRecord

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
    record = StudyRecord.of(study)
    if record.exhausted:
        lines.append(f"ended     {record.exhausted}")
    if retrained := finished(study):
        count = sum(map(len, retrained.values()))
        lines.append(f"retrained {len(retrained)} networks, {count} trainings")
    if shared := record.trials_per_gpu:
        said = f" ({shared['said']})" if "said" in shared else ""
        lines.append(f"GPU       {shared['now']} trials at a time{said}")
    return lines


def show_front_at(study: optuna.Study, at: str, form: str) -> None:
    """Print the front at an earlier point (`front --at`), as `table`, `csv` or `json`."""
    then = front_at(study, at)
    records, terminal = records_of(study, then.front), console()
    if form == "json":
        print_json({"study": study.study_name, "at": then.document(at), "front": records})
    elif form == "csv":
        print(frame_of(study, then.front).to_csv(index=False), end="")
    else:
        if records:
            terminal.print(front_table(records, terminal.width))
        for line in (f"{study.study_name} at {at}: {then.spent}", f"by now: {then.all}"):
            terminal.print(line, soft_wrap=True, markup=False)
