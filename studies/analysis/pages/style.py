"""How the pages and tables of analyses look: names, colours, numbers, plain axes."""

import math
from collections.abc import Sequence
from pathlib import Path

from skipsearch.studies.web.axes import Figure, bare, line

NONE = "–"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#8C6D31")


def told(targets: Sequence[str]) -> list[str]:
    """Names for tables: folders by their last part, where that tells them apart."""
    short = [Path(one).name if Path(one).exists() else one for one in targets]
    return short if len(set(short)) == len(set(targets)) else list(targets)


def power(value: float) -> str:
    """`0.00123` → `1.23e-3`; plain where that is as short."""
    if not math.isfinite(value):
        return NONE
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def layout(x: str, y: str, *, log: bool) -> Figure:
    """Plain axes with a legend above; `log` is of the vertical one."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    scale = {"type": "log", "exponentformat": "power", "dtick": 1} if log else {}
    return bare() | {
        "margin": {"l": 70, "r": 18, "t": 40, "b": 48},
        "xaxis": line(x),
        "yaxis": line(y) | scale,
        "legend": legend | {"font": {"size": 12.5}},
    }
