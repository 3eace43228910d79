"""Show gradient flow as tables for the terminal and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from skipsearch.studies.analysis.gradients.flow import (
    BINS,
    LOWEST,
    PER_DECADE,
    GradientFlow,
    LayerGradient,
)
from skipsearch.studies.analysis.gradients.health import (
    PAPER,
    Health,
    Thresholds,
    health,
    sensitivity,
)
from skipsearch.studies.analysis.pages.style import NONE, power, told
from skipsearch.studies.humanize import compact, percent
from skipsearch.studies.terminal.tables import Column, table

MOST = 6  # layers that a line names at most
KINDS = ("convolution", "linear", "norm", "other")


def flow_table(flows: Sequence[GradientFlow], thresholds: Thresholds, width: int) -> Table:
    """Return a table with one row per network: score, states, bottlenecks, decay, loss."""
    found = [health(flow.layers, thresholds) for flow in flows]

    def counts(state: Any, rank: int = 0) -> Column:
        return Column(state, [str(one.count(state)) for one in found], rank)

    columns = [
        Column("network", told([flow.target for flow in flows]), left=True),
        Column("params", [compact(flow.params) for flow in flows], 3),
        Column("layers", [str(len(flow.layers)) for flow in flows]),
        Column("score", [percent(one.score, 1) for one in found]),
        Column("", [one.band for one in found], 2, left=True),
        *(counts(state) for state in ("healthy", "vanishing", "exploding", "dead")),
        *(
            counts(state)
            for state in ("not finite", "silent")
            if any(h.count(state) for h in found)
        ),
        Column("bottlenecks", [str(len(one.bottlenecks)) for one in found], 4),
        Column("decay", [_decay(one) for one in found], 1),
        Column("loss", [f"{flow.loss:.3g}" for flow in flows], 5),
    ]
    return table(columns, width, title="gradient flow")


def stage_table(flows: Sequence[GradientFlow], width: int) -> Table:
    """Return a table of |dL/d(stage output)|: mean, quantiles and zeros by stage."""
    rows = [
        (name, stage)
        for flow, name in zip(flows, names_of(flows), strict=True)
        for stage in flow.stages
    ]
    columns = [
        Column("network", [name for name, _ in rows], left=True),
        Column("stage", [stage.name.removeprefix("stage ") for _, stage in rows]),
        Column("mean |g|", [power(stage.mean_abs) for _, stage in rows]),
        Column("median", [power(stage.quantile(0.5)) for _, stage in rows]),
        Column("5 %", [power(stage.quantile(0.05)) for _, stage in rows], 1),
        Column("95 %", [power(stage.quantile(0.95)) for _, stage in rows], 1),
        Column("zeros", [percent(stage.zeros / max(1, stage.elements), 1) for _, stage in rows]),
    ]
    return table(columns, width, title="gradient at the stages' outputs")


def sensitivity_table(flows: Sequence[GradientFlow], thresholds: Thresholds, width: int) -> Table:
    """Return a table of the score by thresholds."""
    rows = sensitivity_rows(flows, thresholds)
    columns = [
        Column(cells[0], cells[1:], left=number == 0)
        for number, cells in enumerate(zip(*rows, strict=True))
    ]
    return table(columns, width, title="score by thresholds: vanishing ≤, exploding ≥")


def sensitivity_rows(flows: Sequence[GradientFlow], thresholds: Thresholds) -> list[list[str]]:
    """Return the header, then one row per network and threshold of vanishing."""
    rows = [["network", "≤"]]
    for name, flow in zip(names_of(flows), flows, strict=True):
        found = sensitivity(flow.layers, thresholds)
        highs = list(dict.fromkeys(one.exploding for one, _ in found))
        rows[0][2:] = [f"≥ {high:g}" for high in highs]
        for low in dict.fromkeys(one.vanishing for one, _ in found):
            scores = {one.exploding: percent(v, 1) for one, v in found if one.vanishing == low}
            rows.append([name, power(low), *(scores.get(high, NONE) for high in highs)])
    return rows


def findings(flows: Sequence[GradientFlow], thresholds: Thresholds) -> list[str]:
    """Return one line per network and unhealthy state, naming its layers."""
    lines = []
    for name, flow in zip(names_of(flows), flows, strict=True):
        found = health(flow.layers, thresholds)
        wrong = [*found.states.items(), ("bottlenecks", found.bottlenecks)]
        for what, layers in wrong:
            if layers and what != "healthy":
                more = f" and {len(layers) - MOST} more" if len(layers) > MOST else ""
                lines.append(f"{name}: {what} {', '.join(layers[:MOST])}{more}")
        if found.steep:
            lines.append(f"{name}: norms change {found.decay:.3g} times from layer to layer")
    return lines


def flow_record(flows: Sequence[GradientFlow], thresholds: Thresholds = PAPER) -> dict[str, Any]:
    """Return the content of `gradient-flow.json`."""
    return {
        "analysis": "gradient-flow",
        "thresholds": asdict(thresholds),
        "bins": {"log10_from": LOWEST, "per_decade": PER_DECADE, "count": BINS},
        "networks": [_record(flow, thresholds) for flow in flows],
    }


def _record(flow: GradientFlow, thresholds: Thresholds) -> dict[str, Any]:
    found = health(flow.layers, thresholds)
    layers = [_layer_record(one, thresholds) for one in flow.layers]
    rows = [{**asdict(one), "score": score} for one, score in sensitivity(flow.layers, thresholds)]
    stages = [
        {**asdict(one), "median": one.quantile(0.5), "zero_share": one.zeros / max(1, one.elements)}
        for one in flow.stages
    ]
    return {
        **asdict(flow),
        "health": {**asdict(found), "by_kind": _by_kind(flow, thresholds)},
        "sensitivity": rows,
        "layers": layers,
        "stages": stages,
    }


def _layer_record(layer: LayerGradient, thresholds: Thresholds) -> dict[str, Any]:
    state = thresholds.state(layer.norm)
    severe = state in ("vanishing", "exploding") and thresholds.severe(layer.norm or 0.0)
    return {**asdict(layer), "spread": layer.spread, "state": state, "severe": severe}


def _by_kind(flow: GradientFlow, thresholds: Thresholds) -> dict[str, dict[str, int]]:
    """Count layers and healthy ones by kind; GradAttn has convolutions and linear layers only."""
    found = {}
    for kind in KINDS:
        own = [one for one in flow.layers if one.kind == kind]
        healthy = sum(thresholds.state(one.norm) == "healthy" for one in own)
        found[kind] = {"layers": len(own), "healthy": healthy}
    return found


def names_of(flows: Sequence[GradientFlow]) -> list[str]:
    """Return the networks' names for tables and legends."""
    return told([flow.target for flow in flows])


def _decay(found: Health) -> str:
    return NONE if found.decay != found.decay else f"{found.decay:.3g}"
