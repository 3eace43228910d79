"""A space: a tree of configurations whose parameters are pinned, narrowed or left free."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Generic

from skipsearch.searchspace.parameters.course import Config, Course, Pick
from skipsearch.searchspace.parameters.domains import (
    Choice,
    Domain,
    Floats,
    Integers,
    PerStage,
    Scalar,
    Variants,
    check,
    nearest,
    size_of,
    values_of,
)
from skipsearch.searchspace.parameters.neighbours import Chosen, Drawn, held, uniformly
from skipsearch.searchspace.parameters.odometer import every
from skipsearch.searchspace.parameters.questions import Alternative, questions
from skipsearch.searchspace.parameters.walk import document, encode, every_stage


@dataclass(frozen=True)
class Space(Generic[Config]):
    """All configurations of `cls` whose parameters lie in the domains of `narrowed`, by name.

    A pinned parameter is a domain of one value: a chooser is never asked for it. Parameters that
    `narrowed` does not name are free: drawn from the `search` part of their domain.

    Examples
    --------
    >>> import random
    >>> space = parse_space(Arch, {"gate": ["se", "eca"], "stages": 3})
    >>> arch = space.sample(random.Random(0))
    """

    cls: type[Config]
    narrowed: Mapping[str, Domain]
    prefix: str = ""

    def draw(self, pick: Pick) -> Config:
        """Return the configuration for which `pick` chooses every free parameter.

        Parameters
        ----------
        pick
            Called as `pick(name, domain, default)`, in the order of the walk, for active
            parameters only.

        Raises
        ------
        ValueError
            An answer is outside its domain, or the classes refuse the combination.
        """
        return self.drawn(pick).config

    def drawn(self, pick: Pick) -> Drawn[Config]:
        """Draw like `draw`, and keep the answers that are part of the configuration.

        Where a choice comes to what the space does not have, such as a gate that stands nowhere,
        the parameters inside it take their defaults.
        """
        chosen: dict[str, Chosen] = {}
        course = Course(self._asking(pick, chosen))
        config = course.built(self.cls, self.prefix)
        if lost := self._lost(config):
            course = Course(self._asking(_mending(dict(chosen), tuple(lost)), chosen))
            config = course.built(self.cls, self.prefix)
        for name, label in self._lost(config).items():
            raise ValueError(f"{name[:-1]} comes to {label} here, must be {self.domain(name[:-1])}")
        literal = course.literal and not lost
        return Drawn(config, chosen if literal else held(chosen, encode(config, self.prefix)))

    def _asking(self, pick: Pick, chosen: dict[str, Chosen]) -> Pick:
        """Return a chooser that asks `pick` for free parameters, and writes them into `chosen`."""
        known = self._known

        def ask(name: str, legal: Domain, default: Scalar) -> Scalar:
            own, only = known.get(name) or self._learnt(name, legal)
            if only is not None:
                return only
            value = pick(name, own, default)
            if value not in own or isinstance(own, Floats):  # they hold whole numbers too
                value = check(name, legal, value)
                if value not in own:
                    return value
            chosen[name] = Chosen(own, value)
            return value

        return ask

    def _lost(self, config: Config) -> dict[str, str]:
        """Return choices that came to what the space does not have: the prefix of their parameters,
        and what they came to.
        """
        return {
            f"{name}.": label
            for field_name, name, domain in self._wanted
            if (label := getattr(config, field_name).label) not in domain
        }

    @cached_property
    def _wanted(self) -> list[tuple[str, str, Domain]]:
        """Narrowed variants that a network can come to be without, such as any gate."""
        return [
            (one.field, one.name, self.narrowed[one.name])
            for one in questions(self.cls, self.prefix)  # type: ignore[arg-type]
            if isinstance(one, Alternative) and one.name in self.narrowed
        ]

    @cached_property
    def _known(self) -> dict[str, tuple[Domain, Scalar | None]]:
        """Domains that were asked for, with the value of those that have only one."""
        return {}

    def _learnt(self, name: str, legal: Domain) -> tuple[Domain, Scalar | None]:
        own = self.domain(name)
        values = values_of(own) if size_of(own) == 1 else None
        self._known[name] = own, check(name, legal, values[0]) if values else None
        return self._known[name]

    def sample(self, rng: random.Random) -> Config:
        """Draw a configuration, each free parameter uniformly, or log-uniformly if declared so."""
        return self.draw(uniformly(rng))

    def domain(self, name: str) -> Domain:
        """Return the domain of `name`: as narrowed, as narrowed for every stage, or as searched."""
        return self.narrowed.get(name) or self.narrowed.get(every_stage(name)) or self._search[name]

    @cached_property
    def _search(self) -> dict[str, Domain]:
        return {p.name: p.search for p in document(self.cls, self.prefix)}

    def table(self) -> list[dict[str, str]]:
        """List the parameters that can be active: name, domain, default, condition, doc."""
        rows = []
        for p in document(self.cls, self.prefix):
            if self._reachable(p.name):
                domain = str(self.domain(p.name))
                row = {"name": p.name, "domain": domain, "default": str(p.default)}
                rows.append(row | {"condition": p.condition, "doc": p.doc})
        return rows

    def every(self) -> Iterator[Config]:
        """Enumerate all configurations of a space of finite size."""
        return every(self.draw)

    def size(self) -> float:
        """Count the combinations: infinity if a continuous parameter is free.

        Those that differ only in what has no effect are the same configuration, so it is a bound.
        """
        if all(f.name != "stages" for f in fields(self.cls)):  # type: ignore[arg-type]
            return _count(self, self.cls, self.prefix, 0)
        stages = values_of(self.domain(f"{self.prefix}stages")) or ()
        return sum(_count(self, self.cls, self.prefix, int(n)) for n in stages)

    def _reachable(self, name: str) -> bool:
        """Return False for a parameter of a variant, or of a stage, that the narrowing excludes."""
        parts = name.split(".")
        if parts[-1].isdigit():
            stages = values_of(self.domain(f"{self.prefix}stages")) or ()
            return int(parts[-1]) <= max(map(int, stages)) and self._reachable(every_stage(name))
        for end in range(1, len(parts) - 1):
            owner, label = ".".join(parts[:end]), parts[end]
            domain = self.narrowed.get(owner)
            if isinstance(domain, Choice) and label not in domain:
                return False
        return True


def _mending(answers: Mapping[str, Chosen], lost: tuple[str, ...]) -> Pick:
    """Return a chooser that answers as before, but with defaults inside the choices `lost`."""

    def answer(name: str, domain: Domain, default: Scalar) -> Scalar:
        if name in answers and not name.startswith(lost):
            return answers[name].value
        return default if default in domain else (values_of(domain) or (default,))[0]

    return answer


def parse_space(
    cls: type[Config], given: Mapping[str, object], prefix: str = "", where: str = "[space]"
) -> Space[Config]:
    """Build a space from a table of a study file.

    Parameters
    ----------
    cls
        `Arch` or `Recipe`.
    given
        By the name of a parameter: a value pins it, a list narrows it to these values,
        `{low, high}` (with `step` or `log`) to a range. A name without its stage's number
        (`blocks`) stands for every stage.
    prefix
        Put before every name, such as `recipe.`.
    where
        The table, as error messages name it.

    Raises
    ------
    ValueError
        A name is unknown or can never be active here, or a value is outside its domain.

    Examples
    --------
    >>> parse_space(Arch, {"shortcut": "sum", "blocks": {"low": 1, "high": 3}}).size()
    """
    full = {p.name: p for p in document(cls, prefix)}
    known = {every_stage(n): p for n, p in full.items()} | full
    narrowed: dict[str, Domain] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"{where} {name} is not a parameter{nearest(name, list(known))}; "
                "`skipsearch space` lists them all"
            )
        narrowed[name] = _narrow(f"{where} {name}", known[name].domain, value)
    space = Space(cls, narrowed, prefix)
    for name in given:
        if not space._reachable(name):
            raise ValueError(f"{where} {name} has no effect here: it needs {known[name].condition}")
    return space


def _narrow(name: str, full: Domain, value: object) -> Domain:
    if isinstance(value, list):
        if not value:
            raise ValueError(f"{name} is an empty list: give at least one of {full}")
        values = tuple(check(name, full, v) for v in value)
        if len(set(values)) < len(values):
            raise ValueError(f"{name} repeats a value: {value}")
        return Choice(values)
    if isinstance(value, Mapping):
        return _range(name, full, value)
    return Choice((check(name, full, value),))


def _range(name: str, full: Domain, value: Mapping[str, Any]) -> Domain:
    unknown = [k for k in value if k not in ("low", "high", "step", "log")]
    if unknown or not {"low", "high"} <= set(value):
        raise ValueError(f"{name} must be {{low, high, step, log}}, got {dict(value)}")
    if isinstance(full, Choice):
        raise ValueError(f"{name} is a choice: list the values you want of {full}")
    low, high = check(name, full, value["low"]), check(name, full, value["high"])
    if low > high:  # type: ignore[operator]
        raise ValueError(f"{name} must have low ≤ high, got {low} and {high}")
    if isinstance(full, Floats):
        if "step" in value:
            raise ValueError(f"{name} is continuous and takes no step: leave `step` out")
        return Floats(float(low), float(high), log=value.get("log", full.log))
    if "log" in value:
        raise ValueError(f"{name} is drawn evenly: leave `log` out")
    step = value.get("step", full.step)
    if type(step) is not int or step < 1 or step % full.step:
        raise ValueError(f"{name} step must be a multiple of {full.step}, got {step}")
    low, high = int(low), int(high)
    return Integers(low, low + (high - low) // step * step, step)


def _count(space: Space[Any], cls: type, prefix: str, stages: int) -> float:
    total = 1.0
    for f in fields(cls):
        name = prefix + f.name
        match f.metadata["domain"]:
            case Variants() as variants:
                labels = values_of(space.domain(name)) or ()
                total *= sum(
                    _count(space, variants.by_label[str(label)], f"{name}.{label}.", stages)
                    for label in labels
                )
            case PerStage():
                for stage in range(stages):
                    total *= size_of(space.domain(f"{name}.{stage + 1}"))
            case _ if f.name != "stages":
                total *= size_of(space.domain(name))
    return total
