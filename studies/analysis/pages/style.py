"""Names, colours, number formats and axes that all pages and tables of analyses share."""

import math
from collections.abc import Sequence
from pathlib import Path

from skipsearch.studies.web.axes import Figure, bare, line

NONE = "–"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#8C6D31")


def told(targets: Sequence[str]) -> list[str]:
    """Return short names of targets for tables: a folder's last part, if those stay distinct."""
    short = [Path(one).name if Path(one).exists() else one for one in targets]
    return short if len(set(short)) == len(set(targets)) else list(targets)


def power(value: float) -> str:
    """Format with three digits: `0.00123` → `1.23e-3`; plain from 0.01 up to 10,000."""
    if not math.isfinite(value):
        return NONE
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def layout(x: str, y: str, *, log: bool) -> Figure:
    """Return a Plotly layout with axes titled `x` and `y` and a legend above; `log` makes y
    logarithmic.
    """
    legend = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    scale = {"type": "log", "exponentformat": "power", "dtick": 1} if log else {}
    return bare() | {
        "margin": {"l": 70, "r": 18, "t": 40, "b": 48},
        "xaxis": line(x),
        "yaxis": line(y) | scale,
        "legend": legend | {"font": {"size": 12.5}},
    }
