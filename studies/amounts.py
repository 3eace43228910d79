"""Amounts as people write them: `300k`, `1.5M`, `2h`, `500epochs`."""

import re
from collections.abc import Iterable

SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?"


def amount(text: str, where: str) -> float:
    """`300k` → 300000.0; above 0. Raises ValueError that begins with `where`."""
    found = re.fullmatch(rf"{NUMBER}\s*([kmgt]?)", text.strip().replace(",", ""), re.IGNORECASE)
    value = _value(found[1], found[2]) * SIZES[found[3].lower()] if found else 0.0
    if not value > 0:
        raise ValueError(f"{where} must be a number above 0 such as 300k or 1.5M, got {text!r}")
    return value


def with_unit(text: str, units: Iterable[str], where: str) -> tuple[float, str]:
    """`500 epochs` → (500.0, "epochs"); every unit is written as in `units`."""
    units = list(units)
    found = re.fullmatch(rf"{NUMBER}\s*([a-z]+(?:-[a-z]+)*)", text.strip(), re.IGNORECASE)
    if found is None or found[3].lower() not in units:
        known = ", ".join(units)
        raise ValueError(f"{where} must be a number and one of {known}, got {text!r}")
    return _value(found[1], found[2]), found[3].lower()


def _value(digits: str, exponent: str | None) -> float:
    return float(digits) * 10.0 ** int(exponent or 0)
