"""The note on a trial, in Markdown: result, cost, what became of it, the architecture as a tree.

The dashboard renders HTML in notes. What people or exceptions wrote stands in code spans, where
nothing is rendered.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from skipsearch.studies.humanize import compact, cost, duration, percent, percent_sd, plain
from skipsearch.studies.storage.trial_record import TrialRecord, facts

PLAIN = re.compile(r"\w[\w .+-]*\w|\w")
LONGEST = 2045  # characters of one attribute, as the dashboard splits them: a note is one


def note(trial: FrozenTrial, costs: list[str]) -> str:
    """Of a trial that has ended."""
    known = facts(trial, costs)
    head = [f"**{known['state']}** {reason(known['why'])}".rstrip(), "", *results(known)]
    record = TrialRecord.of(trial)
    lines = [*head, "", "### Architecture", "", *tree(record.arch or {})]
    recipe = record.recipe or {}
    named = {name.removeprefix("recipe."): value for name, value in recipe.items()}
    return fitted([*lines, "", "### Recipe", "", *tree(named)])


def reason(why: str | None) -> str:
    """The verdict of the pruner, or what a failure was: one line."""
    return f"· {code(why)}" if why else ""


def results(known: Mapping[str, Any]) -> Iterator[str]:
    error, sd = known["val_error"], known["val_error_sd"]
    if error is not None:
        seeds = f" (n = {len(known['val_errors'])})" if sd is not None else ""
        yield f"- validation error {percent_sd(error, sd)}{seeds}, accuracy {percent(1 - error)}"
    if known["params"] is not None:
        price = f"- {compact(known['params'])} parameters, {compact(known['macs'])} MACs"
        timed = known["latency_ms"]
        yield price + ("" if timed is None else f", {cost('latency_ms', timed)} an image")
    if known["epochs"]:
        whole = known["max_epochs"] or "?"
        yield f"- {known['epochs']} of {whole} epochs, {duration(known['seconds'])}"
    for name in ("baseline", "imported", "node"):
        if known.get(name):
            yield f"- {name} {code(known[name])}"


def tree(flat: Mapping[str, object]) -> list[str]:
    """A flat configuration as nested bullets; what belongs to an alternative stands under it, the
    values of stages in one row.
    """
    rows: dict[str, list[str]] = {}
    for name, value in flat.items():
        head, _, last = name.rpartition(".")
        rows.setdefault(head if last.isdigit() else name, []).append(plain(value))
    return [_bullet(name, values) for name, values in rows.items()]


def _bullet(name: str, values: Sequence[str]) -> str:
    *above, own = name.split(".")
    return f"{'  ' * (len(above) // 2)}- {word(own)}: {word(' '.join(values))}"


def word(text: str) -> str:
    """As it is, in code where it may mean something in Markdown or HTML."""
    return text if PLAIN.fullmatch(text) else code(text)


def code(text: object) -> str:
    """On one line, and as it is."""
    line = " ".join(str(text).replace("`", "'").split())
    return f"`{line}`"


def fitted(lines: Sequence[str]) -> str:
    """Whole lines, as many as a note takes."""
    kept, room = list[str](), LONGEST - 2
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)
