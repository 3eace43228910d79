"""Questions: what a walk asks at the fields of a class, read from its metadata once.

Names, defaults and conditions are the same at every visit. Read from the dataclass each time, they
took a third of the time of a draw.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from functools import cache
from typing import Any

from skipsearch.searchspace.parameters.domains import (
    At,
    Choice,
    Domain,
    Needs,
    PerStage,
    Scalar,
    Variants,
)

MOST_STAGES = 4
Chain = tuple[Any, ...]  # the objects from the root to a field's own


@dataclass(frozen=True, slots=True)
class One:
    """A field with one value."""

    field: str
    name: str  # in the whole tree: a path that contains the variants on the way
    needs: Needs | None
    domain: Domain
    default: Scalar

    def without_effect(self) -> Scalar:
        """Return the value where the condition does not hold."""
        return self.default


@dataclass(frozen=True, slots=True)
class Alternative:
    """A field with one of several dataclasses."""

    field: str
    name: str
    needs: Needs | None
    domain: Choice  # their labels
    default: str
    classes: dict[str, type]
    without_effect: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A field with a value for each stage."""

    field: str
    name: str
    needs: Needs | None
    domain: Domain
    parts: tuple[tuple[str, Scalar], ...]  # of each stage: its name and default


Question = One | Alternative | Row


@cache
def questions(cls: Any, prefix: str) -> tuple[Question, ...]:
    """Return the questions of a class, in their order; their names start with `prefix`."""
    return tuple(_question(f, prefix + f.name) for f in fields(cls))


def _question(f: "Field[Any]", name: str) -> Question:
    domain, needs, default = f.metadata["domain"], f.metadata["needs"], f.default
    match domain:
        case Variants():
            made: Any = f.default_factory
            return Alternative(
                f.name, name, needs, domain.labels, made.label, domain.by_label, made
            )
        case PerStage():
            assert isinstance(default, tuple)
            defaults = [default[min(k, len(default) - 1)] for k in range(MOST_STAGES)]
            parts = tuple((f"{name}.{k + 1}", one) for k, one in enumerate(defaults))
            return Row(f.name, name, needs, domain.domain, parts)
        case _:
            assert isinstance(default, bool | int | float | str)
            return One(f.name, name, needs, domain, default)


@cache
def changes_itself(cls: Any) -> bool:
    """Return True if a class may fill its fields with other values than it is given."""
    return hasattr(cls, "__post_init__")


def has_effect(one: Question, chain: Chain, stage: int = 0) -> bool:
    """Evaluate the condition of a field of the last object of `chain`."""
    if one.needs is None:
        return True
    return one.needs.holds(At(chain[0], chain[max(0, len(chain) - 2)], chain[-1], stage))
