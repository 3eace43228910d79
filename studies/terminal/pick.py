"""Print a picked trial: its figures, the rule that picked it, and commands to go on with."""

import shlex
from collections.abc import Mapping
from typing import Any

import optuna

from skipsearch.studies.humanize import cost, percent, percent_sd
from skipsearch.studies.results.front import records_of
from skipsearch.studies.results.pick import front_within, pick, standard_error, within
from skipsearch.studies.terminal.front import networks


def picked(
    study: optuna.Study, target: str, rule: str, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Return the picked trial as a record of the front, with `rule`, `limits`, `why` and the `next`
    commands. Raises ValueError as `results.pick.pick` does.
    """
    trial = pick(study, rule, limits)
    front = records_of(study, front_within(study, limits))
    words = dict(zip((r["trial"] for r in front), networks(front), strict=True))
    (record,) = (r for r in front if r["trial"] == trial.number)
    name, number = shlex.quote(target), trial.number
    commands = [
        f"skipsearch retrain {name} --trials {number}",
        f"skipsearch export {name} --trial {number} --to exports/{study.study_name}-{number}",
    ]
    about = {"rule": rule, "limits": dict(limits), "why": why(study, rule, limits)}
    about |= {"network": words[number], "next": commands}
    return {name: value for name, value in record.items() if name != "knee"} | about


def why(study: optuna.Study, rule: str, limits: Mapping[str, float]) -> str:
    """Explain in words why the rule picks this trial."""
    if rule == "knee":
        return f"the best trade-off between error and costs{within(limits)}"
    if rule == "best":
        return f"the lowest validation error{within(limits)}"
    best = front_within(study, limits)[0]
    error = standard_error(study, best)
    return (
        f"the smallest network{within(limits)} within one standard error of the best, trial "
        f"{best.number} ({percent(best.values[0])} + {percent(error.value)}, from {error.source})"
    )


def picked_lines(record: Mapping[str, Any]) -> list[str]:
    """Return the lines that `pick` prints from a `picked` record."""
    error = percent_sd(record["val_error"], record.get("val_error_sd"))
    lines = [
        f"trial     {record['trial']}: {record['why']}",
        f"error     {error} of the validation images ({percent(1 - record['val_error'])} accuracy)",
    ]
    if "test_error" in record:
        test = percent_sd(record["test_error"], record.get("test_error_sd"))
        lines.append(f"retrained {test} of the test images (n = {len(record['test_errors'])})")
    costs = {"params": "parameters", "macs": "multiply-accumulates", "latency_ms": "latency"}
    known = (f"{cost(n, record[n])} {word}" for n, word in costs.items() if n in record)
    return [
        *lines,
        f"costs     {', '.join(known)}",
        f"network   {record['network']}",
        *(f"{'next' if i == 0 else '':<9} {line}" for i, line in enumerate(record["next"])),
    ]
