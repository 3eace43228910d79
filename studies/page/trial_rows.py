"""Build the table of trials, one row each, the front first; test errors beside search results."""

import html
import math
from collections.abc import Iterable, Sequence

from skipsearch.studies.humanize import compact, cost, differing, duration, percent, percent_sd
from skipsearch.studies.page.contents import Contents, Entry
from skipsearch.studies.results.retrained import Retrained
from skipsearch.studies.storage.trial_record import settings

Cell = tuple[str, float | None]  # text, and the key to sort by
RANK = {"complete": 0, "stopped early": 1, "failed": 2, "not trained": 3, "running": 4}
ALWAYS = {"blocks", "width", "gate"}  # described for every network that is not on the front
TITLES = {
    "trial": "trial",
    "state": "state",
    "accuracy": "accuracy",
    "error": "validation error",
    "test": "test error, retrained",
    "params": "parameters",
    "macs": "MACs",
    "latency_ms": "latency",
    "epochs": "epochs",
    "seconds": "time",
}


def columns(contents: Contents) -> list[str]:
    """Return the names of the columns for which this study has any value."""
    missing = {"test"} if not contents.retrained else set[str]()
    if all(entry.known["latency_ms"] is None for entry in contents.entries):
        missing.add("latency_ms")
    return [name for name in TITLES if name not in missing]


def table(contents: Contents) -> tuple[str, str]:
    """Return the HTML of the table with the front, and of the rows of all other trials."""
    names, front = columns(contents), set(contents.front)
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{TITLES[n]}</button></th>'
        for n in names
    )
    head += '<th scope="col" class="network">network (what differs)</th>'
    by_number = {entry.number: entry for entry in contents.entries}
    members = [by_number[number] for number in contents.front]
    others = sorted((e for e in contents.entries if e.number not in front), key=_order)
    shown = differing(settings(e.trial) for e in members)
    first = "".join(row(contents, entry, names, shown) for entry in members)
    rest = "".join(row(contents, entry, names, shown | ALWAYS) for entry in others)
    caption = "<caption>Trials; a title sorts, a row shows its network above</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{first}</tbody></table>", rest


def _order(entry: Entry) -> tuple[int, float, int]:
    error = entry.known["val_error"]
    return RANK.get(entry.known["state"], 5), math.inf if error is None else error, entry.number


def row(contents: Contents, entry: Entry, names: Sequence[str], shown: Iterable[str]) -> str:
    """Return the HTML row of a trial; `shown` names the parameters that describe its network."""
    cells = cells_of(entry, contents.retrained.get(entry.number))
    written = "".join(_cell(*cells[name]) for name in names)
    return f'<tr data-trial="{entry.number}">{written}{_network(contents, entry, shown)}</tr>'


def _cell(text: str, value: float | None) -> str:
    by = "" if value is None else f' data-by="{value:.7g}"'
    return f"<td{by}>{html.escape(text)}</td>"


def cells_of(entry: Entry, retrained: Retrained | None) -> dict[str, Cell]:
    """Return every cell of a trial by column."""
    known = entry.known
    error, sd = known["val_error"], known["val_error_sd"]
    accuracy = None if error is None else 1 - error
    return {
        "trial": (str(entry.number), entry.number),
        "state": (known["state"], RANK.get(known["state"], 5)),
        "accuracy": (percent_sd(accuracy, sd), accuracy),
        "error": (percent_sd(error, sd), error),
        "test": ("–", None) if retrained is None else (tested(retrained), retrained.mean),
        "params": (compact(known["params"]), known["params"]),
        "macs": (compact(known["macs"]), known["macs"]),
        "latency_ms": (cost("latency_ms", known["latency_ms"]), known["latency_ms"]),
        "epochs": (f"{known['epochs']} of {known['max_epochs'] or '?'}", known["epochs"]),
        "seconds": (duration(known["seconds"]), known["seconds"]),
    }


def tested(retrained: Retrained) -> str:
    """Format the test error as `1.93 ± 0.21 % (n = 5)`."""
    if retrained.n == 1:
        return f"{percent(retrained.mean)} (n = 1)"
    return f"{percent_sd(retrained.mean, retrained.sd)} (n = {retrained.n})"


def _network(contents: Contents, entry: Entry, shown: Iterable[str]) -> str:
    words = entry.words
    colour = contents.looks[entry.shortcut][0]
    others = [f"{n} {p}" for n, p in words.items() if n in shown and n != "shortcut"]
    short = html.escape(", ".join([words.get("shortcut", "?"), *others]))
    tags = "".join(f' <span class="tag">{html.escape(t)}</span>' for t in marks(contents, entry))
    dot = f'<i class="dot" style="background:{colour}"></i>'
    return f'<td class="network">{dot}{short}{tags}</td>'


def marks(contents: Contents, entry: Entry) -> list[str]:
    """Return the tags of a trial: knee, front, baseline, imported."""
    found = ["★ knee"] if entry.number == contents.knee else []
    found += ["front"] if entry.number in contents.front else []
    found += [f"baseline {entry.baseline}"] if entry.baseline else []
    found += [f"imported {entry.known['imported']}"] if entry.known["imported"] else []
    return found
