"""Show ablations: a table for the terminal, JSON, a page."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from skipsearch.studies.analysis.ablations.ablation import Ablated, Ablation
from skipsearch.studies.analysis.pages.report import Report, Section
from skipsearch.studies.humanize import compact, percent
from skipsearch.studies.terminal.tables import Column, table
from skipsearch.studies.web.axes import Figure, bare, line

HOW = (
    "Nothing was trained again: an error shows how far the other layers rely on the part, not what "
    "a network that never had it could learn. Fixed at its mean: the gate's mask is the same for "
    "every image, so that only its dependence on the input is gone. Costs are of what is left."
)
LEFT = ("#D55E00", "#0072B2", "#56B4E9")  # colours of error, parameters, multiply-accumulates


def ablation_table(found: Ablation, width: int) -> Table:
    """Return a table with one row per removed part."""
    titles, *rows = ablation_rows(found)
    ranks = {"params": 2, "MACs": 2, "saved": 1}
    columns = [
        Column(title, [row[number] for row in rows], ranks.get(title, 0), left=number == 0)
        for number, title in enumerate(titles)
    ]
    return table(columns, width, title=f"{found.target} without a part")


def ablation_rows(found: Ablation) -> list[list[str]]:
    """Return the header, the whole network, then one row per removed part."""
    titles = ["without", "error", "points", "params", "saved", "MACs", "saved"]
    return [titles, *(_cells(found, one) for one in (found.whole, *found.rows))]


def ablation_record(found: Ablation, lines: Sequence[str] = ()) -> dict[str, Any]:
    """Return the content of `ablate.json`."""
    rows = [{**asdict(one), **_saved(found, one)} for one in found.rows]
    return {"analysis": "ablate", **asdict(found), "rows": rows, "notes": list(lines)}


def notes(found: Ablation) -> list[str]:
    """Return one line per removed part that makes logits nan or infinite."""
    return [
        f"without {one}: {one.not_finite:,} of {found.images:,} images have logits that are not "
        "finite, and count as wrong"
        for one in found.rows
        if one.not_finite
    ]


def ablation_report(found: Ablation, lines: Sequence[str] = ()) -> Report:
    """Return the report; `lines` are printed as its notes."""
    worst = max(found.rows, key=lambda one: one.error)
    sections = [
        Section(
            title="Error without a part, and what it costs",
            figure=bars_figure(found),
            height=130 + 34 * (len(found.rows) + 1),
            note=HOW,
        ),
        Section(title="Parts", rows=ablation_rows(found)),
    ]
    if lines:
        sections.append(Section(title="Notes", rows=[["what to know"], *([one] for one in lines)]))
    return Report(
        kind="ablate",
        title=f"What each part of {found.target} is worth",
        about=f"{found.dataset}, {found.part}: all {found.images:,} images",
        facts={
            "whole network": f"{percent(found.whole.error)} error",
            "params": compact(found.whole.params),
            "MACs": compact(found.whole.macs),
            "needed most": f"{worst}: {percent(worst.error)} error without",
        },
        sections=sections,
        record=ablation_record(found, lines),
    )


def bars_figure(found: Ablation) -> Figure:
    """Draw one row of bars per part: errors on the left, savings on the right."""
    rows = [found.whole, *found.rows]
    names = [str(one) for one in rows]
    saved = [_saved(found, one) for one in rows]
    data = [
        _bars("error", [100 * one.error for one in rows], names, LEFT[0], "x"),
        _bars("parameters saved", [100 * s["params_share"] for s in saved], names, LEFT[1], "x2"),
        _bars("MACs saved", [100 * s["macs_share"] for s in saved], names, LEFT[2], "x2"),
    ]
    whole = 100 * found.whole.error
    level = {"x0": whole, "x1": whole, "yref": "paper", "y0": 0, "y1": 1, "xref": "x"}
    parts = {"gridcolor": "@grid", "rangemode": "tozero", "ticksuffix": " %"}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    layout = bare() | {
        "margin": {"l": 214, "r": 18, "t": 44, "b": 52},
        "barmode": "group",
        "bargap": 0.28,
        "xaxis": line("error") | parts | {"domain": [0, 0.56]},
        "xaxis2": line("saved") | parts | {"domain": [0.62, 1]},
        "yaxis": line("") | {"autorange": "reversed", "showgrid": False, "ticks": ""},
        "yaxis2": {"matches": "y", "anchor": "x2", "showticklabels": False, "showgrid": False},
        "legend": legend | {"font": {"size": 12.5}},
        "shapes": [
            {"type": "line", "line": {"color": "@muted", "width": 1, "dash": "dot"}} | level
        ],
    }
    return {"data": data, "layout": layout}


def _bars(name: str, values: list[float], names: list[str], colour: str, axis: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": values,
        "y": names,
        "xaxis": axis,
        "yaxis": axis.replace("x", "y"),
        "marker": {"color": colour},
        "hovertemplate": f"without %{{y}}<br>{name} %{{x:.2f}} %<extra></extra>",
    }


def _saved(found: Ablation, one: Ablated) -> dict[str, float]:
    params, macs = found.whole.params - one.params, found.whole.macs - one.macs
    return {
        "points": 100 * (one.error - found.whole.error),
        "params_saved": params,
        "params_share": params / found.whole.params,
        "macs_saved": macs,
        "macs_share": macs / found.whole.macs,
    }


def _cells(found: Ablation, one: Ablated) -> list[str]:
    saved = _saved(found, one)
    if one is found.whole:
        return [str(one), percent(one.error), "", compact(one.params), "", compact(one.macs), ""]
    return [
        str(one),
        percent(one.error),
        f"{saved['points']:+.2f}",
        compact(one.params),
        f"{compact(saved['params_saved'])} ({percent(saved['params_share'], 1)})",
        compact(one.macs),
        f"{compact(saved['macs_saved'])} ({percent(saved['macs_share'], 1)})",
    ]
