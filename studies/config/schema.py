"""The keys of a study file: their defaults, and checks of the values given.

Every mistake is a ValueError of one line: file and place, rule, value, nearest names.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.presets import PRESETS

COSTS = ("params", "macs", "latency_ms")
SAMPLERS = ("gp", "tpe", "nsga2", "nsga3", "random", "quasi-random")
PRUNERS = ("expected-gain", "pareto-asha", "asha", "none")
HALVING = ("stop", "promote")
REPEATS = ("mutate", "record")
KEEP = ("front", "all")
# Keys that may change when a study is continued: how much it trains, how fast, from where.
MAY_CHANGE = (
    "trials",
    "epoch_budget",
    "max_hours",
    "max_trial_minutes",
    "max_failures",
    "watchdog",
    "concurrency",
    "cpus_per_trial",
    "gpus_per_trial",
    "trials_per_gpu",
    "data_dir",
    "keep",
)
# Defaults of the keys that every study has, in the order of the frozen file.
STUDY_DEFAULTS: dict[str, Any] = {
    "objectives": ["val_error", "params"],
    "trials": 50,
    "epochs": 10,
    "seeds_per_trial": 1,
    "sampler": "gp",
    "pruner": "pareto-asha",
    "halving": "stop",
    "eta": 3,
    "grace": 1,
    "repeats": "mutate",
    "deterministic": False,
    "seed": 0,
    "concurrency": 1,
    "cpus_per_trial": 1,
    "gpus_per_trial": 0,
    "max_failures": 5,
    "keep": "front",
    "watchdog": 10,
}
STUDY_KEYS = (
    "name",
    "dataset",
    "data_dir",
    "checkpoints",
    "image_size",
    "channels",
    "train_subset",
    "validation",
    "epoch_budget",
    "max_hours",
    "max_trial_minutes",
    "trials_per_gpu",
    *STUDY_DEFAULTS,
)
COUNTS = (
    "trials",
    "epochs",
    "seeds_per_trial",
    "grace",
    "concurrency",
    "cpus_per_trial",
    "image_size",
    "train_subset",
    "epoch_budget",
    "max_failures",
)
SECTIONS = ("study", "limits", "recipe", "space", "baselines")


def known(where: str, value: object, names: Iterable[str], kind: str) -> str:
    """Return `value` if it is one of `names`; else raise ValueError with the nearest names."""
    names = list(names)
    if isinstance(value, str) and value in names:
        return value
    hint = nearest(value, names) if isinstance(value, str) else ""
    raise ValueError(f"{where} {value} is not {kind}{hint}; known: {', '.join(names)}")


def checked_study(where: str, table: Mapping[str, Any], stem: str) -> dict[str, Any]:
    """Check [study] and fill in its defaults; `stem` is the default name. Raises ValueError."""
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
    if "checkpoints" in values and not re.match(r"[a-z0-9]+://.", str(values["checkpoints"])):
        rule = "must be a URI such as s3://bucket/prefix or file:///path"
        raise ValueError(f"{where} checkpoints {rule}, got {shown(values['checkpoints'])}")
    for key in COUNTS:
        if key in values:
            _at_least(where, key, values[key], 1, (int,))
    _at_least(where, "seed", values["seed"], 0, (int,))
    _at_least(where, "watchdog", values["watchdog"], 0)
    _at_least(where, "gpus_per_trial", values["gpus_per_trial"], 0, (int, float))
    if "trials_per_gpu" in values:
        _sharing(where, values["trials_per_gpu"], values["gpus_per_trial"])
    if values.get("channels", 3) not in (1, 3) or isinstance(values.get("channels"), bool):
        raise ValueError(f"{where} channels must be 1 | 3, got {values['channels']}")
    for key in ("max_hours", "max_trial_minutes"):
        if key in values and (type(values[key]) not in (int, float) or not values[key] > 0):
            raise ValueError(f"{where} {key} must be a number above 0, got {shown(values[key])}")
    _validation(where, values.get("validation"))
    known(f"{where} pruner", values["pruner"], PRUNERS, "a pruner")
    _engine(where, values)
    if str(values["sampler"]).replace("-", "") == "cmaes":
        raise ValueError(f"{where} sampler cma-es cannot search several objectives: take gp")
    known(f"{where} sampler", values["sampler"], SAMPLERS, "a sampler")
    values["objectives"] = _objectives(f"{where} objectives", values["objectives"])
    return values


def _engine(where: str, values: Mapping[str, Any]) -> None:
    """Check the keys for choosing and stopping trials."""
    known(f"{where} halving", values["halving"], HALVING, "a way of halving")
    known(f"{where} keep", values["keep"], KEEP, "a way to keep checkpoints")
    known(f"{where} repeats", values["repeats"], REPEATS, "a way to treat repeats")
    _at_least(where, "eta", values["eta"], 2, (int,))
    if type(values["deterministic"]) is not bool:
        given = shown(values["deterministic"])
        raise ValueError(f"{where} deterministic must be true | false, got {given}")
    if values["deterministic"] and values["pruner"] == "expected-gain":
        raise ValueError(
            f"{where} pruner expected-gain depends on the order of results, which deterministic "
            'forbids: take pruner = "pareto-asha"'
        )
    if values["deterministic"] and values["pruner"] != "none" and values["halving"] == "promote":
        raise ValueError(
            f"{where} halving promote depends on the order of results, which deterministic "
            'forbids: take halving = "stop"'
        )


def _sharing(where: str, number: object, gpus: float) -> None:
    if number != "auto" and (type(number) is not int or number < 1):
        rule = f'trials_per_gpu must be "auto" or an integer from 1, got {shown(number)}'
        raise ValueError(f"{where} {rule}")
    if gpus != 1:
        raise ValueError(
            f"{where} trials_per_gpu divides one GPU: set gpus_per_trial = 1, got {gpus:g}"
        )


def _at_least(
    where: str, key: str, value: object, least: int, types: tuple[type, ...] = (int, float)
) -> None:
    kind = "an integer" if types == (int,) else "a number"
    if type(value) not in types:
        raise ValueError(f"{where} {key} must be {kind}, got {shown(value)}")
    if not value >= least:  # type: ignore[operator]
        raise ValueError(f"{where} {key} must be at least {least}, got {value}")


def _validation(where: str, value: object) -> None:
    if value is not None and (type(value) is not float or not 0 < value < 1):
        raise ValueError(f"{where} validation must be above 0 and below 1, got {shown(value)}")


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


def checked_limits(where: str, table: Mapping[str, Any]) -> dict[str, float]:
    """Check [limits], upper bounds of costs by name. Raises ValueError."""
    for key, value in table.items():
        known(where, key, COSTS, "a limit")
        if type(value) not in (int, float) or not value > 0:
            raise ValueError(f"{where} {key} must be a number above 0, got {shown(value)}")
    return dict(table)


def checked_baselines(where: str, table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Check [baselines]; files are resolved against `folder`. Raises ValueError."""
    for key, value in table.items():
        known(where, key, ("presets", "files", "variants"), "a key")
        if key != "variants" and not _are_names(value):
            raise ValueError(f"{where} {key} must be a list of names, got {shown(value)}")
    presets = [known(where, p, PRESETS, "a preset") for p in table.get("presets", [])]
    files = [str((folder / name).resolve()) for name in table.get("files", [])]
    variants = _checked_variants(f"{where} variants", table.get("variants", {}))
    names = [*presets, *(Path(file).stem for file in files), *variants]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"{where} must not repeat a name, got {twice[0]} twice: rename one")
    return {"presets": tuple(presets), "files": tuple(files), "variants": variants}


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _checked_variants(where: str, table: object) -> dict[str, dict[str, Any]]:
    """Check variants: `NAME = {of = PRESET, name = value, …}` is a preset with changes."""
    if not isinstance(table, Mapping) or not all(isinstance(v, Mapping) for v in table.values()):
        raise ValueError(f"{where} must be tables: write [baselines.variants.NAME]")
    for name, given in table.items():
        if not re.fullmatch(r"[\w.+-]+", name):
            raise ValueError(f"{where} {name!r}: a name has letters, digits and . _ + - only")
        if "of" not in given:
            raise ValueError(f'{where} {name} must say which preset it is a variant of: of = "…"')
        known(f"{where} {name}", given["of"], PRESETS, "a preset")
    return {name: dict(given) for name, given in table.items()}


def plain(value: object) -> object:
    """Return a tuple as a list, for TOML and JSON; any other value as it is."""
    return list(value) if isinstance(value, tuple) else value


def shown(value: object) -> str:
    """Format a value for an error message: as JSON, None as `not given`."""
    if value is None:
        return "not given"
    return json.dumps(value, ensure_ascii=False, default=str)
