"""Domains of a configuration's fields: a choice, a range, a variant, or a value for each stage.

A field is declared once, with its default, its domain and its one-line doc:

    heads: int = choice(4, 1, 2, 8, doc="attention heads")          # the default comes first
    channels: int = integer(16, 8, 512, step=8, doc="…")            # default, low, high
    blocks: int = integer(3, 1, 64, search=Integers(1, 4), doc="…") # what a free search draws
    shortcut: Shortcut = one_of(Sum, Plain, doc="…")                # a union of dataclasses
    width: tuple[int, ...] = per_stage(Integers(8, 64), 8, doc="…") # per stage

A field that has no effect beside the values of other fields says so by `needs`:

    cells: int = integer(1, 1, 4, doc="…")
    dropout: float = choice(0.1, 0.0, doc="…", needs=STACKED)
    STACKED = Needs("cells ≥ 2", lambda at: at.own.cells > 1)
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Choice:
    """One of a few values; compared with their type, so that `1` is not `True`."""

    values: tuple[Scalar, ...]

    @cached_property
    def _type(self) -> type | None:
        """The type of all values, if it is one."""
        types = {type(value) for value in self.values}
        return types.pop() if len(types) == 1 else None

    def __contains__(self, value: object) -> bool:
        if type(value) is self._type:
            return value in self.values
        return any(type(value) is type(v) and value == v for v in self.values)

    def as_float(self, whole: int) -> int | float:
        """Return the equal value of a choice of floats; of any other choice, `whole` itself."""
        equal = [value for value in self.values if value == whole] if self._type is float else []
        return equal[0] if equal else whole

    def __str__(self) -> str:
        return " | ".join(map(_plain, self.values))


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to `high` (both included) in steps of `step`."""

    low: int
    high: int
    step: int = 1

    @cached_property
    def values(self) -> range:
        """All of them, in order."""
        return range(self.low, self.high + 1, self.step)

    def __contains__(self, value: object) -> bool:
        if type(value) is not int:
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"{self.low} … {self.high}{steps}"


@dataclass(frozen=True)
class Floats:
    """Real numbers from `low` to `high` (both included)."""

    low: float
    high: float
    log: bool = False

    def __contains__(self, value: object) -> bool:
        if type(value) not in (int, float):
            return False
        return self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{self.low:g} … {self.high:g}"

    def at(self, part: float) -> float:
        """Return the value at a fraction of the range, 0 to 1: of its logarithm if `log`."""
        part = min(1.0, max(0.0, part))
        if self.log:
            between = math.exp(math.log(self.low) + part * math.log(self.high / self.low))
        else:
            between = self.low + part * (self.high - self.low)
        return min(self.high, max(self.low, between))

    def part(self, value: float) -> float:
        """Return the fraction of the range, 0 to 1, at which `value` lies: the inverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


Domain = Choice | Integers | Floats


@dataclass(frozen=True)
class Variants:
    """Alternatives: dataclasses, each under its `label` (its class attribute)."""

    classes: tuple[type, ...]

    @property
    def by_label(self) -> dict[str, type]:
        """The classes by their labels, the default first."""
        return {cls.label: cls for cls in self.classes}  # type: ignore[attr-defined]

    @property
    def labels(self) -> Choice:
        """The labels as a choice, the default first."""
        return Choice(tuple(self.by_label))


@dataclass(frozen=True)
class PerStage:
    """A tuple with one value of `domain` for each stage: as many as the field `stages` says."""

    domain: Domain


class At(NamedTuple):  # made at half the price of a frozen dataclass, for every condition
    """Where a field is asked for: its object, those around it, and its stage, counted from 0.

    `root` is the whole tree, `parent` the object around `own`. In a tree that is being built, a
    value that is not there yet raises `NotYet`.
    """

    root: Any
    parent: Any
    own: Any
    stage: int = 0


class NotYet(Exception):
    """A value that a condition reads is chosen later in the walk."""


@dataclass(frozen=True)
class Needs:
    """The condition under which a field has an effect; else it is no part of the configuration."""

    text: str
    holds: Callable[[At], bool]


def choice(
    default: Scalar,
    *others: Scalar,
    search: tuple[Scalar, ...] | None = None,
    needs: Needs | None = None,
    doc: str,
) -> Any:
    """Declare a field that takes one of a few values.

    Parameters
    ----------
    default, *others
        All legal values, the default first.
    search
        The values that a study draws from unless its file says otherwise; all, if not given.
    needs
        Without this condition the field is not asked for and has its default.
    doc
        The meaning, one line, as `skipsearch space` prints it.
    """
    drawn = None if search is None else Choice(search)
    return _declare(Choice((default, *others)), doc, drawn, needs, default=default)


def integer(
    default: int,
    low: int,
    high: int,
    *,
    step: int = 1,
    search: Domain | None = None,
    needs: Needs | None = None,
    doc: str,
) -> Any:
    """Declare a field of integers, `low` to `high` inclusive; a study draws from `search`."""
    return _declare(Integers(low, high, step), doc, search, needs, default=default)


def real(
    default: float,
    low: float,
    high: float,
    *,
    log: bool = False,
    search: Floats | None = None,
    doc: str,
) -> Any:
    """Declare a field of real numbers, `low` to `high`, drawn log-uniformly if `log`."""
    return _declare(Floats(low, high, log), doc, search, default=default)


def one_of(default: type, *others: type, needs: Needs | None = None, doc: str) -> Any:
    """Declare a field that holds one of several dataclasses, each known by its `label`."""
    return _declare(Variants((default, *others)), doc, needs=needs, default_factory=default)


def per_stage(
    domain: Domain,
    *defaults: Scalar,
    search: Domain | None = None,
    needs: Needs | None = None,
    doc: str,
) -> Any:
    """Declare a field with a value for each stage.

    `defaults` are the values of the first stages; the last one stands for all further stages.
    """
    return _declare(PerStage(domain), doc, search or domain, needs, default=defaults)


def _declare(
    domain: Domain | Variants | PerStage,
    doc: str,
    search: Domain | None = None,
    needs: Needs | None = None,
    **default: Any,
) -> Any:
    """Return a field with its metadata; `search` is the part of `domain` worth searching."""
    about = {"domain": domain, "search": search or domain, "doc": doc, "needs": needs}
    return field(metadata=about, **default)


def check(name: str, domain: Domain, value: object) -> Scalar:
    """Return `value` as its domain writes it: an int becomes a float where floats are meant.

    Raises
    ------
    ValueError
        The value is outside the domain; the message has name, domain, value and nearest values.
    """
    if isinstance(domain, Choice) and type(value) is int:
        value = domain.as_float(value)
    if value not in domain:
        raise ValueError(f"{name} must be {domain}, got {_plain(value)}{_hint(domain, value)}")
    assert isinstance(value, bool | int | float | str)
    return float(value) if isinstance(domain, Floats) else value


def values_of(domain: Domain) -> tuple[Scalar, ...] | None:
    """Return all values of a finite domain in order, or None for a continuous one."""
    if isinstance(domain, Floats):
        return (domain.low,) if domain.low == domain.high else None
    return tuple(domain.values)


def uniform(domain: Domain, rng: random.Random) -> Scalar:
    """Draw a value uniformly, or log-uniformly from `Floats` with `log`."""
    if isinstance(domain, Floats):
        return domain.at(rng.random())
    return rng.choice(domain.values)


def size_of(domain: Domain) -> float:
    """Count the values of a domain; infinity for a continuous one."""
    if isinstance(domain, Floats):
        return 1 if domain.low == domain.high else math.inf
    return len(domain.values)


def nearest(word: str, known: list[str]) -> str:
    """Return ` (nearest: a, b)` for an unknown name, or "" if no known name resembles it."""
    near = get_close_matches(word, known, n=3, cutoff=0.6)
    near = near or [k for k in known if k.rsplit(".", 1)[-1] == word.rsplit(".", 1)[-1]][:3]
    return f" (nearest: {', '.join(near)})" if near else ""


def _hint(domain: Domain, value: object) -> str:
    if isinstance(domain, Choice) and isinstance(value, str):
        return nearest(value, [v for v in domain.values if isinstance(v, str)])
    if isinstance(domain, Integers) and type(value) is int and domain.step > 1:
        below = domain.low + (value - domain.low) // domain.step * domain.step
        near = [v for v in (below, below + domain.step) if v in domain]
        return f" (nearest: {', '.join(map(str, near))})" if near else ""
    return ""


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
