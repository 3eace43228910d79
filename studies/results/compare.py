"""Compare systems side by side, as papers do: costs, error with its spread, a t-test."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, assert_never

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.assembly.cost import describe
from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.searchspace.presets import PRESETS, Result
from skipsearch.studies.config.arch_file import CLASSES, SHAPE, read_arch
from skipsearch.studies.config.target import (
    ArchFile,
    ExportFolder,
    PresetTarget,
    StoredStudy,
    StudyTarget,
    Target,
    TrialTarget,
    parse,
    refused,
)
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.results.retrained import (
    epochs_asked,
    finished,
    newest,
    retrain_trials,
    spread,
)
from skipsearch.studies.storage.find import RUNS, no_trial, open_study
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord, baseline_numbers, val_error

Test = Literal["student", "welch"]
Errors = Literal["test", "validation"]
LOST = (TrialState.PRUNED, TrialState.FAIL)
Done = dict[str, list[FrozenTrial]]  # finished retrainings by system
Compared = PresetTarget | ArchFile | StudyTarget | TrialTarget


@dataclass(frozen=True)
class Row:
    """One system of a comparison. Errors are fractions of the images, 0 to 1; a missing value is
    nan or empty.
    """

    name: str
    study: str  # "" if no study trained it
    params: int
    macs: int
    errors: tuple[float, ...]  # one per seed
    epochs: int  # 0 if it was not trained
    arch: dict[str, Any]
    data: str = ""  # fingerprint of the images
    published: tuple[Result, ...] = ()
    lost: tuple[str, ...] = ()  # reasons of its pruned and failed trainings
    against: str = ""  # the baseline's name; "" for the baseline itself
    difference: float = math.nan  # mean error minus the baseline's
    p: float = math.nan  # two-sided p-value of the difference; nan if it cannot be computed

    @property
    def n(self) -> int:
        """Number of seeds with an error."""
        return len(self.errors)

    @property
    def mean(self) -> float:
        """Mean error over the seeds; nan without any."""
        return fmean(self.errors) if self.errors else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation of the errors; nan for fewer than two."""
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
    """Compare systems with a baseline: costs, mean error, and a t-test of the difference.

    Parameters
    ----------
    targets
        Studies (every system retrained from it), trials or retrained systems of a study
        (`digits#17`, `digits#as/out`), presets, arch files. The last two are looked up among the
        retrained systems of the studies; without a study they have costs only.
    baseline
        The name of the row to compare with; by default the first.
    test
        Student's t-test (equal variances), or Welch's.
    on
        Test errors of retraining, or validation errors of the search.

    Returns
    -------
    list of Row
        In the order of the targets.

    Raises
    ------
    ValueError
        For a target or baseline that does not exist, in one line.

    Examples
    --------
    >>> rows = sk.compare(["digits", "dia/resnet164-dia"])  # doctest: +SKIP
    >>> [(row.name, row.mean, row.sd, row.p) for row in rows]  # doctest: +SKIP
    """
    named = [_comparable(parse(one, folder=folder, storage=storage)) for one in targets]
    homes = [one for one in map(_study_in, named) if one is not None]
    studies = {one.home: open_study(one, storage) for one in homes}
    rows: dict[tuple[str, str], Row] = {}
    for target in named:
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
    """Add to each row its difference from the baseline's mean error, and the p-value."""
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
    """Two-sided p-value of the two-sample t-test: Student's (equal variances, Student 1908) or
    Welch's (doi:10.1093/biomet/34.1-2.28). nan if a row has fewer than two errors, or if neither
    row's errors vary.
    """
    from scipy.stats import ttest_ind_from_stats

    if min(a.n, b.n) < 2 or not (a.sd > 0 or b.sd > 0):
        return math.nan
    both = (a.mean, a.sd, a.n, b.mean, b.sd, b.n)  # given errors, SciPy warns if all are equal
    return float(ttest_ind_from_stats(*both, equal_var=test == "student").pvalue)


def _baseline(rows: Sequence[Row], name: str) -> Row:
    if not name:
        return rows[0]
    for row in rows:
        if name in (row.name, f"{row.study}#{row.name}"):
            return row
    names = [row.name for row in rows]
    raise ValueError(f"baseline {name} is not one of {', '.join(names)}{nearest(name, names)}")


def _comparable(target: Target) -> Compared:
    """Return the target; raise ValueError for an export or a stored study."""
    match target:
        case ExportFolder() | StoredStudy():
            raise refused(target, [PresetTarget, ArchFile, StudyTarget, TrialTarget])
        case PresetTarget() | ArchFile() | StudyTarget() | TrialTarget():
            return target
        case _:
            assert_never(target)


def _study_in(target: Compared) -> StudyTarget | None:
    match target:
        case StudyTarget():
            return target
        case TrialTarget():
            return target.study
        case PresetTarget() | ArchFile():
            return None
        case _:
            assert_never(target)


def _rows(target: Compared, studies: dict[Path, optuna.Study], on: Errors) -> list[Row]:
    match target:
        case PresetTarget() | ArchFile():
            return [_lone(target, studies.values(), on)]
        case TrialTarget(study=of, which=which):
            study = studies[of.home]
            return [_of_system(study, which, finished(study), on)]
        case StudyTarget(home=home):
            study = studies[home]
        case _:
            assert_never(target)
    if on == "validation":
        return [_of_system(study, t.number, {}, on) for t in front_trials(study)]
    done = finished(study)
    order = sorted(done, key=lambda s: min(t.number for t in done[s]))
    return [_of_system(study, int(s) if s.isdecimal() else s, done, on) for s in order]


def _lone(target: PresetTarget | ArchFile, studies: Iterable[optuna.Study], on: Errors) -> Row:
    """Return the row of a preset or arch file: its retraining in one of the studies, if any."""
    name = target.name if isinstance(target, ArchFile) else target.text
    for study in studies:
        done = finished(study)
        if not name.isdecimal() and (name in done or name in baseline_numbers(study)):
            return _of_system(study, name, done, on)
    match target:
        case PresetTarget():
            preset = PRESETS[name]
            arch, published = preset.arch, preset.results
            classes, shape = preset.classes, preset.shape
        case ArchFile():
            arch, published = read_arch(target.path), ()
            classes, shape = CLASSES, SHAPE
        case _:
            assert_never(target)
    cost = describe(arch, classes=classes, shape=shape)
    return Row(name, "", cost.params, cost.macs, (), 0, encode(arch), published=published)


def _of_system(study: optuna.Study, system: int | str, done: Done, on: Errors) -> Row:
    """Return the row of a trial, or of a preset or arch file that the study retrained."""
    trials = study.get_trials(deepcopy=False)
    baselines = baseline_numbers(study)
    number = system if isinstance(system, int) else baselines.get(system, -1)
    key = str(system) if number < 0 else str(number)
    begun = [t for t in newest(retrain_trials(study)) if TrialRecord.of(t).system == key]
    own = done.get(key, [])
    if not begun and not 0 <= number < len(trials):
        names = dict.fromkeys([*(s for s in done if not s.isdecimal()), *baselines])
        raise no_trial(study, system, list(names))
    trial = trials[number] if number >= 0 else begun[-1]
    record = TrialRecord.of(trial)
    if record.identity is None:
        raise ValueError(f"{study.study_name}#{system} has no network: {record.why or ''}")
    name = record.baseline or str(system)
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
    """Return a trial's validation errors, one per seed, and its number of epochs."""
    record = TrialRecord.of(trial)
    error = val_error(trial) if record.system is None else None
    errors = record.val_errors or ([] if error is None else [error])
    return tuple(map(float, errors)), trial.last_step or 0
