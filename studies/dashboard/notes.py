"""The note on a trial, in Markdown: state, result, cost, and the architecture as a tree.

optuna-dashboard renders HTML in notes: texts of people or exceptions are put into code spans, where
nothing is rendered.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from skipsearch.studies.humanize import compact, cost, duration, percent, percent_sd, plain
from skipsearch.studies.storage.trial_record import TrialRecord, facts

PLAIN = re.compile(r"\w[\w .+-]*\w|\w")
LONGEST = 2045  # characters of an attribute, as optuna-dashboard splits them; a note is one


def note(trial: FrozenTrial, costs: list[str]) -> str:
    """Write the note on a trial that has ended; `costs` are the study's objectives."""
    known = facts(trial, costs)
    head = [f"**{known['state']}** {reason(known['why'])}".rstrip(), "", *results(known)]
    record = TrialRecord.of(trial)
    lines = [*head, "", "### Architecture", "", *tree(record.arch or {})]
    recipe = record.recipe or {}
    named = {name.removeprefix("recipe."): value for name, value in recipe.items()}
    return fitted([*lines, "", "### Recipe", "", *tree(named)])


def reason(why: str | None) -> str:
    """Format the reason of a verdict or a failure as one line; empty without one."""
    return f"· {code(why)}" if why else ""


def results(known: Mapping[str, Any]) -> Iterator[str]:
    """Yield bullets with the trial's error, costs, epochs and origin, as far as they are known."""
    error, sd = known["val_error"], known["val_error_sd"]
    if error is not None:
        seeds = f" (n = {len(known['val_errors'])})" if sd is not None else ""
        yield f"- validation error {percent_sd(error, sd)}{seeds}, accuracy {percent(1 - error)}"
    if known["params"] is not None:
        price = f"- {compact(known['params'])} parameters, {compact(known['macs'])} MACs"
        timed = known["latency_ms"]
        yield price + ("" if timed is None else f", {cost('latency_ms', timed)} per image")
    if known["epochs"]:
        whole = known["max_epochs"] or "?"
        yield f"- {known['epochs']} of {whole} epochs, {duration(known['seconds'])}"
    for name in ("baseline", "imported", "node"):
        if known.get(name):
            yield f"- {name} {code(known[name])}"


def tree(flat: Mapping[str, object]) -> list[str]:
    """Format a flat configuration as nested bullets: parameters of an alternative under it, the
    values of all stages in one line.
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
    """Return the text, as code if Markdown or HTML could give it a meaning."""
    return text if PLAIN.fullmatch(text) else code(text)


def code(text: object) -> str:
    """Format as a code span on one line."""
    line = " ".join(str(text).replace("`", "'").split())
    return f"`{line}`"


def fitted(lines: Sequence[str]) -> str:
    """Join as many whole lines as fit into a note."""
    kept, room = list[str](), LONGEST - 2
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)
