"""Build the page of a study: one HTML file that opens offline, Plotly's script included."""

import html
import re
from typing import Any

import optuna

from skipsearch.studies.humanize import duration, percent
from skipsearch.studies.page.contents import Contents
from skipsearch.studies.page.details import details
from skipsearch.studies.page.front_figures import front_figure, pairs
from skipsearch.studies.page.history_figures import curves_figure, hypervolume_figures
from skipsearch.studies.page.importance_figure import (
    FEWEST,
    Importances,
    importance_figure,
    leading,
)
from skipsearch.studies.page.parallel_figure import parallel_figure
from skipsearch.studies.page.trial_rows import table
from skipsearch.studies.results.summary import Summary
from skipsearch.studies.web.assets import asset, embedded, plotly

HERE = "skipsearch.studies.page"
SCRIPTS = ("diagram.js", "table.js", "page.js")
SEEDS = " Errors and accuracies are mean ± sd (n = {}) over the seeds of a trial."
FOOTER = (
    "Filled points were trained to the last epoch and only they can be on the front; open ones "
    "were stopped early and are drawn at their last validation error. ★ marks the knee: the point "
    "furthest below the line through the front's ends. "
)
UNTESTED = "The test images were not used."
TESTED = (
    "Orange stars are networks retrained on training and validation images: mean ± standard "
    "deviation of the test error over n seeds. The search itself did not see test images."
)
THREE = (
    " With three objectives a network of the front may lie above the steps of one pair: it is "
    "better in the cost that is not shown."
)
FEW = f"Fewer than {FEWEST} different trials are trained to the end: too few to say what matters."
WHAT_MATTERS = (
    "Conditional PED-ANOVA over the {} finished trials: how much a choice's values differ between "
    "the best trials and all. A choice that only some networks have is judged among those, and "
    "weighted by their share of the best. Shares sum to 100 % for each objective."
)


def page(study: optuna.Study, importances: Importances | None = None) -> str:
    """Return the page as HTML (5 MB).

    `importances` is the cache of an earlier call for the same study: importances are recomputed
    only after enough new trials.
    """
    contents, known = Contents.of(study), importances or Importances()
    known.look(study, contents.objectives)
    members, others = table(contents)
    figures = figures_of(contents, known)
    parts = {
        "title": html.escape(study.study_name),
        "about": html.escape(_about(contents.summary)),
        "facts": _facts(contents.summary),
        "pairs": _choices("front", {p.key: p.name for p in pairs(contents)}),
        "key": _key(contents),
        "matters": WHAT_MATTERS.format(known.trials) if known.by_objective else FEW,
        "table": members if contents.entries else "<p>The study has no trials yet.</p>",
        "none": "" if members and contents.front else NOTHING,
        "count": str(len(contents.entries)),
        "others": embedded("others", others),
        "footer": _footer(contents),
        "figures": "".join(embedded(f"figure-{k}", figure) for k, figure in figures.items()),
        "details": embedded("details", details(contents)),
        "style": asset("style.css"),
        "script": "\n".join([asset("figures.js"), *(asset(name, HERE) for name in SCRIPTS)]),
        "plotly": plotly(),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("frame.html", HERE))


NOTHING = "<p>No trial has been trained to its last epoch within the limits yet.</p>"


def figures_of(contents: Contents, known: Importances) -> dict[str, dict[str, Any]]:
    """Return the figures by the id of their element in the page, with `-` and a key appended where
    the reader can choose between several.
    """
    found = {f"front-{p.key}": front_figure(contents, p) for p in pairs(contents)}
    volumes = hypervolume_figures(contents)
    found |= {f"hypervolume-{key}": figure for key, figure in volumes.items()}
    found["curves"] = curves_figure(contents)
    if known.by_objective:
        found["importance"] = importance_figure(known.by_objective)
    parallel = parallel_figure(contents, leading(known.by_objective))
    return found | ({"parallel": parallel} if parallel else {})


def _choices(plot: str, named: dict[str, str]) -> str:
    """Return buttons that switch between the figures of a place; empty for a single figure."""
    if len(named) < 2:
        return ""
    return "".join(
        f'<button type="button" data-plot="{plot}" data-key="{html.escape(key)}">'
        f"{html.escape(name)}</button>"
        for key, name in named.items()
    )


def _key(contents: Contents) -> str:
    """Return a legend of the shortcuts' colours, for screens too narrow for the figure's own."""
    return " ".join(
        f'<span><i class="dot" style="background:{contents.looks[name][0]}"></i>'
        f"{html.escape(name)}</span>"
        for name in contents.shortcuts
    )


def _footer(contents: Contents) -> str:
    seeds = int(contents.summary.given.get("seeds_per_trial", 1))
    said = FOOTER + (TESTED if contents.retrained else UNTESTED)
    said += THREE if len(contents.costs) > 1 else ""
    return said + (SEEDS.format(seeds) if seeds > 1 else "")


def _about(summary: Summary) -> str:
    given = summary.given
    words = [str(given[key]) for key in ("dataset", "sampler", "pruner") if given.get(key)]
    return " · ".join([*words, *([f"seed {given['seed']}"] if "seed" in given else [])])


def _facts(summary: Summary) -> str:
    counts, best = summary.counts, summary.best_error
    of = "" if summary.budget is None else f" <small>of {summary.budget}</small>"
    accuracy = percent(None if best is None else 1 - best)
    shown = {
        "best accuracy": f"{accuracy} <small>{percent(best)} error</small>",
        "on the front": str(len(summary.front)),
        "trials": f"{summary.charged}{of}",
        "trained to the end": str(counts["complete"]),
        "stopped early": str(counts["stopped early"]),
        "not trained": str(counts["not trained"]),
        "failed": str(counts["failed"]),
        "running": str(counts["running"]),
        "epochs per trial": html.escape(str(summary.given.get("epochs", "–"))),
        "training, summed": duration(summary.train_seconds),
    }
    hidden = {name for name in ("not trained", "failed", "running") if shown[name] == "0"}
    return "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in shown.items()
        if name not in hidden
    )
