"""Print presets, recipes and descriptions of networks."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.humanize import compact, phrases
from skipsearch.studies.models.model import Network
from skipsearch.studies.terminal.tables import Column, table

if TYPE_CHECKING:
    from skipsearch.searchspace.presets import Preset


def describe_record(network: Network, *, latency: bool, source: bool) -> dict[str, Any]:
    """Return the record that `describe --json` prints; `params` and `macs` are integers."""
    from skipsearch.searchspace.assembly import cost

    shape: dict[str, Any] = {"classes": network.classes, "shape": network.shape}
    described = cost.describe(network.arch, classes=network.classes, shape=network.shape)
    record: dict[str, Any] = {"target": network.target, "params": described.params}
    record |= {"macs": described.macs, "identity": described.identity, **shape}
    if latency:
        setting: dict[str, Any] = {"batch": 1, "device": "cpu"}
        record["latency_ms"] = cost.latency_ms(network.arch, **shape, **setting)
        record["latency"] = setting
    record["arch"] = encode(network.arch)
    return record | ({"source": source_of(network)} if source else {})


def describe_lines(record: dict[str, Any]) -> list[str]:
    """Return the lines that `describe` prints from a `describe_record`."""
    images = "×".join(map(str, record["shape"]))
    lines = [
        f"network   {record['target']} ({record['identity']})",
        f"images    {images}, {record['classes']} classes",
        f"params    {record['params']:,} ({compact(record['params'])})",
        f"macs      {record['macs']:,} ({compact(record['macs'])}) multiply-accumulates per image",
    ]
    if "latency_ms" in record:
        setting = "batch {batch}, {device}".format(**record["latency"])
        lines.append(
            f"latency   {record['latency_ms']:.3g} ms ({setting}; median of warm forward passes)"
        )
    return [*lines, "", *(f"{name:<14} {words}" for name, words in phrases(record["arch"]).items())]


def source_of(network: Network) -> str:
    """Return the model's code, as an export writes it."""
    from skipsearch.searchspace.assembly.assemble import assemble
    from skipsearch.searchspace.assembly.plan import source

    return source(assemble(network.arch, classes=network.classes, shape=network.shape))


def preset_records() -> list[dict[str, Any]]:
    """Return the records that `presets --json` prints.

    Results are in per cent. `match` is null if the paper prints no figure; `alternative` is true if
    another preset claims the same printed figures.
    """
    from skipsearch.searchspace.presets import PRESETS

    return [_preset_record(preset) for preset in PRESETS.values()]


def _preset_record(preset: "Preset") -> dict[str, Any]:
    keys = "name source table printed params match alternative why classes shape"
    record: dict[str, Any] = {key: getattr(preset, key) for key in keys.split()}
    record["figures"] = [asdict(figure) | {"match": figure.match} for figure in preset.figures]
    record |= {"note": preset.note, "recipe": preset.recipe}
    record["results"] = [asdict(result) for result in preset.results]
    return record | {"arch": encode(preset.arch)}


def recipe_records() -> list[dict[str, Any]]:
    """Return the records that `recipes --json` prints."""
    from skipsearch.trainers.recipe.presets import PRESETS

    return [
        {"name": name, "source": preset.source, "recipe": encode(preset.recipe)}
        for name, preset in PRESETS.items()
    ]


def recipe_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one paragraph per recipe: its name, how it differs from the default, its source."""
    from skipsearch.trainers.recipe.recipe import Recipe

    plain = encode(Recipe())
    lines: list[str] = []
    for record in records:
        own = {name: v for name, v in record["recipe"].items() if plain.get(name) != v}
        words = [f"{name} {text}" for name, text in phrases(own).items()]
        lines += [record["name"], *_indented("; ".join(words) or "the default")]
        lines += [*_indented(record["source"]), ""]
    return lines[:-1]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    ")


def preset_tables(records: Sequence[Mapping[str, Any]], width: int) -> list[Table]:
    """Return one table of presets per source; the column "for" has the classes and image sizes that
    are not 10 classes of 3×32×32.
    """
    found = []
    for source in dict.fromkeys(r["source"] for r in records):
        own = [r for r in records if r["source"] == source]
        figures = [_printed(r) for r in own]
        columns = [
            Column("preset", [r["name"] for r in own], left=True),
            Column("params", [f"{r['params']:,}" for r in own]),
            Column("printed", [" ".join(f["printed"] for f in row) or "–" for row in figures]),
            Column("met", [" ".join("✗✓"[f["match"]] for f in row) or "–" for row in figures]),
            Column("where", [r["table"] for r in own], 1, left=True),
        ]
        if any(images := [_images(r) for r in own]):
            columns.insert(2, Column("for", images, left=True))
        rest = Column("what differs", [r["why"] or r["note"] for r in own], left=True)
        found.append(table(columns, width, rest=rest, title=f"\n{source}"))
    return found


def _images(record: Mapping[str, Any]) -> str:
    """Format as `100 · 224²` or `8 · 1×28×28`; empty for 10 classes of 3×32×32."""
    classes, (channels, height, width) = record["classes"], record["shape"]
    if (classes, channels, height, width) == (10, 3, 32, 32):
        return ""
    square = channels == 3 and height == width
    return f"{classes} · {f'{height}²' if square else f'{channels}×{height}×{width}'}"


def figures_line(records: Sequence[Mapping[str, Any]]) -> str:
    """Return `printed figures met: as 3 of 3, cnntention none given, …`, by the first parts of the
    presets' names.
    """
    from skipsearch.searchspace.presets import UNLISTED

    papers: dict[str, list[bool]] = {}
    for record in records:
        met = papers.setdefault(record["name"].partition("/")[0], [])
        if not record["alternative"]:
            met += [figure["match"] for figure in _printed(record)]
    found = []
    for paper, met in papers.items():
        more = f" ({UNLISTED[paper]})" if paper in UNLISTED else ""
        found.append(f"{paper} {f'{sum(met)} of {len(met)}' if met else 'none given'}{more}")
    return f"printed figures met: {', '.join(found)}; each by the default reading of it alone"


def _printed(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the figures of a preset that its paper prints, the preset's own first."""
    return [figure for figure in (record, *record["figures"]) if figure["printed"]]
