"""Walk over a tree of configuration dataclasses: sample, encode, decode, override.

`walk(cls, pick)` asks `pick(name, domain, default)` at every field and builds the instance from
the answers. What answers is a chooser, and decides what the walk does: a sampler draws, a stored
dict decodes, a study file pins, defaults fill. Names are paths that contain the chosen variant
(`shortcut.attention.heads`), so a name always means the same question with the same domain.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, TypeVar

from skipsearch.searchspace.parameters.domains import (
    Domain,
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

    Raises
    ------
    ValueError
        An answer is outside its domain, or the classes refuse the combination.
    """
    return _walk(cls, pick, prefix, [0])


def _walk(cls: type[Config], pick: Pick, prefix: str, stages: list[int]) -> Config:
    values: dict[str, Any] = {}
    for f in fields(cls):  # type: ignore[arg-type]
        name, domain = prefix + f.name, f.metadata["domain"]
        match domain:
            case Variants():
                label = str(check(name, domain.labels, pick(name, domain.labels, _default(f))))
                variant = domain.by_label[label]
                values[f.name] = _walk(variant, pick, f"{name}.{label}.", stages)
            case PerStage():
                values[f.name] = tuple(
                    check(part, domain.domain, pick(part, domain.domain, default))
                    for part, default in _parts(name, f, stages[0])
                )
            case _:
                values[f.name] = check(name, domain, pick(name, domain, _default(f)))
        if f.name == "stages":
            stages[0] = values[f.name]
    return cls(**values)


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

    Examples
    --------
    >>> encode(PRESETS["as/out"].arch)
    {'stem': 'conv3', …, 'shortcut': 'attention', 'shortcut.attention.heads': 4, …}
    """
    flat: dict[str, Scalar] = {}
    for f in fields(config):  # type: ignore[arg-type]
        name, value = prefix + f.name, getattr(config, f.name)
        match f.metadata["domain"]:
            case Variants():
                flat[name] = value.label
                flat |= encode(value, f"{name}.{value.label}.")
            case PerStage():
                flat |= {f"{name}.{stage + 1}": part for stage, part in enumerate(value)}
            case _:
                flat[name] = value
    return flat


def decode(cls: type[Config], flat: Mapping[str, object], prefix: str = "") -> Config:
    """Build a configuration from its flat form: the inverse of `encode`.

    Raises
    ------
    ValueError
        A name is missing, unknown or not active in this configuration, or a value is outside
        its domain.
    """
    unused = dict(flat)

    def pick(name: str, domain: Domain, _default: Scalar) -> Scalar:
        if name not in unused:
            raise ValueError(f"{name} is missing: it must be {domain}")
        return check(name, domain, unused.pop(name))

    config = walk(cls, pick, prefix)
    refuse_unused(cls, unused, prefix)
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
        search = f.metadata["search"]
        match domain:
            case Variants():
                labels = domain.labels
                rows.append(Parameter(name, labels, labels, _default(f), condition, doc))
                for label, variant in domain.by_label.items():
                    rows += document(variant, f"{name}.{label}.", f"{name} = {label}")
            case PerStage():
                for stage, (part, default) in enumerate(_parts(name, f, MOST_STAGES)):
                    needs = condition if stage < 2 else f"stages ≥ {stage + 1}"
                    rows.append(Parameter(part, domain.domain, search, default, needs, doc))
            case _:
                rows.append(Parameter(name, domain, search, _default(f), condition, doc))
    return rows
