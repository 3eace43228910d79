"""Draw a study's history: hypervolume over trials and over epochs, and all learning curves."""

import html
import math
from collections.abc import Mapping, Sequence

from skipsearch.studies.page.contents import Contents, Entry
from skipsearch.studies.results.front import hypervolume_history, spent
from skipsearch.studies.web.axes import Axis, Figure, bare, line

POINTS = 40_000  # of all curves together: more would slow a browser down
AT_LEAST, AT_MOST = 8, 60  # points per curve


def hypervolume_figures(contents: Contents) -> dict[str, Figure]:
    """Draw the hypervolume by x axis: over ended `trials`, and over the `epochs` spent on them."""
    history = hypervolume_history(contents.study)
    ys = [float(f"{y:.5g}") for y in history["hypervolume"]]
    names = [f"trial {number}" for number in history["trial"]]
    reached = {"trials": history["ended"].tolist(), "epochs": history["epochs"].tolist()}
    trained = sum(spent(entry.trial) for entry in contents.ended)
    ends = {"trials": len(contents.ended), "epochs": trained}
    titles = {"trials": "trials ended", "epochs": "epochs trained"}
    return {key: _volume(xs, ys, names, ends[key], titles[key]) for key, xs in reached.items()}


def _volume(xs: list[int], ys: list[float], names: list[str], end: int, title: str) -> Figure:
    trace = {
        "type": "scatter",
        "x": [*xs, end] if xs else [],
        "y": [*ys, ys[-1]] if ys else [],
        "text": [*names, names[-1]] if names else [],
        "mode": "lines",
        "line": {"shape": "hv", "width": 2.5, "color": "#0072B2"},
        "fill": "tozeroy",
        "fillcolor": "rgba(0,114,178,0.12)",
        "hovertemplate": f"%{{y:.3f}} after %{{x}} {title} (%{{text}})<extra></extra>",
        "showlegend": False,
    }
    top = min(1.02, 1.2 * ys[-1]) if ys and ys[-1] else 1
    layout = bare() | {"margin": {"l": 58, "r": 18, "t": 12, "b": 52}}
    layout["xaxis"] = line(title) | {"range": [0, max(end, 1)]}
    layout["yaxis"] = line("share of the box dominated") | {"range": [0, top]}
    return {"data": [trace], "layout": layout}


def curves_figure(contents: Contents) -> Figure:
    """Draw every learning curve: grey if the trial did not finish, bold if it is on the front.

    One trace holds many curves with gaps in between, so that thousands of them stay quick.
    """
    curves = [e for e in contents.entries if e.trial.intermediate_values]
    most = most_points(len(curves))
    front = set(contents.front)
    ended = [e for e in curves if e.full]
    data = [_together([e for e in curves if not e.full], most, "not finished", "@muted")]
    data[0] |= {"opacity": 0.45, "line": {"width": 1, "color": "@muted"}}
    for shortcut in contents.shortcuts:
        colour = contents.looks[shortcut][0]
        own = [e for e in ended if e.shortcut == shortcut]
        others = _together([e for e in own if e.number not in front], most, shortcut, colour)
        best = _together([e for e in own if e.number in front], most, f"{shortcut}, front", colour)
        data += [others | {"opacity": 0.55}, best | {"line": {"width": 3, "color": colour}}]
    heights = [100 * v for e in curves for v in e.trial.intermediate_values.values() if v > 0]
    y = Axis.around([h for h in heights if math.isfinite(h)])
    layout = bare() | {"margin": {"l": 64, "r": 18, "t": 12, "b": 52}, "showlegend": False}
    layout["xaxis"] = line("epoch") | {"rangemode": "tozero"}
    layout["yaxis"] = y.plotly("validation error", [f"{v:.4g} %" for v in y.ticks()])
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def most_points(curves: int) -> int:
    """Return the number of points per curve for so many curves."""
    return min(AT_MOST, max(AT_LEAST, POINTS // max(curves, 1)))


def _together(found: Sequence[Entry], most: int, name: str, colour: str) -> Figure:
    xs: list[int | None] = []
    ys: list[float | None] = []
    numbers: list[int | None] = []
    for entry in found:
        points = thinned(entry.trial.intermediate_values, most)
        xs += [*points, None]
        ys += [*(float(f"{100 * value:.4g}") for value in points.values()), None]
        numbers += [entry.number] * len(points) + [None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": xs,
        "y": ys,
        "customdata": numbers,
        "name": html.escape(name),
        "line": {"width": 1.4, "color": colour},
        "hovertemplate": "trial %{customdata}: %{y:.4g} % after epoch %{x}<extra></extra>",
    }


def thinned(curve: Mapping[int, float], most: int) -> dict[int, float]:
    """Thin a curve to at most `most` evenly spaced points, keeping both ends and the lowest."""
    steps = sorted(step for step, value in curve.items() if math.isfinite(value))
    if len(steps) <= most:
        return {step: curve[step] for step in steps}
    lowest = min(steps, key=lambda step: (curve[step], step))
    even = {steps[round(i * (len(steps) - 1) / (most - 2))] for i in range(most - 1)}
    return {step: curve[step] for step in sorted({*even, lowest})}
