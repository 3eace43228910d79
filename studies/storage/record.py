"""Attributes in the storage as they are declared: a name, a type, what it says."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, Self, TypeVar, overload

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.walk import decode, encode

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Flat = dict[str, Scalar]  # a configuration: values by the names of its parameters


class Attribute(Generic[T_co]):
    """A key under which Optuna keeps a value. `record.seed` is the value, None until it is written;
    `record[TrialRecord.seed]` raises KeyError in that case.
    """

    name: str

    def __init__(self, about: str) -> None:
        self.about = about

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: "Record", owner: type) -> T_co | None: ...
    def __get__(self, record: "Record | None", owner: type) -> Self | T_co | None:
        if record is None:
            return self
        value = record.attributes.get(self.name)
        return None if value is None else self.read(value)

    def read(self, value: Any) -> Any:
        """Return a stored value as this version has it."""
        return value


class ArchAttribute(Attribute[Flat]):
    """An architecture, read without parameters that have no effect: earlier versions wrote them."""

    def read(self, value: Flat) -> Flat:
        """Return its canonical form; one that this version does not know as it is."""
        return dict(_canonical(tuple(value.items())))


@lru_cache(maxsize=8192)
def _canonical(flat: tuple[tuple[str, Scalar], ...]) -> tuple[tuple[str, Scalar], ...]:
    try:
        return tuple(encode(decode(Arch, dict(flat))).items())
    except ValueError:
        return flat


class Record:
    """Attributes as they are stored, read by declared names. Nothing is copied: reading thousands
    of trials costs no more than their dictionaries do.
    """

    __slots__ = ("attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes

    def __getitem__(self, key: Attribute[T]) -> T:
        value: T = key.read(self.attributes[key.name])
        return value

    @classmethod
    def declared(cls) -> dict[str, Attribute[Any]]:
        """Every key by its name."""
        return {name: one for name, one in vars(cls).items() if isinstance(one, Attribute)}

    @classmethod
    def require_declared(cls, written: Mapping[str, Any]) -> None:
        """Raise KeyError for a key that is not declared: nobody could read it."""
        if unknown := [name for name in written if not isinstance(vars(cls).get(name), Attribute)]:
            raise KeyError(f"{cls.__name__} declares no {', '.join(unknown)}")
