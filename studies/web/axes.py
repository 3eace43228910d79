"""Axes of Plotly figures: ranges, round ticks, labels that do not overlap.

`@ink`, `@grid`, `@muted`, `@veil`, `@paper` stand for colours of the page; its script replaces
them.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skipsearch.studies.humanize import LABELS, compact

Figure = dict[str, Any]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
# The plotting area of a page that is 1280 pixels wide, in pixels, for the placement of labels.
WIDTH, HEIGHT = 670.0, 430.0
# Candidate offsets of a label from its point, in widths to the right and heights upwards; among
# equally good ones the first is taken.
PLACES = (
    *((0, 1.6), (0, -1.6), (1, 0), (-1, 0), (0, 3), (0, -3)),
    *((0.9, 2), (-0.9, -2), (0.9, -2), (-0.9, 2), (-0.6, 2.4)),
)


@dataclass(frozen=True)
class Axis:
    """A numeric axis from `low` to `high`, linear or logarithmic."""

    low: float
    high: float
    log: bool

    @classmethod
    def around(cls, values: Sequence[float]) -> "Axis":
        """Return an axis with a margin around the values, logarithmic unless one is below 0.05."""
        low, high = (min(values), max(values)) if values else (1.0, 10.0)
        if low <= 0.05:
            return cls(min(0.0, low), high * 1.08 or 1.0, log=False)
        room = max((high / low) ** 0.07, 1.06)
        return cls(low / room, high * room, log=True)

    def share(self, value: float) -> float:
        """Return the position of the value on the axis, from 0 to 1."""
        low, high = self.at(self.low), self.at(self.high)
        return (self.at(value) - low) / (high - low)

    def at(self, value: float) -> float:
        """Return the value in Plotly's coordinates for ranges and annotations (log10 if `log`)."""
        return math.log10(value) if self.log else value

    def ticks(self) -> list[float]:
        """Return about 4 to 10 round values: 1, 2, 5 times powers of ten, finer on short ranges."""
        for mantissas in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            found = [m * 10.0**e for e in range(-6, 16) for m in mantissas]
            found = [v for v in found if self.low <= v <= self.high]
            if self.log and len(found) >= 5:
                return found
        step = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(m for m in (1, 2, 5, 10) if (self.high - self.low) / (m * step) <= 8)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]

    def plotly(self, title: str, texts: list[str]) -> Figure:
        """Return Plotly's axis with this range; `texts` label the `ticks()`."""
        return line(title) | {
            "type": "log" if self.log else "linear",
            "range": [self.at(self.low), self.at(self.high)],
            "tickvals": self.ticks(),
            "ticktext": texts,
        }


def line(title: str) -> Figure:
    """Return a titled axis in the page's style, without a range."""
    look = {"gridcolor": "@grid", "zeroline": False, "linecolor": "@muted", "showline": True}
    return look | {
        "ticks": "outside",
        "tickcolor": "@muted",
        "title": {"text": title, "font": {"size": 13}},
    }


def bare() -> Figure:
    """Return the layout that all figures start from: transparent, in the page's fonts and inks."""
    clear = "rgba(0,0,0,0)"
    hover = {"align": "left", "bgcolor": "@paper", "bordercolor": "@muted"}
    return {
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "font": {"family": FONT, "size": 13, "color": "@ink"},
        "hoverlabel": hover | {"font": {"family": FONT, "size": 12, "color": "@ink"}},
        "hovermode": "closest",
        "modebar": {"bgcolor": clear, "color": "@muted", "activecolor": "@ink"},
    }


def errors_against(title: str, x: Axis, y: Axis) -> Figure:
    """Return the layout of the front: errors in % on the left, accuracies on the right."""
    errors = y.ticks()
    right = y.plotly("accuracy", [f"{100 - v:.4g} %" for v in errors])
    right |= {"overlaying": "y", "matches": "y", "side": "right", "showgrid": False}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    return bare() | {
        "margin": {"l": 64, "r": 68, "t": 66, "b": 52},
        "xaxis": x.plotly(title, [compact(v) for v in x.ticks()]),
        "yaxis": y.plotly("validation error", [f"{v:.4g} %" for v in errors]),
        "yaxis2": right,
        "legend": legend | {"itemsizing": "trace", "font": {"size": 12.5}},
    }


def costs_against(title: str, x: Axis, cost: str, y: Axis) -> Figure:
    """Return the layout of a plane of two costs."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    return bare() | {
        "margin": {"l": 64, "r": 18, "t": 66, "b": 52},
        "xaxis": x.plotly(title, [compact(v) for v in x.ticks()]),
        "yaxis": y.plotly(LABELS.get(cost, cost), [compact(v) for v in y.ticks()]),
        "legend": legend | {"itemsizing": "trace", "font": {"size": 12.5}},
    }


def labels(
    named: Sequence[tuple[str, float, float]],
    others: Sequence[tuple[float, float]],
    x: Axis,
    y: Axis,
) -> list[Figure]:
    """Return an annotation for each (name, x, y), placed to cover few labels and `others`."""
    taken = [(WIDTH * x.share(a), HEIGHT * y.share(b)) for a, b in others]
    boxes: list[tuple[float, float, float, float]] = []
    found = []
    for name, a, b in named:
        at = WIDTH * x.share(a), HEIGHT * y.share(b)
        box = _best_box(name, at, taken, boxes)
        boxes.append(box)
        label = {"x": x.at(a), "y": y.at(b), "text": html.escape(name), "bgcolor": "@veil"}
        label |= {"ax": (box[0] + box[2]) / 2 - at[0], "ay": at[1] - (box[1] + box[3]) / 2}
        label |= {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": "@muted", "standoff": 9}
        found.append(label | {"showarrow": True, "font": {"size": 12, "color": "@ink"}})
    return found


def _best_box(
    name: str,
    at: tuple[float, float],
    taken: Sequence[tuple[float, float]],
    boxes: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    width, height = 6.8 * len(name) + 6, 17.0

    def cost(box: tuple[float, float, float, float]) -> int:
        left, low, right, high = box
        outside = left < 0 or right > WIDTH or low < 0 or high > HEIGHT
        on = sum(a < right and left < c and b < high and low < d for a, b, c, d in boxes)
        over = sum(left - 6 < px < right + 6 and low - 6 < py < high + 6 for px, py in taken)
        middle = (left + right) / 2, (low + high) / 2
        crossed = sum(_between(at, middle, point) for point in taken)
        return 20 * outside + 5 * on + over + crossed

    places = [(at[0] + right * (width / 2 + 16), at[1] + up * (height + 2)) for right, up in PLACES]
    sides = width / 2, height / 2
    return min(
        ((cx - sides[0], cy - sides[1], cx + sides[0], cy + sides[1]) for cx, cy in places),
        key=cost,
    )


def _between(
    start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]
) -> bool:
    """Return True if the point is within 8 pixels of the line, but not at its start."""
    length = math.dist(start, end)
    along = sum((e - s) * (p - s) for s, e, p in zip(start, end, point, strict=True)) / length
    return 8 < along < length and math.dist(start, point) ** 2 - along**2 < 64
