"""Show depth attention as tables for the terminal and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from skipsearch.studies.analysis.depth.attention import DepthAttention
from skipsearch.studies.analysis.depth.read_weights import Reading
from skipsearch.studies.analysis.pages.style import told
from skipsearch.studies.humanize import compact, percent
from skipsearch.studies.terminal.tables import Column, table

EQUAL = 0.1  # relative difference of parameters above which networks are not of equal size
MOST = 40  # consumers that the terminal lists at most
WEIGHTS = {
    "attention": "softmax weights at each pixel and head, mean over images, pixels and heads",
    "pseudo_query": "softmax weights at each pixel, mean over images and pixels",
    "weighted": "mean |w| over the channels, the newest output having 1; the same for all images",
    "concat": "mean |w| of the next layer's weights that read the output; the same for all images",
    "sum": "an estimate from the norms of skips and branches, exact only where they do not cancel",
}


def overview(found: Sequence[DepthAttention], width: int) -> Table:
    """Return a table with one row per network."""
    cells = list(zip(*overview_rows(found)[1:], strict=True))
    titles, ranks = overview_rows(found)[0], (0, 3, 1, 4, 0, 2, 0, 0, 0)
    columns = [
        Column(title, own, rank, left=number < 2)
        for number, (title, own, rank) in enumerate(zip(titles, cells, ranks, strict=True))
    ]
    return table(columns, width, title="reading of earlier outputs, mean over the readers")


def overview_rows(found: Sequence[DepthAttention]) -> list[list[str]]:
    """Return the header, then one row per network."""
    titles = ["network", "shortcut", "params", "MACs", "error", "readers"]
    rows = [[*titles, "entropy", "outputs back", "of the newest"]]
    for name, one in zip(names_of(found), found, strict=True):
        costs = [compact(one.params), compact(one.macs), percent(one.error)]
        entropy = f"{one.mean(lambda r: r.entropy):.3f}"
        back = f"{one.mean(lambda r: r.distance):.2f}"
        newest = percent(one.mean(lambda r: r.newest), 1)
        readers = str(len(one.readings))
        rows.append([name, one.shortcut, *costs, readers, entropy, back, newest])
    return rows


def consumers(found: Sequence[DepthAttention], width: int) -> list[Table]:
    """Return one table per network with one row per consumer; none if there are more than MOST."""
    if sum(len(one.readings) for one in found) > MOST:
        return []
    tables = []
    for name, one in zip(names_of(found), found, strict=True):
        titles, *rows = consumer_rows(one.readings)
        columns = [
            Column(title, cells, rank, left=number in (0, 5))
            for number, (title, cells, rank) in enumerate(
                zip(titles, zip(*rows, strict=True), (0, 0, 0, 1, 0, 0), strict=True)
            )
        ]
        tables.append(table(columns, width, title=name))
    return tables


def consumer_rows(readings: Sequence[Reading]) -> list[list[str]]:
    """Return the header, then one row per consumer."""
    rows = [["reader", "sources", "entropy", "outputs back", "of the newest", "reads most of"]]
    for one in readings:
        figures = [f"{one.entropy:.3f}", f"{one.distance:.2f}", percent(one.newest, 1)]
        most = f"{one.sources[one.most]} ({percent(one.weights[one.most], 1)})"
        rows.append([one.consumer, str(len(one.sources)), *figures, most])
    return rows


def remarks(found: Sequence[DepthAttention]) -> list[str]:
    """Return lines that explain the figures, and warn of unequal sizes and untrained networks."""
    lines = [f"{kind}: {WEIGHTS[kind]}" for kind in dict.fromkeys(one.shortcut for one in found)]
    lines.append("entropy: 1 where all sources are read alike; outputs back: 1 is the newest")
    if (unequal := sizes(found)) is not None:
        lines.append(unequal)
    if sum(len(one.readings) for one in found) > MOST:
        lines.append("the readers one by one are on the page")
    if untrained := [n for n, one in zip(names_of(found), found, strict=True) if not one.trained]:
        lines.append(f"initial weights, never trained: {', '.join(untrained)}")
    return lines


def sizes(found: Sequence[DepthAttention]) -> str | None:
    """Return a warning if the parameters differ by more than a tenth of the smallest, else None."""
    least, most = (f(one.params for one in found) for f in (min, max))
    if most <= (1 + EQUAL) * least:
        return None
    shown = ", ".join(
        f"{name} {compact(one.params)}" for name, one in zip(names_of(found), found, strict=True)
    )
    return f"not of equal size: parameters differ by {percent(most / least - 1, 0)} ({shown})"


def record(found: Sequence[DepthAttention]) -> dict[str, Any]:
    """Return the content of `depth-attention.json`, maps excepted."""
    return {
        "analysis": "depth-attention",
        "equal_size": sizes(found) is None,
        "networks": [_record(one) for one in found],
    }


def _record(one: DepthAttention) -> dict[str, Any]:
    means = {
        "entropy": one.mean(lambda r: r.entropy),
        "distance": one.mean(lambda r: r.distance),
        "newest": one.mean(lambda r: r.newest),
    }
    readings = [
        {
            **asdict(r),
            "entropy_of_mean": r.entropy_of_mean,
            "distance": r.distance,
            "newest": r.newest,
        }
        for r in one.readings
    ]
    return {
        **asdict(one),
        "weights_are": WEIGHTS[one.shortcut],
        "mean": means,
        "readings": readings,
    }


def names_of(found: Sequence[DepthAttention]) -> list[str]:
    """Return the networks' names for tables and legends."""
    return told([one.target for one in found])
