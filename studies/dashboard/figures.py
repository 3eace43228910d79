"""Figures that optuna-dashboard does not draw for studies with several objectives: every learning
curve, the fronts, the hypervolume; in colours that are legible on white and on black.
"""

import json
import re
from typing import Any

import optuna

from skipsearch.studies.page.contents import Contents
from skipsearch.studies.page.front_figures import front_figure, pairs
from skipsearch.studies.page.history_figures import curves_figure, hypervolume_figures

COLOURS = {
    "ink": "#6b7480",
    "muted": "#8a8f98",
    "grid": "rgba(128,128,128,0.25)",
    "paper": "rgba(128,128,128,0.15)",
    "veil": "rgba(128,128,128,0.15)",
}
BRIEF = "trial %{customdata}<br>%{x:.4s} · %{y:.4g}<extra></extra>"


def figures(study: optuna.Study) -> dict[str, str]:
    """Return Plotly's JSON of each figure by its name."""
    contents = Contents.of(study)
    titles = {"learning-curves": "Learning curves (grey: stopped, bold: front)"}
    found = {"learning-curves": curves_figure(contents)}
    for key, figure in hypervolume_figures(contents).items():
        found[f"hypervolume-{key}"] = figure
        titles[f"hypervolume-{key}"] = f"Hypervolume over {key}"
    for pair in pairs(contents):
        found[f"front-{pair.key}"] = front_figure(contents, pair)
        titles[f"front-{pair.key}"] = f"Front: {pair.name}"
    return {name: _written(figure, titles[name]) for name, figure in found.items()}


def _written(figure: dict[str, Any], title: str) -> str:
    data = [_brief(trace) for trace in figure["data"]]
    margin = figure["layout"]["margin"] | {"t": 48}
    heading = {"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 15}}
    layout = figure["layout"] | {"title": heading, "margin": margin}
    if "legend" in layout:  # the title has its place
        layout["legend"] = layout["legend"] | {"y": -0.26, "yanchor": "top"}
    text = json.dumps({"data": data, "layout": layout}, separators=(",", ":"))
    return re.sub(r'"@(\w+)"', lambda found: json.dumps(COLOURS[found[1]]), text)


def _brief(trace: dict[str, Any]) -> dict[str, Any]:
    """Drop the text of each point: the storage keeps a figure in pieces of 2 kB."""
    if trace.get("mode") != "markers" or "customdata" not in trace:
        return trace
    return {name: value for name, value in trace.items() if name != "text"} | {
        "hovertemplate": BRIEF
    }
