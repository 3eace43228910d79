"""The course of a walk: ask at every field of a tree, and build the tree of the answers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from skipsearch.searchspace.parameters.domains import Domain, NotYet, Scalar
from skipsearch.searchspace.parameters.questions import (
    Chain,
    One,
    Question,
    Row,
    changes_itself,
    has_effect,
    questions,
)

Config = TypeVar("Config")
Pick = Callable[[str, Domain, Scalar], Scalar]  # answers (name, domain, default)


class _Partial:
    """An object that is being built."""

    def __getattr__(self, name: str) -> Any:
        raise NotYet(name)


@dataclass
class Course:
    """One walk: a chooser whose answers are legal as they stand, and what came of them."""

    ask: Pick
    idle: list[str] = field(default_factory=list)  # names that were not asked for
    early: set[str] = field(default_factory=set)  # asked before it was known if they have an effect
    literal: bool = True  # each answer is part of the configuration as it was given

    def built(self, cls: type[Config], prefix: str) -> Config:
        """Return the configuration. Raises ValueError if the classes refuse the answers."""
        config: Config = self._object(cls, prefix, ())
        return self._settled(config, prefix, ()) if self.early else config

    def _object(self, cls: Any, prefix: str, around: Chain) -> Any:
        asked = questions(cls, prefix)
        if not asked:
            return cls()
        own = _Partial()
        values, chain, ask = vars(own), (*around, own), self.ask
        for one in asked:
            if one.needs is None and isinstance(one, One):  # two of three fields: without a call
                values[one.field] = ask(one.name, one.domain, one.default)
            else:
                values[one.field] = self._value(one, chain)
        made = cls(**values)
        if changes_itself(cls) and vars(made) != values:
            self.literal = False
        return made

    def _value(self, one: Question, chain: Chain) -> Any:
        """Return a field's value: as the chooser answers, or its default where it has no effect."""
        if isinstance(one, Row):
            return self._row(one, chain)
        if one.needs is not None and not self._asks(one, one.name, chain):
            return one.without_effect()
        answer = self.ask(one.name, one.domain, one.default)
        if isinstance(one, One):
            return answer
        return self._object(one.classes[str(answer)], f"{one.name}.{answer}.", chain)

    def _row(self, one: Row, chain: Chain) -> tuple[Scalar, ...]:
        values = []
        for stage, (name, default) in enumerate(one.parts[: chain[0].stages]):
            asked = one.needs is None or self._asks(one, name, chain, stage)
            values.append(self.ask(name, one.domain, default) if asked else default)
        return tuple(values)

    def _asks(self, one: Question, name: str, chain: Chain, stage: int = 0) -> bool:
        try:
            asked = has_effect(one, chain, stage)
        except NotYet:
            self.early.add(name)
            return True
        if not asked:
            self.idle.append(name)
        return asked

    def _settled(self, config: Any, prefix: str, around: Chain) -> Any:
        """Give fields that were asked for too early, and have no effect, their defaults."""
        chain, changed = (*around, config), dict[str, Any]()
        for one in questions(type(config), prefix):  # type: ignore[arg-type]
            if any(f"{name}.".startswith(f"{one.name}.") for name in self.early):
                value = getattr(config, one.field)
                new = self._settled_value(one, value, chain)
                if new != value:
                    changed[one.field] = new
        return replace(config, **changed) if changed else config

    def _settled_value(self, one: Question, value: Any, chain: Chain) -> Any:
        if isinstance(one, Row):  # as it was answered: what has no effect is not encoded
            self.literal = False
            return value
        if not has_effect(one, chain):
            self.literal = False
            return one.without_effect()
        if isinstance(one, One):
            return value
        return self._settled(value, f"{one.name}.{value.label}.", chain)
