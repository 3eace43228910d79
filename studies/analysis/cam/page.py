"""Show Grad-CAM maps: a table for the terminal, JSON, a grid of pictures, a page."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from skipsearch.studies.analysis.cam.grad_cam import Heat, Seen
from skipsearch.studies.analysis.pages.image_grid import Cell, grid, overlaid, png, shown
from skipsearch.studies.analysis.pages.report import Report, Section
from skipsearch.studies.analysis.pages.style import NONE, told
from skipsearch.studies.analysis.subject import Subject
from skipsearch.studies.humanize import percent
from skipsearch.studies.terminal.tables import Column, table

SIDE = 128  # of a picture, in pixels
WRONG = " ✗"  # in tables; pictures have a red frame
Found = Sequence[tuple[Subject, Sequence[Seen]]]  # every subject saw the same images
NOTE = (
    "The brighter, the more the output there speaks for the class. Each map is divided by its own "
    "maximum, so that two of them do not tell which class is seen more. A red frame: wrong."
)


def cam_table(found: Found, width: int) -> Table:
    """Return a table with one row per image and one column per network: class and probability."""
    first, seen = found[0]
    columns = [
        Column("image", [str(one.image) for one in seen]),
        Column("true", [first.classes[one.label] for one in seen], left=True),
    ]
    for name, (subject, row) in zip(_names(found), found, strict=True):
        columns.append(Column(name, [_answer(subject, one) for one in row], left=True))
    return table(columns, width, title="prediction for each image")


def remarks(found: Found) -> list[str]:
    """Return one line per network on its mistakes, and one for each map that is zero."""
    lines = []
    for name, (subject, row) in zip(_names(found), found, strict=True):
        wrong = sum(one.wrong for one in row)
        lines.append(f"{name}: wrong about {wrong} of these {len(row)} images")
        for one in row:
            empty = [_stage(heat) for heat in one.heats if not heat.highest]
            if empty:
                explained = subject.classes[one.explained]
                where = f"in image {one.image} at {', '.join(empty)}"
                lines.append(f"{name}: no pixel speaks for {explained} {where}: the map is zero")
    if untrained := [n for n, (s, _) in zip(_names(found), found, strict=True) if not s.trained]:
        lines.append(f"initial weights, never trained: {', '.join(untrained)}")
    return lines


def cam_report(found: Found) -> Report:
    """Return the report: pictures with overlaid maps, figures of each map, remarks."""
    names, (first, seen) = _names(found), found[0]
    picture = png(_picture(found))
    facts = {
        name: f"{sum(not one.wrong for one in row)} of {len(row)} right"
        for name, (_, row) in zip(names, found, strict=True)
    }
    return Report(
        kind="grad-cam",
        title=f"Grad-CAM of {', '.join(names)}",
        about=f"{first.dataset}, {first.part}: {len(seen)} images",
        facts=facts,
        sections=[
            Section(title="Where the class is seen", png=picture, note=NOTE),
            Section(
                title="Figures",
                rows=_rows(found),
                note="Centre: from 0 to 1, to the right and downwards. Spread: root mean square "
                "distance from it in sides of the image, 0.41 of an even map.",
            ),
        ],
        record=_record(found),
        footer=" ".join(f"{line}." for line in remarks(found)),
        files={"grad-cam.png": picture},
    )


def _picture(found: Found) -> Any:
    """Draw one row per image: the image, then each network's maps by stage."""
    titles = ["image"]
    for name, (_, row) in zip(_names(found), found, strict=True):
        titles += [f"{name} {_stage(heat)}" for heat in row[0].heats]
    first, seen = found[0]
    rows = []
    for place, one in enumerate(seen):
        pixels = first.images.images[one.image]
        cells = [Cell(shown(pixels), (f"{one.image}: {first.classes[one.label]}",))]
        for subject, row in found:
            own = row[place]
            for heat in own.heats:
                lines = _lines(subject, own, heat)
                cells.append(Cell(overlaid(pixels, heat.map_HW, SIDE), lines, own.wrong))
        rows.append(cells)
    return grid(rows, titles, SIDE)


def _lines(subject: Subject, one: Seen, heat: Heat) -> tuple[str, ...]:
    """Return the caption: the predicted class, and the explained one if it differs."""
    lines = [_answer(subject, one).removesuffix(WRONG)]
    if one.explained != one.predicted:
        sure = percent(one.probabilities[one.explained], 1)
        lines.append(f"map: {subject.classes[one.explained]} {sure}")
    if not heat.highest:
        lines.append("the map is zero")
    return tuple(lines)


def _rows(found: Found) -> list[list[str]]:
    rows = [["image", "true", "network", "says", "map of", "stage", "centre", "spread"]]
    for place, one in enumerate(found[0][1]):
        for name, (subject, row) in zip(_names(found), found, strict=True):
            own = row[place]
            said = [name, _answer(subject, own), subject.classes[own.explained]]
            for heat in own.heats:
                centre, spread = heat.centre, heat.spread
                at = NONE if centre is None else f"{centre[0]:.2f}, {centre[1]:.2f}"
                figures = [_stage(heat), at, NONE if spread is None else f"{spread:.2f}"]
                rows.append([str(one.image), subject.classes[one.label], *said, *figures])
    return rows


def _record(found: Found) -> dict[str, Any]:
    return {
        "analysis": "grad-cam",
        "networks": [
            {
                "target": subject.name,
                "trained": subject.trained,
                "dataset": subject.dataset,
                "part": subject.part,
                "classes": subject.classes,
                "images": [_seen_record(subject, one) for one in row],
            }
            for subject, row in found
        ],
    }


def _seen_record(subject: Subject, one: Seen) -> dict[str, Any]:
    return {
        "image": one.image,
        "label": subject.classes[one.label],
        "predicted": subject.classes[one.predicted],
        "explained": subject.classes[one.explained],
        "probabilities": one.probabilities,
        "maps": [
            {
                "stage": heat.stage,
                "size": heat.map_HW.shape,
                "highest": heat.highest,
                "centre": heat.centre,
                "spread": heat.spread,
            }
            for heat in one.heats
        ],
    }


def _answer(subject: Subject, one: Seen) -> str:
    """Return `cat 98.1 %`, with a cross if it is wrong."""
    sure = percent(one.probabilities[one.predicted], 1)
    return f"{subject.classes[one.predicted]} {sure}{WRONG if one.wrong else ''}"


def _stage(heat: Heat) -> str:
    return f"stage {heat.stage}" if heat.stage else "stem"


def _names(found: Found) -> list[str]:
    return told([subject.name for subject, _ in found])
