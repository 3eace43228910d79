"""The two figures of the page as Plotly's own JSON: the front, and the hypervolume over trials.

Plain dicts, so that a driver need not import Plotly. Colours that depend on a light or dark page
are the tokens `@ink`, `@grid`, `@paper`; the page's script replaces them.
"""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.axes import Axis, Figure, bare, errors_against, labels, line
from studies.front import full_trials, hypervolume_history, non_dominated
from studies.trials import facts, is_full, val_error
from studies.wording import LABELS, compact, cost, duration, percent, percent_sd, phrases

# Okabe and Ito's palette for the colour-blind, legible on white and on black, with a symbol each.
LOOKS = {
    "attention": ("#D55E00", "circle"),
    "sum": ("#0072B2", "square"),
    "concat": ("#009E73", "triangle-up"),
    "weighted": ("#CC79A7", "diamond"),
    "pseudo_query": ("#56B4E9", "pentagon"),
    "none": ("#8A8F98", "cross"),
}
FURTHER = (("#7F3C8D", "star"), ("#E69F00", "hexagon"), ("#B8A800", "star-triangle-down"))
# A trace that draws nothing: for entries of the legend, and for an axis of its own.
NOWHERE = {"type": "scatter", "x": [None], "y": [None], "mode": "markers", "hoverinfo": "skip"}


@dataclass(frozen=True)
class Dot:
    """A trial where it is drawn: its cost to the right, its error (in %) upwards."""

    trial: FrozenTrial
    x: float
    y: float
    sd: float | None = None  # of y, over several seeds

    @property
    def shortcut(self) -> str:
        return str(self.trial.user_attrs.get("arch", {}).get("shortcut", "?"))

    @property
    def is_baseline(self) -> bool:
        return self.trial.user_attrs.get("baseline") is not None


def dots(study: optuna.Study, name: str, costs: list[str]) -> list[Dot]:
    """Every trial that has an error and the cost `name`."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        known = facts(trial, costs)
        error, x, sd = val_error(trial), known.get(name), known["val_error_sd"]
        if error is not None and x is not None and trial.state != TrialState.RUNNING:
            found.append(Dot(trial, float(x), 100 * error, None if sd is None else 100 * sd))
    return found


def _heights(drawn: list[Dot]) -> list[float]:
    """Errors with the ends of their bars; a bar down to nothing is cut, as the axis is in logs."""
    ends = [(d.y, d.y + (d.sd or 0), max(d.y - (d.sd or 0), d.y / 2)) for d in drawn]
    return [height for each in ends for height in each]


def looks(shortcuts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and symbol of each shortcut; known ones look the same in every study."""
    unknown = [s for s in shortcuts if s not in LOOKS]
    return LOOKS | {s: FURTHER[i % len(FURTHER)] for i, s in enumerate(unknown)}


def front_figure(study: optuna.Study, name: str, costs: list[str], front: set[int]) -> Figure:
    """Validation error against the cost `name`: all trials, and the front as steps."""
    drawn = dots(study, name, costs)
    shortcuts = sorted({d.shortcut for d in drawn}, key=lambda s: (s not in LOOKS, s))
    shortcuts.sort(key=lambda s: list(LOOKS).index(s) if s in LOOKS else len(LOOKS))
    style = looks(shortcuts)
    x, y = Axis.around([d.x for d in drawn]), Axis.around(_heights(drawn))
    data = [_steps(study, drawn, x, y)]
    for shortcut in shortcuts:
        own = [d for d in drawn if d.shortcut == shortcut]
        data += [_stopped(own, style[shortcut], costs), _full(own, style[shortcut], costs, front)]
        data.append(_legend(own, style[shortcut]))
    data += [_baselines(drawn), *_legend_notes(drawn, front), _right_axis()]
    layout = errors_against(LABELS.get(name, name), x, y)
    named = [(str(d.trial.user_attrs["baseline"]), d.x, d.y) for d in drawn if d.is_baseline]
    layout["annotations"] = labels(named, [(d.x, d.y) for d in drawn], x, y)
    return {"data": [trace for trace in data if trace], "layout": layout}


def hypervolume_figure(study: optuna.Study) -> Figure:
    history = hypervolume_history(study)
    ended = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
    xs, ys = history["ended"].tolist(), history["hypervolume"].tolist()
    names = [f"trial {number}" for number in history["trial"]]
    trace = {
        "type": "scatter",
        "x": [*xs, ended] if xs else [],
        "y": [*ys, ys[-1]] if ys else [],
        "text": [*names, names[-1]] if names else [],
        "mode": "lines",
        "line": {"shape": "hv", "width": 2.5, "color": "#0072B2"},
        "fill": "tozeroy",
        "fillcolor": "rgba(0,114,178,0.12)",
        "hovertemplate": "%{y:.3f} after %{x} trials (%{text})<extra></extra>",
        "showlegend": False,
    }
    top = min(1.02, 1.2 * ys[-1]) if ys and ys[-1] else 1
    layout = bare() | {"margin": {"l": 58, "r": 18, "t": 12, "b": 52}}
    layout["xaxis"] = line("trials ended") | {"range": [0, max(ended, 1)]}
    layout["yaxis"] = line("share of the box dominated") | {"range": [0, top]}
    return {"data": [trace], "layout": layout}


def _steps(study: optuna.Study, drawn: list[Dot], x: Axis, y: Axis) -> Figure:
    """The front as steps: below it, no finished trial has both this error and this cost."""
    full = {t.number for t in full_trials(study)}
    points = [(d.x, d.y) for d in drawn if d.trial.number in full]
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


def _full(own: list[Dot], look: tuple[str, str], costs: list[str], front: set[int]) -> Figure:
    found = [d for d in own if is_full(d.trial)]
    chosen = [d.trial.number in front for d in found]
    line = {
        "width": [1.8 if c else 0.6 for c in chosen],
        "color": ["@ink" if c else "@paper" for c in chosen],
    }
    return _markers(found, costs) | {
        **_error_bars(found),
        "legendgroup": own[0].shortcut,
        "showlegend": False,
        "marker": {
            "size": [13 if c else 9 for c in chosen],
            "color": look[0],
            "symbol": look[1],
            "opacity": [1.0 if c else 0.75 for c in chosen],
            "line": line,
        },
    }


def _error_bars(found: list[Dot]) -> Figure:
    """One standard deviation up and down, where trials have several seeds."""
    if all(d.sd is None for d in found):
        return {}
    bars = {"type": "data", "array": [d.sd or 0.0 for d in found], "thickness": 1.2, "width": 3}
    return {"error_y": bars | {"color": "@ink"}}


def _legend(own: list[Dot], look: tuple[str, str]) -> Figure:
    """The entry of a shortcut, with the number of its fully trained trials."""
    marker = {"size": 10, "color": look[0], "symbol": look[1]}
    name = f"{html.escape(own[0].shortcut)} ({sum(is_full(d.trial) for d in own)})"
    return NOWHERE | {"name": name, "legendgroup": own[0].shortcut, "marker": marker}


def _stopped(own: list[Dot], look: tuple[str, str], costs: list[str]) -> Figure:
    found = [d for d in own if not is_full(d.trial)]
    if not found:
        return {}
    marker = {"size": 7, "color": look[0], "symbol": f"{look[1]}-open", "opacity": 0.55}
    return _markers(found, costs) | {
        "legendgroup": own[0].shortcut,
        "showlegend": False,
        "marker": marker | {"line": {"width": 1.2}},
    }


def _markers(found: list[Dot], costs: list[str]) -> Figure:
    return {
        "type": "scatter",
        "x": [d.x for d in found],
        "y": [d.y for d in found],
        "mode": "markers",
        "customdata": [d.trial.number for d in found],
        "text": [hover(d.trial, costs) for d in found],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _baselines(drawn: list[Dot]) -> Figure:
    found = [d for d in drawn if d.is_baseline]
    if not found:
        return {}
    marker = {"size": 19, "symbol": "circle-open", "color": "@ink", "line": {"width": 1.3}}
    return {
        "type": "scatter",
        "x": [d.x for d in found],
        "y": [d.y for d in found],
        "mode": "markers",
        "marker": marker,
        "name": "baseline",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _legend_notes(drawn: list[Dot], front: set[int]) -> list[Figure]:
    """Entries that say what a form means, apart from the colours."""
    stopped = sum(not is_full(d.trial) for d in drawn)
    base = sum(d.is_baseline for d in drawn)
    grey = {"color": "@ink", "size": 7, "symbol": "circle-open", "opacity": 0.55}
    ringed = {
        "color": "@grid",
        "size": 12,
        "symbol": "circle",
        "line": {"width": 1.8, "color": "@ink"},
    }
    circle = {"color": "@ink", "size": 14, "symbol": "circle-open"}
    entries = [
        (f"on the front ({len(front)})", ringed, len(front)),
        (f"stopped early or failed ({stopped})", grey, stopped),
        ("baseline", circle, base),
    ]
    return [NOWHERE | {"name": n, "marker": m} for n, m, shown in entries if shown]


def _right_axis() -> Figure:
    """Plotly draws an axis only where a trace has it."""
    return NOWHERE | {"yaxis": "y2", "showlegend": False}


def hover(trial: FrozenTrial, costs: list[str]) -> str:
    """What a person wants to know of a point: result, price, the whole configuration."""
    known, error = facts(trial, costs), val_error(trial)
    sd = known["val_error_sd"]
    result = f"{percent(None if error is None else 1 - error)} accuracy"
    result += f" · {percent_sd(error, sd)} error"
    if sd is not None:
        result += f" (n = {len(known['val_errors'])})"
    price = [f"{compact(known['params'])} params", f"{compact(known['macs'])} MACs"]
    if known["latency_ms"] is not None:
        price.append(cost("latency_ms", known["latency_ms"]))
    whole = known["max_epochs"] or "?"
    trained = f"{known['epochs']} of {whole} epochs · {duration(known['seconds'])}"
    title = f"trial {trial.number}" + (f" · {known['baseline']}" if known["baseline"] else "")
    lines = [title, result, " · ".join(price), trained, ""]
    arch, recipe = (phrases(trial.user_attrs.get(part, {})) for part in ("arch", "recipe"))
    lines += [f"{name}: {phrase}" for name, phrase in arch.items()]
    words = ", ".join(f"{name} {phrase}" for name, phrase in recipe.items())
    lines += textwrap.wrap(f"recipe: {words}", 64) if words else []
    return "<br>".join(map(html.escape, lines))
