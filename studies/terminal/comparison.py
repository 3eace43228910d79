"""Format a comparison for the terminal, Markdown, CSV, LaTeX or JSON.

Stars are printed for computed p-values only, never for published ones.
"""

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from skipsearch.searchspace.presets import Result
from skipsearch.studies.humanize import compact, differing, phrases
from skipsearch.studies.results.compare import Errors, Row, Test
from skipsearch.studies.terminal.tables import Column, console, print_json, table

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
NONE = "–"
WORDS = 30  # characters that a description of a network needs at least
TITLES = ("system", "params", "MACs", "error %", "n", "difference", "p", "published error %")
LATEX = str.maketrans(
    {c: rf"\{c}" for c in "&%$#_{}"} | {"±": r"$\pm$", "−": "$-$", NONE: "--", "²": "$^2$"}
)


def stars(p: float) -> str:
    """Return `**` for p = 0.004; empty for a p that is nan."""
    return next((text for most, text in STARS if p < most), "")


def print_comparison(rows: Sequence[Row], test: Test, on: Errors, form: str) -> None:
    """Print to stdout in one of the forms `table`, `markdown`, `csv`, `latex`, `json`."""
    said, terminal = notes(rows, test, on), console()
    match form:
        case "json":
            print_json({"test": test, "errors": on, "systems": records(rows), "notes": said})
        case "csv":
            print(as_csv(rows), end="")
        case "markdown":
            print(markdown(rows, said), end="")
        case "latex":
            print(latex(rows, said), end="")
        case _:
            terminal.print(terminal_table(rows, terminal.width))
            for line in said:
                terminal.print(line, style="dim", markup=False, soft_wrap=True)


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row under `TITLES`, errors in per cent."""
    p = NONE if math.isnan(row.p) else f"{_p(row.p)} {stars(row.p)}".strip()
    difference = NONE if math.isnan(row.difference) else f"{100 * row.difference:+.2f}"
    return (
        label(row),
        compact(row.params),
        compact(row.macs),
        spread_cell(100 * row.mean, 100 * row.sd),
        str(row.n),
        difference.replace("-", "−"),
        p,
        "; ".join(published(row) if row.study else []) or NONE,
    )


def label(row: Row) -> str:
    """Return the name of a system: `trial 17`, or that of a baseline or preset."""
    return f"trial {row.name}" if row.name.isdecimal() else row.name


def spread_cell(mean: float, sd: float) -> str:
    """Format as `5.90 ± 0.31`, or `5.90` without a standard deviation."""
    if math.isnan(mean):
        return NONE
    return f"{mean:.2f}" if math.isnan(sd) else f"{mean:.2f} ± {sd:.2f}"


def published(row: Row) -> list[str]:
    """Format published test errors as `9.04 ± 0.20 (n 5)`; with the data set for a row without a
    study.
    """
    return [
        (f"{r.dataset} " if not row.study else "") + _printed(r)
        for r in row.published
        if r.metric != "validation_accuracy"
    ]


def _printed(result: Result) -> str:
    error = result.mean if result.metric == "test_error" else 100 - result.mean
    text = spread_cell(error, math.nan if result.sd is None else result.sd)
    return text if result.n is None else f"{text} (n {result.n})"


def notes(rows: Sequence[Row], test: Test, on: Errors) -> list[str]:
    """Return the notes below the table: which errors, which test, what does not compare."""
    of = "test error after retraining" if on == "test" else "validation error of the search"
    found = [f"error: {of}, mean ± sample standard deviation over n seeds"]
    first = next(row for row in rows if not row.against)
    if any(not math.isnan(row.difference) for row in rows):
        found[0] += f"; difference to {label(first)}, in points of a per cent"
    if any(not math.isnan(row.p) for row in rows):
        name = "Student's" if test == "student" else "Welch's"
        count = sum(not math.isnan(row.p) for row in rows)
        each = "" if count == 1 else f", not corrected for {count} comparisons"
        found.append(
            f"p: two-sample {name} t-test, two-sided{each}; * p < .05, ** p < .01, *** p < .001"
        )
    trained = [row for row in rows if row.n]
    if len({row.epochs for row in trained}) > 1:
        each = ", ".join(f"{label(row)} {row.epochs}" for row in trained)
        found.append(f"careful: they were trained for different numbers of epochs: {each}")
    if len({row.data for row in trained}) > 1:
        found.append("careful: their studies were on different images")
    for row in rows:
        if row.lost and on == "test":
            of = f"{len(row.lost)} of {len(row.lost) + row.n} trainings"
            found.append(f"careful: {label(row)} lost {of}: {'; '.join(sorted({*row.lost}))}")
    names = ", ".join(label(row) for row in rows if not row.n and not row.lost)
    if on == "test" and names:
        found.append(f"not retrained: {names}; see skipsearch retrain --help")
    for row in rows:
        if not row.study and published(row):
            found.append(f"published of {label(row)}, test error %: {', '.join(published(row))}")
    if any(row.study and row.published for row in rows):
        found.append("published: test errors as papers or logs give them, by their own recipes")
    return found


def terminal_table(rows: Sequence[Row], width: int) -> Table:
    """Return the table, with a description of each network if the width allows."""
    columns = list(zip(*map(cells, rows), strict=True))
    ranks = (0, 2, 3, 0, 1, 0, 0, 4)
    shown = [
        Column(title, texts, rank, left=title == "system")
        for title, texts, rank in zip(TITLES, columns, ranks, strict=True)
        if set(texts) != {NONE}
    ]
    if sum(column.width + 2 for column in shown) + WORDS > width:
        return table(shown, width)
    return table(shown, width, rest=Column("network", networks(rows), left=True))


def networks(rows: Sequence[Row]) -> list[str]:
    """Describe each network by its shortcut and the choices in which the networks differ."""
    names = differing(row.arch for row in rows)
    found = []
    for row in rows:
        words = phrases(row.arch)
        others = [f"{n} {w}" for n, w in words.items() if n in names and n != "shortcut"]
        found.append(", ".join([words.get("shortcut", "?"), *others]))
    return found


def markdown(rows: Sequence[Row], said: Sequence[str]) -> str:
    """Format as a Markdown table with the notes below."""
    lines = [TITLES, ("---", *("--:" for _ in TITLES[1:])), *map(cells, rows)]
    parts = [f"| {' | '.join(line)} |" for line in lines] + ["", *(f"{line}  " for line in said)]
    return "\n".join(parts).rstrip().replace("*", r"\*") + "\n"


def latex(rows: Sequence[Row], said: Sequence[str]) -> str:
    """Format as a LaTeX table for the package booktabs, with the notes as comments."""
    head, *lines = [
        " & ".join(cell.translate(LATEX) for cell in line) + r" \\"
        for line in (TITLES, *map(cells, rows))
    ]
    parts = [*(f"% {line}" for line in said), rf"\begin{{tabular}}{{l{'r' * (len(TITLES) - 1)}}}"]
    parts += [r"\toprule", head, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(parts) + "\n"


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as plain numbers: errors from 0 to 1, published results in per cent."""
    return [
        {
            "system": row.name,
            "study": row.study,
            "params": row.params,
            "macs": row.macs,
            "error": row.mean,
            "sd": row.sd,
            "n": row.n,
            "epochs": row.epochs,
            "difference": row.difference,
            "p": row.p,
            "errors": list(row.errors),
            "lost": list(row.lost),
            "published": [vars(result) for result in row.published],
        }
        for row in rows
    ]


def as_csv(rows: Sequence[Row]) -> str:
    """Format as CSV, one row per system; missing values are empty."""
    text = io.StringIO()
    found = records(rows)
    out = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    out.writeheader()
    for record, row in zip(found, rows, strict=True):
        flat = {k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}
        flat["lost"] = "; ".join(row.lost)
        flat["errors"] = " ".join(map(repr, row.errors))
        flat["published"] = "; ".join(published(row))
        out.writerow(flat)
    return text.getvalue()


def _p(p: float) -> str:
    """Format a p-value as `.031`, as papers print it; `< .0001` below that."""
    return "< .0001" if p < 0.0001 else re.sub("^0", "", f"{p:.2g}" if p < 0.001 else f"{p:.3f}")
