"""The page of a study: its front, the hypervolume over trials, a table. One file, opens offline."""

import html
import json
import re
from collections.abc import Sequence
from importlib import resources

import optuna
from optuna.trial import FrozenTrial

from studies.front import knee
from studies.plot import front_figure, hypervolume_figure, looks
from studies.summary import Summary, summarize
from studies.template import CSS, HTML, SCRIPT
from studies.trials import cost_names, facts, settings
from studies.wording import LABELS, compact, cost, differing, duration, percent, percent_sd, phrases

SEEDS = " Errors and accuracies are mean ± sd (n = {}) over the seeds of a trial."
NOTE = (
    "Share of the box between the best and the worst value that any trial had in each objective, "
    "on logarithmic scales, that the front dominates. Only trials trained to the last epoch count."
)
FOOTER = (
    "Filled points were trained to the last epoch and only they can be on the front; open ones "
    "were stopped early and stand at their last validation error. ★ marks the knee: the point "
    "furthest below the line through the front's ends. The test set was not used."
)
THREE = (
    " With three objectives a network of the front may lie above the steps of one pair: it is "
    "better in the cost that is not shown."
)


def page(study: optuna.Study) -> str:
    """The whole page as HTML, Plotly's script included (5 MB): it needs no network."""
    costs = cost_names(study)
    summary = summarize(study)
    members = summary.front
    numbers = {t.number for t in members}
    shown = costs or ["params"]
    front = {name: front_figure(study, name, costs, numbers) for name in shown}
    document = {"front": front, "hypervolume": hypervolume_figure(study)}
    parts = {
        "title": html.escape(study.study_name),
        "about": html.escape(_about(summary)),
        "facts": _facts(summary),
        "buttons": _buttons(shown),
        "note": NOTE,
        "table": _table(members, costs),
        "footer": FOOTER + (THREE if len(costs) > 1 else "") + _seeds(summary),
        "figures": json.dumps(document).replace("</", "<\\/"),
        "style": CSS,
        "script": SCRIPT,
        "plotly": (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], HTML)


def _seeds(summary: Summary) -> str:
    seeds = int(summary.given.get("seeds_per_trial", 1))
    return SEEDS.format(seeds) if seeds > 1 else ""


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
        "epochs a trial": str(summary.given.get("epochs", "–")),
        "training, summed": duration(summary.train_seconds),
    }
    hidden = {name for name in ("not trained", "failed", "running") if shown[name] == "0"}
    return "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in shown.items()
        if name not in hidden
    )


def _buttons(costs: list[str]) -> str:
    """A choice of the horizontal axis where there are two costs."""
    if len(costs) < 2:
        return ""
    return " ".join(
        f'<button data-cost="{name}">{html.escape(LABELS.get(name, name))}</button>'
        for name in costs
    )


def _table(members: Sequence[FrozenTrial], costs: list[str]) -> str:
    """The front, a network a row, best accuracy first."""
    if not members:
        return "<p>No trial has been trained to its last epoch within the limits yet.</p>"
    best, timed = knee(members), "latency_ms" in costs
    titles = ["trial", "accuracy", "error", "parameters", "MACs", *["latency"] * timed]
    titles += ["epochs", "time"]
    head = "".join(f"<th>{title}</th>" for title in titles)
    shown = differing(settings(t) for t in members)
    rows = []
    for trial in members:
        known, error = facts(trial, costs), trial.values[0]
        sd = known["val_error_sd"]
        cells = [str(trial.number), percent_sd(1 - error, sd), percent_sd(error, sd)]
        cells += [compact(known["params"]), compact(known["macs"])]
        cells += [cost("latency_ms", known["latency_ms"])] * timed
        cells += [f"{known['epochs']} of {known['max_epochs']}", duration(known["seconds"])]
        marks = "★ knee" if best is not None and trial.number == best.number else ""
        network = _network(trial, shown, [marks, known["baseline"] or ""])
        rows.append("".join(f"<td>{cell}</td>" for cell in cells) + network)
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    head += '<th class="network">network (differences; click for the whole configuration)</th>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _network(trial: FrozenTrial, shown: set[str], tags: list[str]) -> str:
    words = phrases(settings(trial))
    shortcut = str(trial.user_attrs.get("arch", {}).get("shortcut", "?"))
    colour = looks([shortcut])[shortcut][0]
    others = [f"{n} {p}" for n, p in words.items() if n in shown and n != "shortcut"]
    short = html.escape(", ".join([words.get("shortcut", "?"), *others]))
    whole = html.escape("\n".join(f"{name}: {phrase}" for name, phrase in words.items()))
    marks = "".join(f' <span class="tag">{html.escape(tag)}</span>' for tag in tags if tag)
    dot = f'<i class="dot" style="background:{colour}"></i>'
    summary = f"<summary>{dot}{short}{marks}</summary>"
    return f'<td class="network"><details>{summary}<code>{whole}</code></details></td>'
