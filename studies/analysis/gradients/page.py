"""Draw the page of gradient flow: norms by layer, distributions by stage, all figures."""

import math
from collections.abc import Sequence
from itertools import cycle

from skipsearch.studies.analysis.gradients.flow import (
    BINS,
    LOWEST,
    PER_DECADE,
    GradientFlow,
    StageGradient,
)
from skipsearch.studies.analysis.gradients.health import Thresholds, health
from skipsearch.studies.analysis.gradients.tables import (
    findings,
    flow_record,
    names_of,
    sensitivity_rows,
)
from skipsearch.studies.analysis.pages.report import Report, Section
from skipsearch.studies.analysis.pages.style import COLOURS, NONE, layout, power
from skipsearch.studies.humanize import compact, percent
from skipsearch.studies.web.axes import Figure

SCORE = (
    "Score: the healthy share of the layers that a gradient reached (mean norm strictly between "
    "the thresholds: rows for vanishing, columns for exploding). Dead: exactly zero in every "
    "batch, counted as unhealthy. Silent: no gradient reached the layer, not counted. Bottleneck: "
    "more than two standard deviations below the mean norm."
)
WHERE = (
    "L2 norm of the gradient of the mean cross-entropy with respect to the layer's output, mean "
    "over batches in training mode; it depends on the batch size. Dead layers are not drawn."
)
STAGES = (
    "Share of the elements of a stage's output by |dL/d(output)|, over all batches; zeros apart."
)


def flow_report(flows: Sequence[GradientFlow], thresholds: Thresholds) -> Report:
    """Return the report on all networks."""
    names, first = names_of(flows), flows[0]
    facts: dict[str, str] = {}
    for name, flow in zip(names, flows, strict=True):
        found = health(flow.layers, thresholds)
        facts[name] = f"{percent(found.score, 1)} healthy, {found.count('dead')} dead"
    said = findings(flows, thresholds)
    sections = [
        Section(title="Gradient norm by layer", figure=norms_figure(flows, thresholds), note=WHERE),
        Section(title="Gradient at the stages' outputs", figure=stages_figure(flows), note=STAGES),
        Section(
            title="Health by other thresholds",
            rows=sensitivity_rows(flows, thresholds),
            note=SCORE,
        ),
    ]
    if said:
        sections.insert(0, Section(title="What is not healthy", lines=said))
    sections += [
        Section(title=f"Layers of {name}", rows=layer_rows(flow, thresholds))
        for name, flow in zip(names, flows, strict=True)
    ]
    untrained = [n for n, flow in zip(names, flows, strict=True) if not flow.trained]
    drawn = f" Initial weights, never trained: {', '.join(untrained)}." if untrained else ""
    return Report(
        kind="gradient-flow",
        title=f"Gradient flow of {', '.join(names)}",
        about=f"{first.dataset}, {first.part}: {first.images:,} images in {first.batches} batches, "
        f"seed {first.seed}",
        facts=facts,
        sections=sections,
        record=flow_record(flows, thresholds),
        footer=f"Vanishing: norm ≤ {power(thresholds.vanishing)}; exploding: ≥ "
        f"{thresholds.exploding:g}.{drawn}",
    )


def layer_rows(flow: GradientFlow, thresholds: Thresholds) -> list[list[str]]:
    """Return the header, then one row per layer."""
    titles = ["layer", "kind", "params", "state", "norm", "sd", "min", "max", "max/min"]
    rows = [[*titles, "mean |g|", "sd of g", "max |g|"]]
    for one in flow.layers:
        state = thresholds.state(one.norm)
        figures = (one.norm, one.norm_sd, one.norm_min, one.norm_max, one.spread, one.mean_abs)
        numbers = [NONE if v is None else power(v) for v in (*figures, one.sd, one.max_abs)]
        rows.append([one.name, one.kind, compact(one.params), state, *numbers])
    return rows


def norms_figure(flows: Sequence[GradientFlow], thresholds: Thresholds) -> Figure:
    """Draw one line per network over its layers; over the relative depth if there are several."""
    data: list[Figure] = []
    for name, flow, colour in zip(names_of(flows), flows, cycle(COLOURS), strict=False):
        several, last = len(flows) > 1, max(1, len(flow.layers) - 1)
        some = [(n, one) for n, one in enumerate(flow.layers) if one.norm]
        texts = [f"{one.name}<br>{one.kind}, norm {power(one.norm or 0)}" for _, one in some]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [100 * n / last if several else n + 1 for n, _ in some],
                "y": [one.norm for _, one in some],
                "text": texts,
                "hovertemplate": "%{text}<extra></extra>",
                "line": {"color": colour, "width": 1.2},
                "marker": {"size": 5, "color": colour},
            }
        )
    x = "layer, % of the depth" if len(flows) > 1 else "layer"
    found = layout(x, "gradient norm", log=True)
    found["shapes"] = [_level(thresholds.vanishing), _level(thresholds.exploding)]
    return {"data": data, "layout": found}


def _level(height: float) -> Figure:
    line = {"color": "@muted", "width": 1, "dash": "dot"}
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": height, "y1": height}
    return {"type": "line", "line": line, **ends}


def stages_figure(flows: Sequence[GradientFlow]) -> Figure:
    """Draw one panel per stage with one curve per network (figure 9 of DIA)."""
    count = max(len(flow.stages) for flow in flows)
    found = layout("|dL/d(output)|", "% of the elements", log=False)
    axis, data = found.pop("xaxis"), list[Figure]()
    lowest, highest = _range(flows)
    for number in range(count):
        left, right = (number + 0.06 * (number > 0)) / count, (number + 0.94) / count
        own = axis | {"type": "log", "domain": [left, right], "range": [lowest, highest]}
        found[f"xaxis{number + 1}"] = own | {"exponentformat": "power", "dtick": 2}
        middle = {"x": (left + right) / 2, "y": 1.02, "xref": "paper", "yref": "paper"}
        title = {"text": f"stage {number + 1}", "showarrow": False, "yanchor": "bottom"}
        found.setdefault("annotations", []).append(middle | title)
        for name, flow, colour in zip(names_of(flows), flows, cycle(COLOURS), strict=False):
            if number < len(flow.stages):
                line = _curve(flow.stages[number], name, colour, first=number == 0)
                data.append(line | {"xaxis": f"x{number + 1}"})
    found["legend"] |= {"y": 1.1}
    found["margin"] |= {"t": 74}
    return {"data": data, "layout": found}


def _curve(stage: StageGradient, name: str, colour: str, *, first: bool) -> Figure:
    """Draw the shares by bin; only the `first` panel adds an entry to the legend."""
    places = [10 ** (LOWEST + (n + 0.5) / PER_DECADE) for n in range(BINS)]
    shares = [100 * count / max(1, stage.elements) for count in stage.counts]
    zeros = percent(stage.zeros / max(1, stage.elements), 1)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "legendgroup": name,
        "showlegend": first,
        "x": places,
        "y": shares,
        "line": {"color": colour, "width": 1.6, "shape": "hvh"},
        "hovertemplate": f"{name}<br>%{{x:.1e}}: %{{y:.2f}} %<br>{zeros} zeros<extra></extra>",
    }


def _range(flows: Sequence[GradientFlow]) -> tuple[float, float]:
    """Return the range of log10 |g| between the 0.1 % and 99.9 % quantiles of all stages, padded by
    half a decade.
    """
    ends = [(s.quantile(0.001), s.quantile(0.999)) for flow in flows for s in flow.stages]
    low = [math.log10(a) for a, _ in ends if not math.isnan(a)]
    high = [math.log10(b) for _, b in ends if not math.isnan(b)]
    return (min(low) - 0.5, max(high) + 0.5) if low else (float(LOWEST), 0.0)
