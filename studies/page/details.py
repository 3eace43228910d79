"""The data of the page's panel on each trial, as compact JSON with words shared by trials."""

from typing import Any

from skipsearch.studies.humanize import compact, cost, duration, percent, percent_sd
from skipsearch.studies.page.contents import Contents, Entry
from skipsearch.studies.page.network_sketch import sketch
from skipsearch.studies.page.trial_rows import marks, tested
from skipsearch.studies.storage.study_record import StudyRecord


class Words:
    """A list of distinct texts."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Return the index of the text, adding it if it is new."""
        return self.numbers.setdefault(text, len(self.numbers))


def details(contents: Contents) -> dict[str, Any]:
    """Return the JSON that `page.js` reads.

    `trials` has for each number `[tags, lines, configuration, sketch, colour]`: the configuration
    as pairs of indices into `words`, the sketch as an index into `sketches` or -1.
    """
    words, sketches, drawn = Words(), Words(), list[list[Any]]()
    data = StudyRecord.of(contents.study).data or {}
    size = max(data.get("shape", [1, 32, 32])[1:])
    trials = {}
    for entry in contents.entries:
        pairs = [words(text) for pair in entry.words.items() for text in pair]
        drawing, number = sketch(entry.arch, size), -1
        if drawing is not None and entry.arch:
            number = sketches(repr(drawing))
            drawn += [drawing.to_list()] if number == len(drawn) else []
        tags = [entry.known["state"], *marks(contents, entry)]
        colour = contents.looks[entry.shortcut][0]
        trials[entry.number] = [tags, lines(contents, entry), pairs, number, colour]
    first = contents.knee
    if first is None:
        first = next(iter([*contents.front, *trials]), None)
    return {
        "words": list(words.numbers),
        "sketches": drawn,
        "trials": trials,
        "first": first,
        "front": contents.front,
    }


def lines(contents: Contents, entry: Entry) -> list[list[str]]:
    """Return pairs of name and value: errors, costs, training, and the reason of an early end."""
    known = entry.known
    error, sd = known["val_error"], known["val_error_sd"]
    found = []
    if error is not None:
        seeds = f" (n = {len(known['val_errors'])})" if sd is not None else ""
        text = f"{percent_sd(error, sd)}{seeds} · {percent(1 - error)} accuracy"
        found.append(["validation error", text])
    if entry.number in contents.retrained:
        retrained = contents.retrained[entry.number]
        text = f"{tested(retrained)} after {retrained.epochs} epochs"
        found.append(["test error, retrained", text])
    price = f"{compact(known['params'])} parameters · {compact(known['macs'])} MACs"
    if known["latency_ms"] is not None:
        price += f" · {cost('latency_ms', known['latency_ms'])}"
    found.append(["cost", price])
    whole = f"{known['epochs']} of {known['max_epochs'] or '?'} epochs"
    found.append(["trained", f"{whole} · {duration(known['seconds'])}"])
    if known["why"]:
        found.append(["why", str(known["why"])])
    return found
