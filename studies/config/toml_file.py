"""Read a study file and apply `--set`, before anything is checked."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RANGE = {"low", "high", "step", "log"}
FLAT = ("space", "recipe")  # sections whose keys are names of parameters, dots included


def read(path: Path) -> dict[str, Any]:
    """Read the tables of the file; parameters may be written `"a.b" = 1` or `a.b = 1`."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        hint = ""
        if "overwrite" in str(error):
            hint = '; quote names with dots: "shortcut.attention.heads" = 4'
        raise ValueError(f"{path.name} is not TOML: {error}{hint}") from error
    for section in FLAT:
        if isinstance(given.get(section), Mapping):
            given[section] = dict(_flat(given[section]))
    return given


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and value and not RANGE & set(value):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, value))
    return rows


def override(given: dict[str, Any], change: str, sections: tuple[str, ...]) -> None:
    """Apply `trials=50` (of [study]) or `space.shortcut=attention` to the tables in place."""
    path, equals, text = change.partition("=")
    if not equals or not path.strip() or not text.strip():
        raise ValueError(f"--set {change} must be name=value, such as trials=50")
    section, dot, key = path.strip().partition(".")
    if not dot or section not in sections:
        section, key = "study", path.strip()
    table = given.setdefault(section, {})
    if isinstance(table, dict):
        table[key] = value_of(text.strip())


def value_of(text: str) -> Any:
    """Parse a TOML value; bare words are strings, also in lists, as shells remove quotes."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        if not (text.startswith(("[", "{")) and text.endswith(("]", "}"))):
            return text
    quoted = re.sub(r"(?<![\w\"'.+-])([A-Za-z][\w./-]*)(?=\s*[,\]}])", r'"\1"', text)
    try:
        return tomllib.loads(f"v = {quoted}")["v"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"--set value {text} is not a TOML value: {error}") from error
