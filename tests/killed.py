"""A study that is killed at any SQL statement of its storage, and what must then be true.

Used by `tests/test_survival.py` for some of the statements and by `benchmarks/survival.py` for all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy import Engine, event
from tabulated import Silent, Tabulated, study_of, val_error

from studies.run import run
from studies.study import Study


class Killed(BaseException):
    """The driver dies here: nobody may catch it."""


@contextmanager
def killed_at(statement: int) -> Iterator[list[int]]:
    """Dies before the n-th statement that would change a database; gives how many there were."""
    count = [0]

    def before(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        if sql.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            count[0] += 1
            if count[0] == statement:
                raise Killed

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def small_study(**more: Any) -> Study:
    """Twelve trials of a TPE, a baseline over its limit, rungs."""
    space = {"stages": 2, "blocks": 1, "body": "basic", "gate": "none", "shortcut": ["none", "sum"]}
    tables = {
        "space": space,
        "limits": {"params": 60_000},
        "baselines": {"presets": ["as/resnet50"]},
    }
    return study_of(**{"trials": 12, "concurrency": 1, "deterministic": True} | tables | more)


class ByNetwork(Tabulated):
    """Curves that depend on the network, whatever the number of its trial."""

    def report(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "val_error": val_error(self.job.seed, self.epoch)}


def train(study: Study, folder: Path) -> optuna.Study:
    return run(study, folder=folder, observer=Silent(), in_process=True, begin=ByNetwork)


def outcome(study: optuna.Study) -> list[tuple[Any, ...]]:
    """What the charged trials came to, whatever their numbers are."""
    return [
        (t.user_attrs["identity"], t.state.name, t.intermediate_values, t.values)
        for t in study.trials
        if "charged" in t.user_attrs
    ]


def violations(plan: Study, study: optuna.Study, folder: Path) -> list[str]:
    """What is not as it must be after a study was killed and continued to its end."""
    charged = [t for t in study.trials if "charged" in t.user_attrs]
    wrong = []
    if len(charged) != plan.trials:
        wrong.append(f"{len(charged)} of {plan.trials} trials")
    if running := [t.number for t in study.trials if not t.state.is_finished()]:
        wrong.append(f"trials {running} are left running")
    keys = Counter((t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in charged)
    if keys and max(keys.values()) > 1:
        wrong.append("a network was trained twice")
    for trial in charged:
        steps = range(1, trial.last_step + 1) if trial.last_step else ()
        if trial.intermediate_values != {e: val_error(trial.user_attrs["seed"], e) for e in steps}:
            wrong.append(f"the curve of trial {trial.number} has a gap")
        if (trial.state == TrialState.COMPLETE) != (len(trial.intermediate_values) == plan.epochs):
            wrong.append(f"trial {trial.number} is {trial.state.name} of {trial.last_step} epochs")
        trained = (folder / "trials" / str(trial.number) / "trained.txt").read_text().split()
        if trained != [str(epoch) for epoch in steps]:
            wrong.append(f"trial {trial.number} trained epochs {trained}")
    return wrong
