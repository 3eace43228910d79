"""Draw the page of depth attention: heat maps of consumers by sources, heads, entropy over the
depth, and maps of where each source is read in chosen images.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from PIL import Image

from skipsearch.studies.analysis.depth.attention import DepthAttention, Maps
from skipsearch.studies.analysis.depth.read_weights import Reading, Shares
from skipsearch.studies.analysis.depth.tables import (
    WEIGHTS,
    consumer_rows,
    names_of,
    overview_rows,
    record,
    remarks,
)
from skipsearch.studies.analysis.pages.image_grid import Cell, coloured, grid, png, shown, stacked
from skipsearch.studies.analysis.pages.report import Report, Section
from skipsearch.studies.analysis.pages.style import COLOURS, layout
from skipsearch.studies.analysis.subject import Subject
from skipsearch.studies.humanize import percent
from skipsearch.studies.web.axes import Figure, bare

HEADS = 8  # drawn at most
PANELS = 4  # side by side
SCALE = [[0, "@paper"], [1, "@accent"]]
LETTERED = 12  # with more sources, cells have no numbers
SIDE, SMALL = 112, 76  # side of a picture in pixels; SMALL in rows of more than ten


def depth_report(
    found: Sequence[DepthAttention], looked: Sequence[tuple[Subject, Maps]] = ()
) -> Report:
    """Return the report on all networks; `looked` holds the maps of those whose weights differ by
    pixel.
    """
    names, first = names_of(found), found[0]
    note = " ".join([*(f"{line}." for line in remarks(found)[:-1]), remarks(found)[-1] + "."])
    sections = [Section(title="Side by side", rows=overview_rows(found), note=note)]
    if len(found) > 1 or len(first.readings) > 2:
        sections.append(
            Section(title="Entropy and reach over the depth", figure=_over_depth(found))
        )
    most = max(max(reading.weights) for one in found for reading in one.readings)
    pairs = list(zip(names, found, strict=True))
    sections += [_mean(name, one, most, wide=len(found) == 1) for name, one in pairs]
    sections += [_heads(name, one) for name, one in pairs if len(one.readings[0].heads) > 1]
    picture = png(_picture(looked)) if looked else b""
    if picture:
        said = "Weights of the sources at each pixel, mean over the heads; one scale per network."
        sections.append(Section(title="Where each source is read", png=picture, note=said))
    for name, one in zip(names, found, strict=True):
        rows = consumer_rows(one.readings)
        sections.append(Section(title=f"Readers of {name}", rows=rows, wide=len(found) == 1))
    facts = {
        name: f"{percent(one.mean(lambda r: r.newest), 1)} of the newest output"
        for name, one in zip(names, found, strict=True)
    }
    return Report(
        kind="depth-attention",
        title=f"What {', '.join(names)} read{'s' * (len(names) == 1)} of earlier outputs",
        about=f"{first.dataset}, {first.part}: {first.images:,} images",
        facts=facts,
        sections=sections,
        record=record(found) | {"maps": [_map_record(*one) for one in looked]},
        files={"depth-attention.png": picture} if picture else {},
    )


def _mean(name: str, one: DepthAttention, most: float, *, wide: bool) -> Section:
    """Draw a network's weights; `most` is the weight of the darkest colour in all networks."""
    sources = max(len(r.sources) for r in one.readings)
    return Section(
        title=f"Read by {name}",
        figure=heat([("", one.readings, [r.weights for r in one.readings])], most),
        height=110 + 22 * max(len(one.readings), min(sources, 12)),
        note=f"Rows read columns. {WEIGHTS[one.shortcut].capitalize()}.",
        wide=wide,
    )


def _heads(name: str, one: DepthAttention) -> Section:
    there = len(one.readings[0].heads)
    panels = [
        (f"head {head + 1}", one.readings, [r.heads[head] for r in one.readings])
        for head in range(min(HEADS, there))
    ]
    most = max(max(row) for _, _, weights in panels for row in weights)
    more = f" (the first {HEADS} of {there})" if there > HEADS else ""
    height = 70 + -(-len(panels) // PANELS) * (80 + 13 * len(one.readings))
    return Section(title=f"Heads of {name}{more}", figure=heat(panels, most), height=height)


def heat(panels: Sequence[tuple[str, Sequence[Reading], Sequence[Shares]]], most: float) -> Figure:
    """Draw one heat map per panel (title, readers, weights by reader and source), coloured from 0
    to `most`.
    """
    columns, rows = min(PANELS, len(panels)), -(-len(panels) // PANELS)
    found, data = bare() | {"margin": {"l": 8, "r": 8, "t": 30, "b": 8}}, list[Figure]()
    for number, (title, readers, weights) in enumerate(panels):
        row, column = divmod(number, columns)
        sources = list(dict.fromkeys(source for one in readers for source in one.sources))
        cells = [
            [dict(zip(one.sources, own, strict=True)).get(source) for source in sources]
            for one, own in zip(readers, weights, strict=True)
        ]
        x = [(column + 0.02) / columns, (column + 0.96) / columns]
        y = [1 - (row + 0.88) / rows, 1 - (row + 0.06) / rows]
        key = str(number + 1)
        plain = {"showgrid": False, "ticks": "", "zeroline": False, "type": "category"}
        names = {"automargin": True, "showticklabels": True}
        found[f"xaxis{key}"] = plain | names | {"domain": x, "anchor": f"y{key}", "tickangle": -45}
        found[f"yaxis{key}"] = plain | {"domain": y, "anchor": f"x{key}", "autorange": "reversed"}
        found[f"yaxis{key}"] |= names | {"showticklabels": column == 0}
        lettered = len(panels) == 1 and len(sources) <= LETTERED
        data.append(_cells(sources, readers, cells, most, lettered=lettered, bar=number == 0))
        data[-1] |= {"xaxis": f"x{key}", "yaxis": f"y{key}"}
        if title:
            at = {"x": x[0], "y": y[1], "xref": "paper", "yref": "paper", "showarrow": False}
            label = {"text": title, "xanchor": "left", "yanchor": "bottom"}
            found.setdefault("annotations", []).append(at | label)
        if len(panels) > 1:
            for axis in ("xaxis", "yaxis"):
                found[f"{axis}{key}"]["tickfont"] = {"size": 10}
    return {"data": data, "layout": found}


def _cells(
    sources: Sequence[str],
    readers: Sequence[Reading],
    cells: Sequence[Sequence[float | None]],
    most: float,
    *,
    lettered: bool,
    bar: bool,
) -> Figure:
    text = {"texttemplate": "%{z:.2f}", "textfont": {"size": 11}} if lettered else {}
    scale = {"zmin": 0, "zmax": most, "colorscale": SCALE, "showscale": bar}
    return {
        "type": "heatmap",
        "x": list(sources),
        "y": [one.consumer for one in readers],
        "z": cells,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": "%{y} reads %{x}: %{z:.4f}<extra></extra>",
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": ".2f"},
        **scale,
        **text,
    }


def _over_depth(found: Sequence[DepthAttention]) -> Figure:
    """Draw entropy and reach in two panels, one line per network."""
    data: list[Figure] = []
    panels = (("entropy", _entropy), ("outputs back, % of what there is", _reach))
    for number, (_, figure) in enumerate(panels, start=1):
        for name, one, colour in zip(names_of(found), found, cycle(COLOURS), strict=False):
            last = max(1, len(one.readings) - 1)
            line = {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "legendgroup": name,
                "showlegend": number == 1,
                "x": [100 * place / last for place in range(len(one.readings))],
                "y": [figure(reading) for reading in one.readings],
                "text": [reading.consumer for reading in one.readings],
                "hovertemplate": f"{name}, %{{text}}: %{{y:.3g}}<extra></extra>",
                "line": {"color": colour, "width": 1.4},
                "marker": {"size": 5, "color": colour},
                "xaxis": f"x{number}",
                "yaxis": f"y{number}",
            }
            data.append(line)
    base = layout("reader, % of the depth", "", log=False)
    x, y = base.pop("xaxis"), base.pop("yaxis")
    for number, (title, _) in enumerate(panels, start=1):
        domain = [0, 0.45] if number == 1 else [0.55, 1]
        base[f"xaxis{number}"] = x | {"domain": domain, "anchor": f"y{number}"}
        own = {"title": {"text": title, "font": {"size": 13}}, "anchor": f"x{number}"}
        base[f"yaxis{number}"] = y | own | {"rangemode": "tozero"}
    return {"data": data, "layout": base}


def _entropy(reading: Reading) -> float:
    return reading.entropy


def _reach(reading: Reading) -> float:
    return 100 * reading.distance / len(reading.sources)


def _picture(looked: Sequence[tuple[Subject, Maps]]) -> Image.Image:
    """Draw one row per image: the image, then the map of each source."""
    sheets = []
    for subject, maps in looked:
        most = float(maps.weights_NBHW.max())
        side = SIDE if len(maps.sources) <= 10 else SMALL
        rows = []
        for place, number in enumerate(maps.index):
            label = subject.classes[subject.images.labels[number]]
            row = [Cell(shown(subject.images.images[number]), (f"{number}: {label}",))]
            for weights_BHW in maps.weights_NBHW:
                said = f"{np.mean(weights_BHW[place]):.3f}"
                row.append(Cell(coloured(weights_BHW[place], most), (said,)))
            rows.append(row)
        heading = f"{subject.name}: what {maps.consumer} reads, from 0 to {most:.3g}"
        sheets.append(grid(rows, ["image", *maps.sources], side, heading))
    return stacked(sheets)


def _map_record(subject: Subject, maps: Maps) -> Mapping[str, object]:
    means_NB = maps.weights_NBHW.mean((2, 3))
    images = [
        {
            "image": int(number),
            "label": subject.classes[subject.images.labels[number]],
            "weights": means_NB[:, place].tolist(),
        }
        for place, number in enumerate(maps.index)
    ]
    return {
        "target": subject.name,
        "consumer": maps.consumer,
        "sources": maps.sources,
        "images": images,
    }
