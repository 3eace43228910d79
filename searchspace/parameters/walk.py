"""Walk over a tree of configuration dataclasses: sample, encode, decode, override.

`walk(cls, pick)` asks `pick(name, domain, default)` at every field and builds the instance from
the answers. What answers is a chooser, and decides what the walk does: a sampler draws, a stored
dict decodes, a study file pins, defaults fill. Names are paths that contain the chosen variant
(`shortcut.attention.heads`), so a name always means the same question with the same domain.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any, TypeVar

from skipsearch.searchspace.parameters.domains import (
    At,
    Domain,
    NotYet,
    PerStage,
    Scalar,
    Variants,
    check,
    nearest,
)

Config = TypeVar("Config")
Pick = Callable[[str, Domain, Scalar], Scalar]
MOST_STAGES = 4


def walk(cls: type[Config], pick: Pick, prefix: str = "") -> Config:
    """Build a `cls` from the answers of the chooser `pick`.

    A field without effect beside the values chosen before it is not asked for. One that turns out
    to have none beside later values is, and gets its default.

    Raises
    ------
    ValueError
        An answer is outside its domain, or the classes refuse the combination.
    """
    return _built(cls, _Walk(pick), prefix)


class _Partial(SimpleNamespace):
    """An object that is being built."""

    def __getattr__(self, name: str) -> Any:
        raise NotYet(name)


@dataclass
class _Walk:
    """A walk's chooser, the fields it was not asked for, and whether it was asked for too many."""

    pick: Pick
    idle: list[str] = field(default_factory=list)
    early: bool = False


def _built(cls: type[Config], course: _Walk, prefix: str) -> Config:
    config = _walk(cls, course, prefix, ())
    return _settled(config, ()) if course.early else config


def _walk(cls: type[Config], course: _Walk, prefix: str, around: tuple[Any, ...]) -> Config:
    own = _Partial()
    chain = (*around, own)
    for f in fields(cls):  # type: ignore[arg-type]
        setattr(own, f.name, _answered(f, course, prefix + f.name, chain))
    return cls(**vars(own))


def _answered(f: "Field[Any]", course: _Walk, name: str, chain: tuple[Any, ...]) -> Any:
    """Return a field's value: as the chooser answers, or its default where it has no effect."""
    pick, domain = course.pick, f.metadata["domain"]
    if isinstance(domain, PerStage):
        parts = []
        for stage, (part, default) in enumerate(_parts(name, f, chain[0].stages)):
            asked = _asked(f, course, part, chain, stage)
            own = domain.domain
            parts.append(check(part, own, pick(part, own, default)) if asked else default)
        return tuple(parts)
    if not _asked(f, course, name, chain):
        return _without_effect(f)
    if isinstance(domain, Variants):
        label = str(check(name, domain.labels, pick(name, domain.labels, _default(f))))
        return _walk(domain.by_label[label], course, f"{name}.{label}.", chain)
    return check(name, domain, pick(name, domain, _default(f)))


def _asked(
    f: "Field[Any]", course: _Walk, name: str, chain: tuple[Any, ...], stage: int = 0
) -> bool:
    try:
        asked = _has_effect(f, chain, stage)
    except NotYet:
        course.early = True
        return True
    if not asked:
        course.idle.append(name)
    return asked


def _has_effect(f: "Field[Any]", chain: tuple[Any, ...], stage: int = 0) -> bool:
    """Evaluate a field's condition; the objects from the root to the field's own are `chain`."""
    needs = f.metadata["needs"]
    if needs is None:
        return True
    found: bool = needs.holds(At(chain[0], chain[max(0, len(chain) - 2)], chain[-1], stage))
    return found


def _settled(config: Config, around: tuple[Any, ...]) -> Config:
    """Give fields that have no effect in the whole tree their defaults."""
    chain, changed = (*around, config), {}
    for f in fields(config):  # type: ignore[arg-type]
        value, domain = getattr(config, f.name), f.metadata["domain"]
        if isinstance(domain, Variants):
            new = _settled(value, chain) if _has_effect(f, chain) else _without_effect(f)
        elif isinstance(domain, PerStage):
            new = value
        else:
            new = value if _has_effect(f, chain) else _without_effect(f)
        if new != value:
            changed[f.name] = new
    return replace(config, **changed) if changed else config  # type: ignore[type-var]


def _without_effect(f: "Field[Any]") -> Any:
    made: Any = f.default_factory
    return made() if isinstance(f.metadata["domain"], Variants) else f.default


def _default(f: "Field[Any]") -> Scalar:
    domain = f.metadata["domain"]
    default: Any = domain.labels.values[0] if isinstance(domain, Variants) else f.default
    assert isinstance(default, bool | int | float | str)
    return default


def _parts(name: str, f: "Field[Any]", stages: int) -> Iterator[tuple[str, Scalar]]:
    """Yield name and default of each stage's value of a `PerStage` field."""
    defaults: Any = f.default
    for stage in range(stages):
        yield f"{name}.{stage + 1}", defaults[min(stage, len(defaults) - 1)]


def encode(config: object, prefix: str = "") -> dict[str, Scalar]:
    """Return a configuration as a flat dict: the inverse of `decode`.

    Fields without effect are left out: each name in it can change the network.

    Examples
    --------
    >>> encode(PRESETS["as/out"].arch)
    {'stem': 'conv3', …, 'shortcut': 'attention', 'shortcut.attention.heads': 4, …}
    """
    return _encoded(config, prefix, ())


def _encoded(config: object, prefix: str, around: tuple[Any, ...]) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    chain = (*around, config)
    for f in fields(config):  # type: ignore[arg-type]
        name, value, domain = prefix + f.name, getattr(config, f.name), f.metadata["domain"]
        if isinstance(domain, PerStage):
            for stage, part in enumerate(value):
                if _has_effect(f, chain, stage):
                    flat[f"{name}.{stage + 1}"] = part
        elif not _has_effect(f, chain):
            continue
        elif isinstance(domain, Variants):
            flat[name] = value.label
            flat |= _encoded(value, f"{name}.{value.label}.", chain)
        else:
            flat[name] = value
    return flat


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

    course = _Walk(pick)
    config = _built(cls, course, prefix)
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
    for f in fields(cls):
        name, domain, doc = prefix + f.name, f.metadata["domain"], f.metadata["doc"]
        search, needs = f.metadata["search"], f.metadata["needs"]
        own = [one for one in (condition, needs.text if needs else "") if one]
        match domain:
            case Variants():
                labels, both = domain.labels, " and ".join(own)
                rows.append(Parameter(name, labels, labels, _default(f), both, doc))
                for label, variant in domain.by_label.items():
                    rows += document(variant, f"{name}.{label}.", f"{name} = {label}")
            case PerStage():
                for stage, (part, default) in enumerate(_parts(name, f, MOST_STAGES)):
                    there = own if stage < 2 else [f"stages ≥ {stage + 1}", *own[bool(condition) :]]
                    both = " and ".join(there)
                    rows.append(Parameter(part, domain.domain, search, default, both, doc))
            case _:
                both = " and ".join(own)
                rows.append(Parameter(name, domain, search, _default(f), both, doc))
    return rows
