"""Draw the front in the plane of two objectives, as Plotly's JSON.

Figures are plain dicts, so that a driver does not import Plotly. Colours that depend on a light or
dark page are the tokens `@ink`, `@grid`, `@paper`; the page's script replaces them.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from skipsearch.studies.humanize import LABELS, compact, cost, percent, percent_sd
from skipsearch.studies.page.contents import Contents, Entry
from skipsearch.studies.pareto import non_dominated
from skipsearch.studies.web.axes import Axis, Figure, costs_against, errors_against, labels

# A trace without points: for entries of the legend, and to make Plotly draw the right axis.
NOWHERE = {"type": "scatter", "x": [None], "y": [None], "mode": "markers", "hoverinfo": "skip"}


@dataclass(frozen=True)
class Pair:
    """Two objectives: `x`, always a cost, and `y`, the error or another cost."""

    x: str
    y: str

    @property
    def key(self) -> str:
        """The pair's id in the page, such as `val_error-params`."""
        return f"{self.y}-{self.x}"

    @property
    def name(self) -> str:
        """The label of the pair's button."""
        return f"{LABELS.get(self.y, self.y)} and {LABELS.get(self.x, self.x)}"


def pairs(contents: Contents) -> list[Pair]:
    """Return all pairs of objectives, pairs with the error first."""
    names = contents.objectives
    return [Pair(x, y) for i, y in enumerate(names) for x in names[i + 1 :]]


def front_figure(contents: Contents, pair: Pair) -> Figure:
    """Draw all trials that have both values; if `y` is the error, also the front as steps and
    retrained networks at their test errors.
    """
    drawn = [e for e in contents.ended if None not in (e.at(pair.x), e.at(pair.y))]
    of_error, front = pair.y == "val_error", set(contents.front)
    tested = _tested(contents, drawn) if of_error else []
    x = Axis.around([_at(e, pair.x) for e in drawn])
    heights = [h for e in drawn for h in _bar(_at(e, pair.y), e.sd if of_error else None)]
    y = Axis.around(heights + [h for _, m, sd in tested for h in _bar(100 * m, 100 * sd)])
    data = [_steps(drawn, pair, x, y)] if of_error else []
    for shortcut in contents.shortcuts:
        own, look = [e for e in drawn if e.shortcut == shortcut], contents.looks[shortcut]
        if own:
            data += [_stopped(own, look, pair), _full(own, look, pair, front), _legend(own, look)]
    data += [*_retrained(tested, pair), _baselines(drawn, pair), *_notes(drawn, front)]
    title = LABELS.get(pair.x, pair.x)
    layout = errors_against(title, x, y) if of_error else costs_against(title, x, pair.y, y)
    data += [_right_axis()] if of_error else []
    named = [(e.baseline, _at(e, pair.x), _at(e, pair.y)) for e in drawn if e.baseline]
    places = [(_at(e, pair.x), _at(e, pair.y)) for e in drawn]
    layout["annotations"] = labels(named, places, x, y)
    return {"data": [trace for trace in data if trace], "layout": layout}


def _at(entry: Entry, objective: str) -> float:
    value = entry.at(objective)
    assert value is not None
    return value


def _bar(value: float, sd: float | None) -> list[float]:
    """Return a value and its error bar's ends, cut at half the value for a logarithmic axis."""
    return [value, value + (sd or 0.0), max(value - (sd or 0.0), value / 2)]


def _tested(contents: Contents, drawn: list[Entry]) -> list[tuple[Entry, float, float]]:
    """Return the retrained trials with mean and sd (0 for one seed) of their test errors."""
    found = [(e, contents.retrained[e.number]) for e in drawn if e.number in contents.retrained]
    return [(e, r.mean, r.sd if r.n > 1 else 0.0) for e, r in found]


def _steps(drawn: list[Entry], pair: Pair, x: Axis, y: Axis) -> Figure:
    """Draw the front as steps: no finished trial lies below them."""
    points = [(_at(e, pair.x), _at(e, pair.y)) for e in drawn if e.full]
    kept = non_dominated(points)
    corner = sorted({p for p, on_front in zip(points, kept, strict=True) if on_front})
    if not corner:
        return {}
    return {
        "type": "scatter",
        "x": [corner[0][0], *(cost for cost, _ in corner), x.high],
        "y": [y.high, *(error for _, error in corner), corner[-1][1]],
        "mode": "lines",
        "line": {"shape": "hv", "width": 1.8, "color": "@ink"},
        "opacity": 0.75,
        "name": "Pareto front",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _full(own: list[Entry], look: tuple[str, str], pair: Pair, front: set[int]) -> Figure:
    found = [e for e in own if e.full]
    if not found:
        return {}
    chosen = [e.number in front for e in found]
    line = {
        "width": [1.8 if c else 0.6 for c in chosen],
        "color": ["@ink" if c else "@paper" for c in chosen],
    }
    marker: Figure = {"size": [13 if c else 9 for c in chosen], "color": look[0], "symbol": look[1]}
    marker |= {"opacity": [1.0 if c else 0.75 for c in chosen], "line": line}
    bars = _error_bars([e.sd for e in found], "@ink") if pair.y == "val_error" else {}
    own_legend = {"legendgroup": html.escape(own[0].shortcut), "showlegend": False}
    return _markers(found, pair) | bars | own_legend | {"marker": marker}


def _error_bars(sds: Sequence[float | None], colour: str) -> Figure:
    """Draw ± one standard deviation, if any trial has several seeds."""
    if not any(sds):
        return {}
    bars = {"type": "data", "array": [sd or 0.0 for sd in sds], "thickness": 1.2, "width": 3}
    return {"error_y": bars | {"color": colour}}


def _stopped(own: list[Entry], look: tuple[str, str], pair: Pair) -> Figure:
    found = [e for e in own if not e.full]
    if not found:
        return {}
    marker = {"size": 7, "color": look[0], "symbol": f"{look[1]}-open", "opacity": 0.55}
    own_legend = {"legendgroup": html.escape(own[0].shortcut), "showlegend": False}
    return _markers(found, pair) | own_legend | {"marker": marker | {"line": {"width": 1.2}}}


def _markers(found: list[Entry], pair: Pair) -> Figure:
    return {
        "type": "scatter",
        "x": [_at(e, pair.x) for e in found],
        "y": [float(f"{_at(e, pair.y):.6g}") for e in found],
        "mode": "markers",
        "customdata": [e.number for e in found],
        "text": [hover(e) for e in found],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _retrained(tested: list[tuple[Entry, float, float]], pair: Pair) -> list[Figure]:
    """Draw test errors as stars with deviations, joined to the search results by dotted lines."""
    if not tested:
        return []
    joined = {"x": [], "y": []}  # type: dict[str, list[float | None]]
    for entry, mean, _ in tested:
        joined["x"] += [_at(entry, pair.x), _at(entry, pair.x), None]
        joined["y"] += [_at(entry, pair.y), 100 * mean, None]
    line = {"width": 1.2, "dash": "dot", "color": "@muted"}
    quiet = {"hoverinfo": "skip", "showlegend": False}
    dots = {"type": "scatter", "mode": "lines", **joined, "line": line, **quiet}
    stars = {
        "type": "scatter",
        "x": [_at(entry, pair.x) for entry, _, _ in tested],
        "y": [100 * mean for _, mean, _ in tested],
        "mode": "markers",
        "customdata": [entry.number for entry, _, _ in tested],
        "text": [f"trial {e.number} retrained<br>{percent_sd(m, s)} test" for e, m, s in tested],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 13, "symbol": "star", "color": "#E69F00", "line": _thin("@ink")},
        "name": f"retrained: test error, mean ± sd ({len(tested)})",
        **_error_bars([100 * sd for _, _, sd in tested], "#E69F00"),
    }
    return [dots, stars]


def _thin(colour: str) -> Figure:
    return {"width": 1, "color": colour}


def _legend(own: list[Entry], look: tuple[str, str]) -> Figure:
    """Return the legend entry of a shortcut, with the number of its fully trained trials."""
    marker = {"size": 10, "color": look[0], "symbol": look[1]}
    name = f"{html.escape(own[0].shortcut)} ({sum(e.full for e in own)})"
    return NOWHERE | {"name": name, "legendgroup": html.escape(own[0].shortcut), "marker": marker}


def _baselines(drawn: list[Entry], pair: Pair) -> Figure:
    found = [e for e in drawn if e.baseline]
    if not found:
        return {}
    marker = {"size": 19, "symbol": "circle-open", "color": "@ink", "line": {"width": 1.3}}
    return {
        "type": "scatter",
        "x": [_at(e, pair.x) for e in found],
        "y": [_at(e, pair.y) for e in found],
        "mode": "markers",
        "marker": marker,
        "name": "baseline",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _notes(drawn: list[Entry], front: set[int]) -> list[Figure]:
    """Return the legend entries of the markers' forms."""
    stopped, base = sum(not e.full for e in drawn), sum(bool(e.baseline) for e in drawn)
    grey = {"color": "@ink", "size": 7, "symbol": "circle-open", "opacity": 0.55}
    ringed = {"color": "@grid", "size": 12, "symbol": "circle"}
    ringed |= {"line": {"width": 1.8, "color": "@ink"}}
    circle = {"color": "@ink", "size": 14, "symbol": "circle-open"}
    entries = [
        (f"on the front ({len(front)})", ringed, len(front)),
        (f"stopped early or failed ({stopped})", grey, stopped),
        ("baseline", circle, base),
    ]
    return [NOWHERE | {"name": n, "marker": m} for n, m, shown in entries if shown]


def _right_axis() -> Figure:
    """Return an empty trace on the right axis: Plotly draws an axis only if a trace uses it."""
    return NOWHERE | {"yaxis": "y2", "showlegend": False}


def hover(entry: Entry) -> str:
    """Return the hover text: result and cost in three lines; the page's panel has the rest."""
    known = entry.known
    error, sd = known["val_error"], known["val_error_sd"]
    price = [f"{compact(known['params'])} params", f"{compact(known['macs'])} MACs"]
    if known["latency_ms"] is not None:
        price.append(cost("latency_ms", known["latency_ms"]))
    title = f"trial {entry.number}" + (f" · {entry.baseline}" if entry.baseline else "")
    title += f" · {entry.shortcut}"
    result = f"{percent(None if error is None else 1 - error)} accuracy"
    lines = [title, f"{result} · {percent_sd(error, sd)} error", " · ".join(price)]
    return "<br>".join(map(html.escape, lines))
