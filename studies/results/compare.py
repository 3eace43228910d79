"""Systems side by side, as papers print them: costs, error with its spread, a t-test.

    for row in compare(["digits", "dia/resnet164-dia"]): print(row.name, row.mean, row.p)

A target is `STUDY` (all that was retrained of it), `STUDY#17`, `STUDY#cnntention/resnet20`, or a
preset or arch file, whose retraining is looked for in the studies among the targets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.assembly.cost import describe
from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.searchspace.presets import PRESETS, Result
from skipsearch.studies.config.arch_file import CLASSES, SHAPE, name_of, read_arch
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.results.retrained import (
    epochs_asked,
    finished,
    newest,
    retrain_trials,
    spread,
)
from skipsearch.studies.storage.find import RUNS, find
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord, baseline_numbers, val_error

Test = Literal["student", "welch"]
Errors = Literal["test", "validation"]
LOST = (TrialState.PRUNED, TrialState.FAIL)
Done = dict[str, list[FrozenTrial]]  # of retraining, by system


@dataclass(frozen=True)
class Row:
    """A system. Errors are parts of the images, 0 to 1; what there is not is nan, or empty."""

    name: str
    study: str  # "" for one that no study has
    params: int
    macs: int
    errors: tuple[float, ...]  # one a seed
    epochs: int  # 0 where it was not trained
    arch: dict[str, Any]
    data: str = ""  # which images, by their hash
    published: tuple[Result, ...] = ()
    lost: tuple[str, ...] = ()  # why others of its trainings came to nothing
    against: str = ""  # the baseline's name; "" for the baseline itself
    difference: float = math.nan  # of the mean error to the baseline's
    p: float = math.nan  # of no difference, two-sided; nan where it cannot be computed

    @property
    def n(self) -> int:
        return len(self.errors)

    @property
    def mean(self) -> float:
        return fmean(self.errors) if self.errors else math.nan

    @property
    def sd(self) -> float:
        return spread(self.errors)


def compare(
    targets: Sequence[str],
    *,
    baseline: str = "",
    test: Test = "student",
    on: Errors = "test",
    folder: Path = RUNS,
    storage: str | None = None,
) -> list[Row]:
    """The rows in the order of the targets, each compared with `baseline` (the first row where
    none is named). `on`: the test errors of retraining, or the validation errors of the search.

    Raises ValueError for a target or baseline that is not there."""
    studies: dict[str, optuna.Study] = {}
    for name in (_study_in(target) for target in targets):
        if name and name not in studies:
            studies[name] = find(name, folder=folder, storage=storage)
    rows: dict[tuple[str, str], Row] = {}
    for target in targets:
        for row in _rows(target, studies, on):
            rows.setdefault((row.study, row.name), row)
    found = list(rows.values())
    if not found:
        raise ValueError(
            f"{', '.join(targets)} has no retrained network: begin with `skipsearch retrain`"
        )
    if len({row.study for row in found if row.study}) > 1:
        found = [
            replace(row, name=f"{row.study}#{row.name}") if row.study else row for row in found
        ]
    return tested(found, baseline, test)


def tested(rows: Sequence[Row], baseline: str, test: Test) -> list[Row]:
    """Each row with its difference to the baseline's and the p of it."""
    first = _baseline(rows, baseline)
    return [
        row
        if row is first
        else replace(
            row,
            against=first.name,
            difference=row.mean - first.mean,
            p=p_value(row, first, test),
        )
        for row in rows
    ]


def p_value(a: Row, b: Row, test: Test) -> float:
    """Of the two-sample t-test, two-sided: Student's (equal variances, Student 1908) or Welch's
    (doi:10.1093/biomet/34.1-2.28). nan where one has less than two errors, or where none varies."""
    from scipy.stats import ttest_ind_from_stats

    if min(a.n, b.n) < 2 or not (a.sd > 0 or b.sd > 0):
        return math.nan
    both = (a.mean, a.sd, a.n, b.mean, b.sd, b.n)  # from errors it warns where they are all equal
    return float(ttest_ind_from_stats(*both, equal_var=test == "student").pvalue)


def _baseline(rows: Sequence[Row], name: str) -> Row:
    if not name:
        return rows[0]
    for row in rows:
        if name in (row.name, f"{row.study}#{row.name}"):
            return row
    names = [row.name for row in rows]
    raise ValueError(f"baseline {name} is not one of {', '.join(names)}{nearest(name, names)}")


def _study_in(target: str) -> str:
    """The study that a target names, "" where it names none."""
    if "#" in target:
        return target.partition("#")[0]
    own = target in PRESETS or Path(target).suffix == ".json"
    return "" if own else target


def _rows(target: str, studies: dict[str, optuna.Study], on: Errors) -> list[Row]:
    name, _, system = target.partition("#")
    if name not in studies:
        return [_lone(target, studies, on)]
    study = studies[name]
    done = finished(study)
    if system:
        return [_of_system(study, system, done, on)]
    if on == "validation":
        return [_of_system(study, str(t.number), done, on) for t in front_trials(study)]
    order = sorted(done, key=lambda s: min(t.number for t in done[s]))
    return [_of_system(study, system, done, on) for system in order]


def _lone(target: str, studies: dict[str, optuna.Study], on: Errors) -> Row:
    """A preset or an arch file, trained in one of the studies or not."""
    name = name_of(target)
    for study in studies.values():
        done = finished(study)
        if name in done or name in baseline_numbers(study):
            return _of_system(study, name, done, on)
    preset = PRESETS.get(target)
    arch = preset.arch if preset else read_arch(Path(target))
    classes, shape = (preset.classes, preset.shape) if preset else (CLASSES, SHAPE)
    cost = describe(arch, classes=classes, shape=shape)
    published = preset.results if preset else ()
    return Row(name, "", cost.params, cost.macs, (), 0, encode(arch), published=published)


def _of_system(study: optuna.Study, system: str, done: Done, on: Errors) -> Row:
    """A trial, or a preset or an arch file that was retrained."""
    trials = study.get_trials(deepcopy=False)
    number = baseline_numbers(study).get(system, int(system) if system.isdecimal() else -1)
    key = system if number < 0 else str(number)
    begun = [t for t in newest(retrain_trials(study)) if TrialRecord.of(t).system == key]
    own = done.get(key, [])
    if not begun and not 0 <= number < len(trials):
        names = [*done, *baseline_numbers(study)]
        raise ValueError(
            f"{study.study_name}#{system} is no trial and was not retrained"
            f"{nearest(system, names)}; retrained: {', '.join(names[:8]) or 'nothing'}"
        )
    trial = trials[number] if number >= 0 else begun[-1]
    record = TrialRecord.of(trial)
    if record.identity is None:
        raise ValueError(f"{study.study_name}#{system} has no network: {record.why or ''}")
    name = record.baseline or system
    about = StudyRecord.of(study)
    published = PRESETS[name].results if name in PRESETS else ()
    errors, epochs = _tested(own) if on == "test" else _validated(trial)
    return Row(
        name=name,
        study=study.study_name,
        params=record.cost.params,
        macs=record.cost.macs,
        errors=errors,
        epochs=epochs,
        arch=record[TrialRecord.arch],
        data=(about.data or {}).get("fingerprint", ""),
        lost=tuple(TrialRecord.of(t).why or "" for t in begun if t.state in LOST),
        published=tuple(r for r in published if r.dataset == about.settings.get("dataset")),
    )


def _tested(own: list[FrozenTrial]) -> tuple[tuple[float, ...], int]:
    epochs = epochs_asked(own[0]) if own else 0
    return tuple(float(t.values[0]) for t in own), epochs


def _validated(trial: FrozenTrial) -> tuple[tuple[float, ...], int]:
    """The validation errors of a trial, one a seed, and after how many epochs."""
    record = TrialRecord.of(trial)
    error = val_error(trial) if record.system is None else None
    errors = record.val_errors or ([] if error is None else [error])
    return tuple(map(float, errors)), trial.last_step or 0
