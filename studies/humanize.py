"""Write numbers and configurations for people, the same in tables and on pages."""

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.walk import document
from skipsearch.trainers.recipe.recipe import Recipe

SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?"


def amount(text: str, where: str) -> float:
    """Parse a number above 0: `300k` → 300000.0. Raises ValueError that begins with `where`."""
    found = re.fullmatch(rf"{NUMBER}\s*([kmgt]?)", text.strip().replace(",", ""), re.IGNORECASE)
    value = _value(found[1], found[2]) * SIZES[found[3].lower()] if found else 0.0
    if not value > 0:
        raise ValueError(f"{where} must be a number above 0 such as 300k or 1.5M, got {text!r}")
    return value


def with_unit(text: str, units: Iterable[str], where: str) -> tuple[float, str]:
    """Parse a number and its unit: `500 epochs` → (500.0, "epochs"). Raises ValueError."""
    units = list(units)
    found = re.fullmatch(rf"{NUMBER}\s*([a-z]+(?:-[a-z]+)*)", text.strip(), re.IGNORECASE)
    if found is None or found[3].lower() not in units:
        known = ", ".join(units)
        raise ValueError(f"{where} must be a number and one of {known}, got {text!r}")
    return _value(found[1], found[2]), found[3].lower()


def _value(digits: str, exponent: str | None) -> float:
    return float(digits) * 10.0 ** int(exponent or 0)


LABELS = {
    "val_error": "validation error",
    "params": "parameters",
    "macs": "multiply-accumulates",
    "latency_ms": "latency (ms)",
}


def percent(share: float | None, digits: int = 2) -> str:
    """`0.059` → `5.90 %`; `–` for None, nan and infinity."""
    return "–" if _missing(share) else f"{100 * share:.{digits}f} %"  # type: ignore[operator]


def percent_sd(share: float | None, sd: float | None) -> str:
    """`5.90 ± 0.31 %`; without a standard deviation `5.90 %`."""
    if _missing(share) or _missing(sd):
        return percent(share)
    return f"{100 * share:.2f} ± {percent(sd)}"  # type: ignore[operator]


def compact(number: float | None) -> str:
    """`12345678` → `12.3 M`: three significant digits with k, M, G, T."""
    if _missing(number):
        return "–"
    assert number is not None
    size, unit = float(f"{number:.3g}"), 0
    while abs(size) >= 1000 and unit < 4:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {' kMGT'[unit]}".strip()


def cost(name: str, value: float | None) -> str:
    """Write a cost by its name: `3.2 ms` for a latency, `12.3 M` for a count."""
    if name != "latency_ms" or _missing(value):
        return compact(value)
    return f"{value:.3g} ms"


def duration(seconds: float | None) -> str:
    """`4000` → `1 h 06 min`."""
    if _missing(seconds):
        return "–"
    assert seconds is not None
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def rough(seconds: float) -> str:
    """`734` → `12 min`: an estimate, rounded to the digits that it has."""
    if seconds < 60:
        return "1 min" if seconds > 30 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def phrases(flat: Mapping[str, object]) -> dict[str, str]:
    """Write a flat configuration by its first names: `{"blocks": "3 3 3", "shortcut": "attention ·
    heads 4", …}`, with the values of all stages in one row and `recipe.` left out of names.
    Inside a variant, words and rates that have their default are left out.
    """
    parts: dict[str, dict[str, str]] = {}
    for name, value in flat.items():
        words = name.removeprefix("recipe.").split(".")
        if len(words) > 2 and type(value) is not int and value == _defaults().get(name):
            continue
        stage = len(words) > 1 and words[-1].isdigit()
        own = words[-2] if stage else words[-1]
        group = parts.setdefault(words[0], {})
        group[own] = f"{group[own]} {plain(value)}" if own in group and stage else plain(value)
    return {
        first: " · ".join(v if own == first else f"{own} {v}" for own, v in group.items())
        for first, group in parts.items()
    }


@cache
def _defaults() -> dict[str, Scalar]:
    return {p.name: p.default for p in [*document(Arch), *document(Recipe, "recipe.")]}


def differing(configurations: Iterable[Mapping[str, object]]) -> set[str]:
    """Return the first names (`norm`, `shortcut`, …) in which the configurations differ."""
    written = [phrases(flat) for flat in configurations]
    names = {name for words in written for name in words}
    return {name for name in names if len({words.get(name) for words in written}) > 1}


def plain(value: object) -> str:
    """Write one value: `true`, `0.0123`, `attention`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
