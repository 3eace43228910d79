"""Kill a study at any write of its storage, and check what must hold after it was continued.

Used by `tests/kills/test_survival.py` for some of the writes and by `benchmarks/survival.py` for
all of them.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.pruning.rungs import rungs_of
from tests.support.tabulated_training import ByNetwork, Silent, charged, study_of, val_error

Moment = Literal["before", "after", "committed"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
WRITES = ("INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """Stands for SIGKILL at this point: not an Exception, so that no handler catches it; a dead
    driver writes nothing any more.
    """


@dataclass
class Death:
    """Raises `Killed` at the n-th write: `before` the statement that would change a database,
    `after` it and before its transaction is committed, or when a transaction of Optuna's that
    changed it is `committed` (for those of `studies.storage.bulk_writes` that is the same as
    `before` the next statement).

    `passed` counts the moments of each kind; with `number` 0 the driver is never killed.
    """

    moment: Moment = "before"
    number: int = 0
    changing: bool = False  # the open transaction has changed the database
    dead: bool = False

    def __post_init__(self) -> None:
        self.passed: Counter[Moment] = Counter()

    def before(self, _connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        if sql.lstrip()[:6].upper() in WRITES:
            self._at("before")
            self.changing = True

    def after(self, _connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        if sql.lstrip()[:6].upper() in WRITES:
            self._at("after")

    def committed(self, _session: Any) -> None:
        if self.changing:
            self.changing = False
            self._at("committed")

    def _at(self, moment: Moment) -> None:
        self.passed[moment] += 1
        hit = moment == self.moment and self.passed[moment] == self.number
        self.dead = self.dead or hit
        if self.dead:
            raise Killed


@contextmanager
def killed_at(moment: Moment = "before", number: int = 0) -> Iterator[Death]:
    death = Death(moment, number)
    listeners = (
        (Engine, "before_cursor_execute", death.before),
        (Engine, "after_cursor_execute", death.after),
        (Session, "after_commit", death.committed),
    )
    for listener in listeners:
        event.listen(*listener)
    try:
        yield death
    finally:
        for listener in listeners:
            event.remove(*listener)


FIXED = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
SPACES: dict[str, dict[str, Any]] = {
    "wide": {
        "stages": 2,
        "blocks": 1,
        "body": "basic",
        "gate": "none",
        "shortcut": ["none", "sum"],
    },
    # 48 networks of some 20,000 parameters, described in a quarter of the time
    "narrow": FIXED
    | {"stem_channels": [8, 16, 24], "norm": ["batch", "none"], "last_norm": ["batch", "none"]}
    | {"downsampling": ["stride", "max_pool"], "activation": ["post", "linear"]},
}


def small_study(space: str = "narrow", **more: Any) -> StudyConfig:
    """Return a study of twelve trials, a baseline over its limit, and rungs; two trials train at a
    time and are told in order.
    """
    tables = {
        "space": SPACES[space],
        "limits": {"params": 60_000 if space == "wide" else 21_300},
        "baselines": {"presets": ["cnntention/resnet20"]},
    }
    return study_of(
        **{"trials": 12, "pruner": "pareto-asha", "deterministic": True} | tables | more
    )


def train(config: StudyConfig, folder: Path) -> optuna.Study:
    gc.collect()  # close the connections of a driver killed in this process, as its end would
    return run(config, folder=folder, observer=Silent(), in_process=True, begin=ByNetwork)


def outcome(study: optuna.Study) -> list[tuple[Any, ...]]:
    """Return the results of the charged trials, independent of their numbers."""
    return [
        (t.user_attrs["identity"], t.state.name, t.intermediate_values, t.values)
        for t in charged(study)
    ]


def front(study: optuna.Study) -> set[tuple[Any, ...]]:
    return {(t.user_attrs["identity"], *t.values) for t in study.best_trials}


def rungs(config: StudyConfig, study: optuna.Study) -> dict[int, dict[str, tuple[float, ...]]]:
    """Rebuild the rungs as the next driver would, keyed by network instead of trial number; empty
    if the study has none.
    """
    if config.pruner not in ("asha", "pareto-asha"):
        return {}
    rebuilt = rungs_of(config)
    rebuilt.load(study.trials, config.costs)
    network = {t.number: t.user_attrs["identity"] for t in charged(study)}
    return {e: {network[n]: at for n, at in rung.items()} for e, rung in rebuilt.at.items()}


LOSSES = (
    "trials lost",
    "repeated",
    "left running",
    "curve gaps",
    "doubled points",
    "epochs trained twice",
    "wrong states",
    "studies that differ",
)
Counts = Counter[str]


def counted(config: StudyConfig, study: optuna.Study, folder: Path) -> Counts:
    """Count, by kind, what went wrong in a study that was killed and continued to its end."""
    found, trials = Counter[str](), charged(study)
    found["trials lost"] = abs(config.trials - len(trials))
    keys = Counter((t.user_attrs["identity"], str(t.user_attrs["recipe"])) for t in trials)
    found["repeated"] = sum(keys.values()) - len(keys)
    found["left running"] = sum(not t.state.is_finished() for t in study.trials)
    for trial in trials:
        found += _of_trial(config, trial, folder / "trials" / str(trial.number))
    return +found


def _of_trial(config: StudyConfig, trial: FrozenTrial, folder: Path) -> Counts:
    """Count gaps and doubled points of a trial in its stored curve and in its trained epochs."""
    curve, seed = trial.intermediate_values, trial.user_attrs["seed"]
    steps = list(range(1, (trial.last_step or 0) + 1))
    lines = (folder / "trained.txt").read_text().split()
    complete = trial.state == TrialState.COMPLETE
    ended = complete or (trial.state == TrialState.PRUNED and trial.last_step in (1, 3))
    return Counter(
        {
            "curve gaps": len(set(steps) - set(curve)) + len({*map(str, steps)} - {*lines}),
            # the key allows one point per epoch; a point of another epoch shows by its value
            "doubled points": sum(curve[e] != val_error(seed, e) for e in curve),
            "epochs trained twice": len(lines) - len(set(lines)),
            "wrong states": int(not ended or complete != (len(curve) == config.epochs)),
        }
    )


def violations(
    config: StudyConfig, study: optuna.Study, folder: Path, whole: optuna.Study | None = None
) -> Counts:
    """Return `counted`, plus one if the study differs from the undisturbed study `whole`."""
    found = counted(config, study, folder)
    if whole is not None:
        same = (
            outcome(study) == outcome(whole)
            and front(study) == front(whole)
            and rungs(config, study) == rungs(config, whole)
        )
        found["studies that differ"] = int(not same)
    return +found
