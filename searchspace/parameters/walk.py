"""Walk over a tree of configuration dataclasses: sample, encode, decode, override.

`walk(cls, pick)` asks `pick(name, domain, default)` at every field and builds the instance from
the answers. What answers is a chooser, and decides what the walk does: a sampler draws, a stored
dict decodes, a study file pins, defaults fill. Names are paths that contain the chosen variant
(`shortcut.attention.heads`), so a name always means the same question with the same domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from skipsearch.searchspace.parameters.course import Config, Course, Pick
from skipsearch.searchspace.parameters.domains import Domain, Scalar, check, nearest
from skipsearch.searchspace.parameters.questions import (
    Alternative,
    Chain,
    One,
    Row,
    has_effect,
    questions,
)


def walk(cls: type[Config], pick: Pick, prefix: str = "") -> Config:
    """Build a `cls` from the answers of the chooser `pick`.

    A field without effect beside the values chosen before it is not asked for. One that turns out
    to have none beside later values is, and gets its default.

    Raises
    ------
    ValueError
        An answer is outside its domain, or the classes refuse the combination.
    """

    def ask(name: str, domain: Domain, default: Scalar) -> Scalar:
        return check(name, domain, pick(name, domain, default))

    return Course(ask).built(cls, prefix)


def encode(config: object, prefix: str = "") -> dict[str, Scalar]:
    """Return a configuration as a flat dict: the inverse of `decode`.

    Fields without effect are left out: each name in it can change the network.

    Examples
    --------
    >>> encode(PRESETS["as/out"].arch)
    {'stem': 'conv3', …, 'shortcut': 'attention', 'shortcut.attention.heads': 4, …}
    """
    flat: dict[str, Scalar] = {}
    _encode(config, prefix, (), flat)
    return flat


def _encode(config: Any, prefix: str, around: Chain, flat: dict[str, Scalar]) -> None:
    chain = (*around, config)
    for one in questions(type(config), prefix):  # type: ignore[arg-type]
        value = getattr(config, one.field)
        if isinstance(one, Row):
            for stage, part in enumerate(value):
                if has_effect(one, chain, stage):
                    flat[f"{one.name}.{stage + 1}"] = part
        elif has_effect(one, chain):
            if isinstance(one, One):
                flat[one.name] = value
            else:
                flat[one.name] = value.label
                _encode(value, f"{one.name}.{value.label}.", chain, flat)


def decode(cls: type[Config], flat: Mapping[str, object], prefix: str = "") -> Config:
    """Build a configuration from its flat form: the inverse of `encode`.

    Values of fields without effect, as earlier versions recorded them, are left aside.

    Raises
    ------
    ValueError
        A name is missing, unknown or not active in this configuration, or a value is outside
        its domain.
    """
    unused, missing = dict(flat), dict[str, Domain]()

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        if name not in unused:
            missing[name] = domain
            return default
        return check(name, domain, unused.pop(name))

    course = Course(pick)
    config = course.built(cls, prefix)
    if missing:
        active = encode(config, prefix)
        for name, domain in missing.items():
            if name in active:
                raise ValueError(f"{name} is missing: it must be {domain}")
    idle = tuple(f"{name}." for name in course.idle)
    left = {name: value for name, value in unused.items() if not f"{name}.".startswith(idle)}
    refuse_unused(cls, left, prefix)
    return config


def override(
    cls: type[Config],
    changes: Mapping[str, object],
    base: Config | None = None,
    prefix: str = "",
) -> Config:
    """Return `base`, or the defaults, with some parameters changed.

    Parameters that a change makes active take their defaults.

    Parameters
    ----------
    changes
        Values by name; a name without its stage's number (`blocks`) stands for every stage.

    Raises
    ------
    ValueError
        A name is unknown or not active in the result, or a value is outside its domain.

    Examples
    --------
    >>> override(Arch, {"gate": "se", "gate.se.reduction": 8, "blocks": 2})
    """
    kept = {} if base is None else encode(base, prefix)
    used: set[str] = set()

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        for key in (name, every_stage(name)):
            if key in changes:
                used.add(key)
                return check(key, domain, changes[key])
        return kept.get(name, default)

    config = walk(cls, pick, prefix)
    refuse_unused(cls, {k: v for k, v in changes.items() if k not in used}, prefix)
    return config


def every_stage(name: str) -> str:
    """Drop the number of a stage: `blocks.2` → `blocks`; any other name stays as it is."""
    head, _, last = name.rpartition(".")
    return head if last.isdigit() else name


def refuse_unused(cls: type, unused: Mapping[str, object], prefix: str = "") -> None:
    """Raise ValueError for the first unused name: it is unknown, or belongs to another variant."""
    for name in unused:
        known = {p.name: p for p in document(cls, prefix)}
        known |= {every_stage(n): p for n, p in known.items()}
        if name not in known:
            raise ValueError(f"{name} is not a parameter{nearest(name, list(known))}")
        raise ValueError(f"{name} has no effect here: it needs {known[name].condition}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a tree, as `document` lists it."""

    name: str
    domain: Domain  # what is legal
    search: Domain  # what a study draws from unless its file says otherwise
    default: Scalar
    condition: str  # when it is active, "" for always
    doc: str


def document(cls: type, prefix: str = "", condition: str = "") -> list[Parameter]:
    """List every parameter of the tree in the order of the walk, conditional ones included."""
    rows: list[Parameter] = []
    for f, one in zip(fields(cls), questions(cls, prefix), strict=True):
        search, doc = f.metadata["search"], f.metadata["doc"]
        own = [text for text in (condition, one.needs.text if one.needs else "") if text]
        both = " and ".join(own)
        match one:
            case One(_, name, _, domain, default):
                rows.append(Parameter(name, domain, search, default, both, doc))
            case Alternative(_, name, _, labels, default, classes):
                rows.append(Parameter(name, labels, labels, default, both, doc))
                for label, variant in classes.items():
                    rows += document(variant, f"{name}.{label}.", f"{name} = {label}")
            case Row(_, _, _, domain):
                for stage, (name, default) in enumerate(one.parts):
                    there = own if stage < 2 else [f"stages ≥ {stage + 1}", *own[bool(condition) :]]
                    rows.append(Parameter(name, domain, search, default, " and ".join(there), doc))
    return rows
