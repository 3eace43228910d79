"""What `skipsearch pick` shows: the trial, why it, and what can be done with it next."""

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
    """The picked trial as a record of the front, with `rule`, `limits`, `why` and the `next`
    commands. Raises ValueError as `pick`.
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
    """The rule in words."""
    if rule == "knee":
        return f"the best bargain between error and costs{within(limits)}"
    if rule == "best":
        return f"the lowest validation error{within(limits)}"
    best = front_within(study, limits)[0]
    error = standard_error(study, best)
    return (
        f"the smallest network{within(limits)} within one standard error of the best, trial "
        f"{best.number} ({percent(best.values[0])} + {percent(error.value)}, from {error.source})"
    )


def picked_lines(record: Mapping[str, Any]) -> list[str]:
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
