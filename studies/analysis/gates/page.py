"""Show feature integration: a table for the terminal, JSON, a page of heat maps."""

from dataclasses import asdict
from typing import Any

from rich.table import Table

from skipsearch.studies.analysis.gates.integration import HELD, Integration, Row, Stage
from skipsearch.studies.analysis.pages.report import Report, Section
from skipsearch.studies.analysis.pages.style import NONE
from skipsearch.studies.humanize import percent
from skipsearch.studies.terminal.tables import Column, table
from skipsearch.studies.web.axes import Figure, bare, line

ABOUT = (
    "Row t: a random forest learns the mask of gate t from the masks of the gates before it; its "
    "impurity importances, summed for each earlier gate, over the largest sum. R² is computed on "
    "held-out images: where it is near 0, the row means nothing."
)


def integration_table(found: Integration, width: int) -> Table:
    """Return a table with one row per gate."""
    rows = [(stage, t, one) for stage in found.stages for t, one in enumerate(stage.rows, 2)]
    shares = [" ".join(_share(v) for v in one.importances) for _, _, one in rows]
    columns = [
        Column("stage", [str(stage.number) for stage, _, _ in rows]),
        Column("gate", [str(t) for _, t, _ in rows]),
        Column("R²", [_r2(one) for _, _, one in rows]),
        Column("most from", [_most(one) for _, _, one in rows]),
    ]
    rest = Column("importance of gates 1, 2, …", shares, left=True)
    return table(columns, width, rest=rest, title=f"feature integration of {found.target}")


def notes(found: Integration) -> list[str]:
    """Return lines on stages without a map, constant masks, and forests that predict nothing."""
    lines = [f"stage {n} has one gate: no earlier gate to integrate" for n in found.alone]
    for stage in found.stages:
        still = [str(t) for t, one in enumerate(stage.rows, 2) if not one.varies]
        if still:
            said = "gate" if len(still) == 1 else "gates"
            lines.append(
                f"stage {stage.number}: the mask of {said} {', '.join(still)} is the same for "
                "every image, its row is 0"
            )
        poor = [str(t) for t, one in enumerate(stage.rows, 2) if one.r2 is not None and one.r2 <= 0]
        if poor:
            lines.append(
                f"stage {stage.number}: forests of {', '.join(poor)} predict nothing (R² ≤ 0)"
            )
    return lines


def integration_record(found: Integration) -> dict[str, Any]:
    """Return the content of `integration.json`."""
    return {"analysis": "integration", **asdict(found)}


def integration_report(found: Integration) -> Report:
    """Return the report: one heat map per stage, notes, the importances as a table."""
    sections = [
        Section(
            title=f"Stage {stage.number}",
            figure=map_figure(stage),
            height=min(760, 172 + 34 * len(stage.rows)),
            note=_channels(stage),
            wide=len(stage.rows) > 20 or len(found.stages) == 1,
        )
        for stage in found.stages
    ]
    said = notes(found)
    if said:
        rows = [["what to know"], *([one] for one in said)]
        fills = len(found.stages) % 2 == 1 and not sections[-1].wide
        sections.append(Section(title="Notes", rows=rows, wide=not fills))
    sections.append(Section(title="Importances", rows=_rows(found), note=ABOUT))
    drawn = "" if found.trained else " Initial weights, never trained."
    return Report(
        kind="integration",
        title=f"Feature integration of {found.target}",
        about=f"{found.dataset}, {found.part}: {found.samples:,} images ({found.held_out:,} held "
        f"out), {found.trees} trees, seed {found.seed}",
        facts=_facts(found),
        sections=sections,
        record=integration_record(found),
        footer=f"Gates ({found.gate}) are numbered from 1 in every stage, in the order of the "
        f"forward pass. One image in {HELD} is held out.{drawn}",
    )


def map_figure(stage: Stage) -> Figure:
    """Draw the heat map of a stage: earlier gates from left to right, predicted gates downwards."""
    count = len(stage.rows)
    cells = [[*one.importances, *(None,) * (count - t)] for t, one in enumerate(stage.rows, 1)]
    texts = [
        [
            f"gate {t} from gate {s}: {v:.3f}<br>R² {_r2(one)}"
            for s, v in enumerate(one.importances, 1)
        ]
        for t, one in enumerate(stage.rows, 2)
    ]
    heat: Figure = {
        "type": "heatmap",
        "z": cells,
        "x": list(range(1, count + 1)),
        "y": list(range(2, count + 2)),
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "@grid"], [1, "@accent"]],
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickvals": [0, 0.5, 1]},
    }
    plain = {"showgrid": False, "ticks": "", "showline": False}
    across = line("importance of gate") | plain | {"dtick": 1 if count < 24 else 5}
    down = line("") | plain | {"autorange": "reversed"}
    names = [f"gate {t}  R² {_r2(one)}" for t, one in enumerate(stage.rows, 2)]
    down |= {"tickvals": heat["y"], "ticktext": names}
    margin = {"l": 118, "r": 12, "t": 34, "b": 48}
    return {"data": [heat], "layout": bare() | {"margin": margin, "xaxis": across, "yaxis": down}}


def _facts(found: Integration) -> dict[str, str]:
    """Return per stage the mean R², and how often the gate just before matters most."""
    facts = {}
    for stage in found.stages:
        known = [one.r2 for one in stage.rows if one.r2 is not None]
        mean = f"{sum(known) / len(known):.2f}" if known else NONE
        last = sum(one.varies and one.importances[-1] == 1 for one in stage.rows)
        share = percent(last / len(stage.rows), 0)
        facts[f"stage {stage.number}"] = f"R² {mean}, the gate before is first in {share} of rows"
    return facts


def _rows(found: Integration) -> list[list[str]]:
    longest = max(len(stage.rows) for stage in found.stages)
    titles = ["stage", "gate", "module", "R²", *(str(n) for n in range(1, longest + 1))]
    rows = [titles]
    for stage in found.stages:
        for t, one in enumerate(stage.rows, 2):
            cells = [_share(v) for v in one.importances]
            blank = [""] * (longest - len(cells))
            rows.append([str(stage.number), str(t), stage.gates[t - 1], _r2(one), *cells, *blank])
    return rows


def _channels(stage: Stage) -> str:
    widths = sorted(set(stage.channels))
    return f"{len(stage.gates)} gates of {' and '.join(map(str, widths))} channels"


def _most(one: Row) -> str:
    return str(one.importances.index(1.0) + 1) if one.varies else NONE


def _r2(one: Row) -> str:
    return NONE if one.r2 is None else f"{one.r2:.2f}"


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else "1"
