"""Job, report and steps: the words between a driver and a worker."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import index
from types import UnionType
from typing import Any, NamedTuple, Protocol, SupportsFloat, get_args, get_type_hints

from skipsearch.searchspace.parameters.domains import Scalar, nearest


@dataclass(frozen=True)
class Job:
    """What a worker must know of its trial."""

    number: int
    arch: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    seed: int
    max_epochs: int
    folder: str  # of this trial; the same path on every machine
    threads: int
    device: str
    baseline: bool = False
    costs: tuple[float, ...] = ()  # its other objectives, for its place at a rung
    max_seconds: float | None = None
    checkpoints: str = ""  # a path or a URI of their own; else they are in `folder`
    below: int | None = None  # judged beside trials of lower numbers only; None for all
    more_seeds: tuple[int, ...] = ()  # the network is trained with each of these too


@dataclass(frozen=True, kw_only=True)
class Report:
    """One epoch of a trial, as its training reports it and the driver judges and stores it.

    Errors are parts of the images, 0 to 1. None is what a training does not know: it is neither
    stored nor written into `curve.csv`, whose columns have this order. `Epoch` in `loop/fit.py` is
    what the epoch alone came to; `seconds` there are its own, here those of the training so far.
    """

    epoch: int  # 1 is the first
    lr: float | None = None  # of the last step
    train_loss: float | None = None  # cross-entropy without penalties, of augmented images
    train_error: float | None = None  # of the same images
    val_error: float  # nan or infinite where the training diverged, nan without validation images
    val_loss: float | None = None
    kept_error: float | None = None  # validation error of the kept weights; None: `val_error`
    last: bool = False  # training is over, also before `max_epochs`
    seconds: float | None = None  # of all epochs so far, validation included
    images_per_second: float | None = None  # of training alone, without validation
    peak_memory_bytes: int | None = None
    diverged: str = ""  # where the loss became nan or infinite; "" in every sound report
    checkpoint: str | None = None  # the file or URI that was written after this epoch
    val_errors: list[float] | None = None  # of the kept weights of each seed, where there are more
    val_error_sd: float | None = None  # sample standard deviation of `val_errors`
    test_error: float | None = None  # of a final training, after its last epoch
    test_loss: float | None = None
    node: str | None = None  # the machine that trained it, filled in by Ray's adapter
    pid: int | None = None  # the worker's process, likewise

    @property
    def error(self) -> float:
        """The validation error of the weights that remain if training ends here."""
        return self.val_error if self.kept_error is None else self.kept_error

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary of what is known, for checkpoints, `curve.csv` and Ray."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> "Report":
        """The report that `to_dict` wrote, of any version: other names are passed over."""
        return cls(**{name: flat[name] for name in FIELDS if name in flat})


class WrongReport(ValueError):
    """A report of a user's own training lacks a field or has a wrong one. The trial fails, and is
    not tried again: it would report the same.
    """


class Rule(NamedTuple):
    """What a field must be, and the reading of it, which raises where it is something else."""

    text: str
    read: Callable[[Any], Any]


def _number(value: Any) -> float:
    """Also a scalar of NumPy or a tensor of one element."""
    if not isinstance(value, SupportsFloat):
        raise TypeError
    return float(value)


def _count(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or index(value) < least:
        raise ValueError
    return index(value)


def _flag(value: Any) -> bool:
    if value not in (True, False):
        raise ValueError
    return bool(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


RULES_OF_TYPES = {
    float: Rule("a number", _number),
    int: Rule("a whole number", _count),
    bool: Rule("true or false", _flag),
    str: Rule("a text", _text),
    list[float]: Rule("a list of numbers", lambda value: [_number(each) for each in value]),
}


def _rule_of(hint: Any) -> Rule:
    """The rule of `T` is also that of `T | None`: what is not known is left out."""
    return RULES_OF_TYPES[get_args(hint)[0] if isinstance(hint, UnionType) else hint]


FIELDS = tuple(field.name for field in fields(Report))


RULES = {name: _rule_of(hint) for name, hint in get_type_hints(Report).items()} | {
    "epoch": Rule("a whole number from 1", lambda value: _count(value, 1)),
    "val_error": Rule("a number (nan where training diverged)", _number),
}


REMEDY = "mend what step() of your training returns, see skipsearch.trainers.trial.job.Report"


def report_of(given: object, needs: str = "val_error") -> Report:
    """The report in a mapping, or in a `Report`, of a user's own training; beside `epoch` it has
    the field that it `needs`. Raises WrongReport.
    """
    flat = given.to_dict() if isinstance(given, Report) else given
    if not isinstance(flat, Mapping):
        raise WrongReport(f"a report must be a Report or a mapping, got {given!r}: {REMEDY}")
    known: dict[str, Any] = {"val_error": math.nan}
    for name in ("epoch", needs):
        if name not in flat:
            there = ", ".join(map(str, flat)) or "nothing"
            raise WrongReport(
                f"report has no {name}, which must be {RULES[name].text}, only {there}: {REMEDY}"
            )
    for name, value in flat.items():
        if name not in RULES:
            hint = nearest(str(name), list(RULES))
            raise WrongReport(f"report: {name} is not a field of it{hint}: {REMEDY}")
        try:
            known[name] = RULES[name].read(value)
        except (TypeError, ValueError, RuntimeError):  # torch's, of a tensor of many elements
            raise WrongReport(
                f"report: {name} must be {RULES[name].text}, got {value!r}: {REMEDY}"
            ) from None
    return Report(**known)


class Steps(Protocol):
    """What an executor needs of a training: one report after every epoch."""

    def step(self) -> Report: ...
    def close(self) -> None: ...


Begin = Callable[[Job], Steps]


class OwnSteps(Protocol):
    """A training of the user's own, whose reports may be mappings; they are checked."""

    def step(self) -> Report | Mapping[str, Any]: ...
    def close(self) -> None: ...


OwnBegin = Callable[[Job], OwnSteps]


class Checked:
    """The training that a user's own `begin` starts, each of its reports checked."""

    def __init__(self, job: Job, begin: OwnBegin, needs: str = "val_error") -> None:
        self.own, self.needs = begin(job), needs

    def step(self) -> Report:
        """Raises WrongReport."""
        return report_of(self.own.step(), self.needs)

    def close(self) -> None:
        self.own.close()
