"""Records and protocols between driver and worker: `Job`, `Report`, `Steps`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import index
from types import UnionType
from typing import Any, NamedTuple, Protocol, SupportsFloat, get_args, get_type_hints

from skipsearch.searchspace.parameters.domains import Scalar, nearest


@dataclass(frozen=True)
class Job:
    """One trial as the driver hands it to a worker: network, recipe, seeds, epochs, folder."""

    number: int
    arch: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    seed: int
    max_epochs: int
    folder: str  # of this trial; the same path on every machine
    threads: int
    device: str
    baseline: bool = False
    costs: tuple[float, ...] = ()  # the objectives after `val_error`, for its rank at a rung
    max_seconds: float | None = None
    checkpoints: str = ""  # a path or URI; "": in `folder`
    below: int | None = None  # at a rung, compared with trials numbered below only; None: all
    more_seeds: tuple[int, ...] = ()  # the network is also trained with each of these


@dataclass(frozen=True, kw_only=True)
class Report:
    """One epoch of a trial, as its training reports it and the driver judges and stores it.

    Errors are fractions of the images, 0 to 1. A training leaves fields that it does not know at
    None: they are neither stored nor written into `curve.csv`, whose columns have this order.
    `Epoch` in `loop/fit.py` describes the epoch alone; its `seconds` are the epoch's, these are
    those of the training so far.

    Examples
    --------
    >>> Report(epoch=3, val_error=0.21, kept_error=0.19).error
    0.19
    """

    epoch: int  # from 1
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
    diverged: str = ""  # where the loss became nan or infinite; "" otherwise
    checkpoint: str | None = None  # path or URI of the file written after this epoch
    val_errors: list[float] | None = None  # of the kept weights, by seed, where there are several
    val_error_sd: float | None = None  # sample standard deviation of `val_errors`
    test_error: float | None = None  # of a retraining, after its last epoch
    test_loss: float | None = None
    node: str | None = None  # the machine that trained it, filled in by Ray's adapter
    pid: int | None = None  # the worker's process, likewise

    @property
    def error(self) -> float:
        """The validation error of the weights that remain if training ends here."""
        return self.val_error if self.kept_error is None else self.kept_error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are not None, for checkpoints, `curve.csv` and Ray."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> "Report":
        """Read a dictionary that `to_dict` of any version wrote; unknown names are ignored."""
        return cls(**{name: flat[name] for name in FIELDS if name in flat})


class WrongReport(ValueError):
    """A report of a user's own training lacks a field or has a wrong one. The trial fails without
    a retry, which would report the same.
    """


class Rule(NamedTuple):
    """The rule of a field, in words, and the function that reads it or raises."""

    text: str
    read: Callable[[Any], Any]


def _number(value: Any) -> float:
    """Read a number, a NumPy scalar, or a tensor of one element."""
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
    """Return the rule of a type `T` or `T | None`, as a report leaves out what is unknown."""
    return RULES_OF_TYPES[get_args(hint)[0] if isinstance(hint, UnionType) else hint]


FIELDS = tuple(field.name for field in fields(Report))
RULES = {name: _rule_of(hint) for name, hint in get_type_hints(Report).items()} | {
    "epoch": Rule("a whole number from 1", lambda value: _count(value, 1)),
    "val_error": Rule("a number (nan where training diverged)", _number),
}
REMEDY = "mend what step() of your training returns, see skipsearch.trainers.trial.job.Report"


def report_of(given: object, needs: str = "val_error") -> Report:
    """Check a report of a user's own training, a mapping or a `Report`.

    Raises WrongReport if `epoch` or the field in `needs` is missing, or a field is unknown or
    wrong.

    Examples
    --------
    >>> report_of({"epoch": 1, "val_error": 0.25}).val_error
    0.25
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
        except (TypeError, ValueError, RuntimeError):  # the last for a tensor of many elements
            raise WrongReport(
                f"report: {name} must be {RULES[name].text}, got {value!r}: {REMEDY}"
            ) from None
    return Report(**known)


class Steps(Protocol):
    """A training as an executor runs it: one report after every epoch."""

    def step(self) -> Report:
        """Train one epoch and report it."""

    def close(self) -> None:
        """Release what the training holds."""


Begin = Callable[[Job], Steps]


class OwnSteps(Protocol):
    """A user's own training; its reports may be mappings, and are checked."""

    def step(self) -> Report | Mapping[str, Any]:
        """Train one epoch and report at least `epoch` and `val_error`."""

    def close(self) -> None:
        """Release what the training holds."""


OwnBegin = Callable[[Job], OwnSteps]


class Checked:
    """Run the training that a user's own `begin` starts, and check each of its reports."""

    def __init__(self, job: Job, begin: OwnBegin, needs: str = "val_error") -> None:
        self.own, self.needs = begin(job), needs

    def step(self) -> Report:
        """Train one epoch. Raises WrongReport if its report is wrong."""
        return report_of(self.own.step(), self.needs)

    def close(self) -> None:
        """Close the user's training."""
        self.own.close()
