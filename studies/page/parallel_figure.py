"""Draw finished trials as lines through the objectives and the most important choices."""

import html
from collections.abc import Sequence

from skipsearch.studies.humanize import LABELS, compact, plain
from skipsearch.studies.page.contents import Contents, Entry
from skipsearch.studies.storage.trial_record import settings
from skipsearch.studies.web.axes import Axis, Figure, bare

AXES = 6  # choices, beside the objectives
NONE = "–"  # the tick of trials that lack the parameter
SCALE = [[0, "#D55E00"], [0.35, "#5FA8D3"], [1, "@grid"]]  # low errors stand out
FEW = 12  # up to so many different numbers each get a tick of their own


def parallel_figure(contents: Contents, choices: Sequence[str]) -> Figure:
    """Draw parallel coordinates; dragging along an axis keeps a part. Empty below two trials."""
    found = [e for e in contents.full if None not in map(e.at, contents.objectives)]
    if len(found) < 2:
        return {}
    axes = [_objective(name, found) for name in contents.objectives]
    given = [settings(e.trial) for e in found]
    axes += [_choice(name, [flat.get(name) for flat in given]) for name in choices[:AXES]]
    errors = axes[0]["values"]
    colour = {"color": errors, "colorscale": SCALE, "showscale": False}
    trace: Figure = {"type": "parcoords", "dimensions": axes, "line": colour}
    trace |= {"labelfont": {"size": 12}, "tickfont": {"size": 11}, "labelangle": -12}
    layout = bare() | {"margin": {"l": 60, "r": 60, "t": 70, "b": 16}}
    return {"data": [trace], "layout": layout}


def _objective(name: str, found: Sequence[Entry]) -> Figure:
    values = [entry.at(name) or 0.0 for entry in found]
    axis = Axis.around(values)
    written = [f"{t:.3g} %" if name == "val_error" else compact(t) for t in axis.ticks()]
    return {
        "label": LABELS.get(name, name).replace("multiply-accumulates", "MACs"),
        "values": [_rounded(axis.at(value)) for value in values],
        "range": [_rounded(axis.at(axis.low)), _rounded(axis.at(axis.high))],
        "tickvals": [_rounded(axis.at(tick)) for tick in axis.ticks()],
        "ticktext": written,
    }


def _choice(name: str, values: Sequence[object]) -> Figure:
    """Return the axis of a choice: one tick per word or number, but a scale for many numbers."""
    label = html.escape(name if len(name) < 24 else f"…{name[-22:]}")
    there = {value for value in values if value is not None}
    numbers = [float(v) for v in there if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(there) or len(there) <= FEW:
        return {"label": label} | _places(values, there, numeric=len(numbers) == len(there))
    axis = Axis(min(numbers), max(numbers), log=0 < 8 * min(numbers) < max(numbers))
    low, high = axis.at(axis.low), axis.at(axis.high)
    absent = low - 0.12 * (high - low)
    ticks = {_rounded(axis.at(tick)): plain(tick) for tick in axis.ticks()}
    ticks |= {_rounded(absent): NONE} if None in values else {}
    placed = [absent if v is None else axis.at(float(v)) for v in values]  # type: ignore[arg-type]
    return {
        "label": label,
        "values": [_rounded(value) for value in placed],
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }


def _places(values: Sequence[object], there: set[object], numeric: bool) -> Figure:
    ordered = sorted(there, key=float if numeric else str)  # type: ignore[arg-type]
    names: list[object] = [*([None] if None in values else []), *ordered]
    return {
        "values": [names.index(value) for value in values],
        "range": [-0.3, max(len(names) - 0.7, 0.7)],
        "tickvals": list(range(len(names))),
        "ticktext": [NONE if n is None else html.escape(plain(n)) for n in names],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
