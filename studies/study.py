"""A study file: what is searched, on which images, by which means, within which limits.

    study = Study.from_file("digits.toml", ["trials=50", "space.shortcut=attention"])

Everything wrong in it is a ValueError of one line: file and place, rule, value, nearest names.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from searchspace.arch import Arch
from searchspace.domains import Choice, Scalar, nearest
from searchspace.presets import PRESETS
from searchspace.space import Space, parse_space
from searchspace.walk import document, encode
from studies.arch_file import read_arch
from studies.toml import override, read
from trainers.recipe import Recipe
from trainers.recipes import RECIPES

COSTS = ("params", "macs", "latency_ms")
SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random")
PRUNERS = ("asha", "none")
# What may differ when a study is continued: how much, how fast and from where, never what.
MAY_CHANGE = ("trials", "concurrency", "cpus_per_trial", "gpus_per_trial", "data_dir")
# What every study has, whatever its file leaves out; in this order in the frozen file.
STUDY_DEFAULTS: dict[str, Any] = {
    "objectives": ["val_error", "params"],
    "trials": 50,
    "epochs": 10,
    "sampler": "tpe",
    "pruner": "asha",
    "grace": 1,
    "seed": 0,
    "concurrency": 1,
    "cpus_per_trial": 1,
    "gpus_per_trial": 0,
}
STUDY_KEYS = (
    "name",
    "dataset",
    "data_dir",
    "image_size",
    "channels",
    "train_subset",
    "validation",
    *STUDY_DEFAULTS,
)
COUNTS = (
    "trials",
    "epochs",
    "grace",
    "concurrency",
    "cpus_per_trial",
    "image_size",
    "train_subset",
)
SECTIONS = ("study", "limits", "recipe", "space", "baselines")


@dataclass(frozen=True, kw_only=True)
class Study:
    """A checked study file. `epochs` are full fidelity: only trials that had them, or whose recipe
    ended early, are compared."""

    name: str
    dataset: str
    data_dir: str | None = None
    image_size: int | None = None
    channels: int | None = None
    train_subset: int | None = None
    validation: float | None = None
    objectives: tuple[str, ...]
    trials: int
    epochs: int
    sampler: str
    pruner: str
    grace: int  # epochs before the first rung of ASHA
    seed: int
    concurrency: int
    cpus_per_trial: int
    gpus_per_trial: float
    limits: Mapping[str, float] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    where: str = field(default="study", compare=False)  # the file's name, for messages

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> "Study":
        path = Path(path)
        given = read(path)
        for change in overrides:
            override(given, change, SECTIONS)
        return cls.from_dict(given, where=path.name, stem=path.stem, folder=path.parent)

    @classmethod
    def from_dict(
        cls, given: Mapping[str, Any], *, where: str, stem: str = "study", folder: Path = Path()
    ) -> "Study":
        """From the tables of a study file; `folder` is what relative paths in it start from."""
        for section, table in given.items():
            known(where, section, SECTIONS, "a section")
            if not isinstance(table, Mapping):
                raise ValueError(f"{where} {section} must be a table: write [{section}]")
        study = cls(
            **_study(f"{where} [study]", given.get("study", {}), stem),
            limits=_limits(f"{where} [limits]", given.get("limits", {})),
            recipe=given.get("recipe", {}),
            space=given.get("space", {}),
            **_baselines(f"{where} [baselines]", given.get("baselines", {}), folder),
            where=where,
        )
        _ = study.arch_space, study.recipe_space, study.baselines  # each refuses what is wrong
        return study

    def to_dict(self) -> dict[str, Any]:
        """The canonical tables, every default written out: `from_dict` gives the study back."""
        flat = asdict(self)
        study = {key: _plain(flat[key]) for key in STUDY_KEYS if flat[key] is not None}
        tables = {
            "study": study,
            "limits": dict(self.limits),
            "recipe": {"preset": "short", **self.recipe},
            "space": dict(self.space),
            "baselines": {k: list(flat[k]) for k in ("presets", "files") if flat[k]},
        }
        return {name: table for name, table in tables.items() if table}

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives after `val_error`."""
        return self.objectives[1:]

    @cached_property
    def arch_space(self) -> Space[Arch]:
        return parse_space(Arch, self.space, where=f"{self.where} [space]")

    @cached_property
    def recipe_space(self) -> Space[Recipe]:
        """The preset's recipe, but for the parameters that the file gives: only these may vary."""
        given = {name: value for name, value in self.recipe.items() if name != "preset"}
        where = f"{self.where} [recipe]"
        preset = known(where, self.recipe.get("preset", "short"), RECIPES, "a recipe preset")
        if "epochs" in given:
            raise ValueError(f"{where} epochs is set in [study]: epochs = {given['epochs']}")
        searched = parse_space(Recipe, given, where=where).narrowed
        fixed: dict[str, Scalar] = {p.name: p.default for p in document(Recipe)}
        fixed |= encode(RECIPES[preset]) | {"epochs": self.epochs}
        pinned = {name: Choice((value,)) for name, value in fixed.items()}
        return Space(Recipe, {**pinned, **searched})

    @cached_property
    def baselines(self) -> dict[str, Arch]:
        """The networks to train first, by name."""
        where = f"{self.where} [baselines]"
        named = {name: PRESETS[name].arch for name in self.presets}
        return named | {Path(file).stem: read_arch(Path(file), where) for file in self.files}

    def changed(self, earlier: Mapping[str, Any]) -> list[str]:
        """What differs from the `to_dict()` of an earlier run and may not, one line each."""
        now, lines = self.to_dict(), []
        for section in SECTIONS:
            before, after = earlier.get(section, {}), now.get(section, {})
            for key in sorted({*before, *after}):
                free = section == "study" and key in MAY_CHANGE
                if before.get(key) != after.get(key) and not free:
                    was, new = _shown(before.get(key)), _shown(after.get(key))
                    lines.append(f"[{section}] {key} was {was}, now {new}")
        return lines


def known(where: str, value: object, names: Iterable[str], kind: str) -> str:
    """`value` if it is one of `names`, else ValueError with the nearest."""
    names = list(names)
    if isinstance(value, str) and value in names:
        return value
    hint = nearest(value, names) if isinstance(value, str) else ""
    raise ValueError(f"{where} {value} is not {kind}{hint}; known: {', '.join(names)}")


def _study(where: str, table: Mapping[str, Any], stem: str) -> dict[str, Any]:
    for key in table:
        known(where, key, STUDY_KEYS, "a key")
    values = {**STUDY_DEFAULTS, "name": stem, **table}
    if "dataset" not in table:
        raise ValueError(f'{where} dataset is missing: for example dataset = "digits"')
    if not isinstance(values["name"], str) or not re.fullmatch(r"[A-Za-z0-9._-]+", values["name"]):
        raise ValueError(f"{where} name may hold A-Z a-z 0-9 . _ - only, got {values['name']!r}")
    if not values["name"].strip("."):
        raise ValueError(f"{where} name must hold more than dots, got {values['name']!r}")
    for key in ("dataset", "data_dir"):
        if key in values and (not isinstance(values[key], str) or not values[key]):
            raise ValueError(f"{where} {key} must be a text, got {values[key]!r}")
    for key in COUNTS:
        if key in values:
            _at_least(where, key, values[key], 1, (int,))
    _at_least(where, "seed", values["seed"], 0, (int,))
    _at_least(where, "gpus_per_trial", values["gpus_per_trial"], 0, (int, float))
    if values.get("channels", 3) not in (1, 3) or isinstance(values.get("channels"), bool):
        raise ValueError(f"{where} channels must be 1 | 3, got {values['channels']}")
    _validation(where, values.get("validation"))
    known(f"{where} pruner", values["pruner"], PRUNERS, "a pruner")
    if str(values["sampler"]).replace("-", "") == "cmaes":
        raise ValueError(f"{where} sampler cma-es cannot search several objectives: take tpe")
    known(f"{where} sampler", values["sampler"], SAMPLERS, "a sampler")
    values["objectives"] = _objectives(f"{where} objectives", values["objectives"])
    return values


def _at_least(
    where: str, key: str, value: object, least: int, types: tuple[type, ...] = (int, float)
) -> None:
    kind = "an integer" if types == (int,) else "a number"
    if type(value) not in types:
        raise ValueError(f"{where} {key} must be {kind}, got {_shown(value)}")
    if not value >= least:  # type: ignore[operator]
        raise ValueError(f"{where} {key} must be at least {least}, got {value}")


def _validation(where: str, value: object) -> None:
    if value is not None and (type(value) is not float or not 0 < value < 1):
        raise ValueError(f"{where} validation must be above 0 and below 1, got {_shown(value)}")


def _objectives(where: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f'{where} must be a list such as ["val_error", "params"], got {given!r}')
    names = [known(where, name, ("val_error", *COSTS), "an objective") for name in given]
    if names[0] != "val_error":
        raise ValueError(f"{where} must begin with val_error, got {names[0]}")
    if len(set(names)) < len(names):
        raise ValueError(f"{where} must not repeat, got {', '.join(names)}")
    if not 2 <= len(names) <= 3:
        rule = f"must be val_error and one or two of {', '.join(COSTS)}"
        raise ValueError(f"{where} {rule}, got {', '.join(names)}")
    return tuple(names)


def _limits(where: str, table: Mapping[str, Any]) -> dict[str, float]:
    for key, value in table.items():
        known(where, key, COSTS, "a limit")
        if type(value) not in (int, float) or not value > 0:
            raise ValueError(f"{where} {key} must be a number above 0, got {_shown(value)}")
    return dict(table)


def _baselines(where: str, table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    for key, value in table.items():
        known(where, key, ("presets", "files"), "a key")
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{where} {key} must be a list of names, got {_shown(value)}")
    presets = [known(where, p, PRESETS, "a preset") for p in table.get("presets", [])]
    files = [str((folder / name).resolve()) for name in table.get("files", [])]
    return {"presets": tuple(presets), "files": tuple(files)}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if value is None:
        return "not given"
    return json.dumps(value, ensure_ascii=False, default=str)


assert {*STUDY_KEYS} < {f.name for f in fields(Study)}
