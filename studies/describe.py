"""`skipsearch describe` and `presets`: what a network is and what it costs, without training."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.humanize import compact, phrases
from skipsearch.studies.models.target import Network

if TYPE_CHECKING:
    from skipsearch.searchspace.presets import Preset


def describe_record(network: Network, *, latency: bool, source: bool) -> dict[str, Any]:
    """What `describe --json` prints; `params` and `macs` are integers."""
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
    images = "×".join(map(str, record["shape"]))
    lines = [
        f"network   {record['target']} ({record['identity']})",
        f"images    {images}, {record['classes']} classes",
        f"params    {record['params']:,} ({compact(record['params'])})",
        f"macs      {record['macs']:,} ({compact(record['macs'])}) multiply-accumulates an image",
    ]
    if "latency_ms" in record:
        setting = "batch {batch}, {device}".format(**record["latency"])
        lines.append(
            f"latency   {record['latency_ms']:.3g} ms ({setting}; median of warm forward passes)"
        )
    return [*lines, "", *(f"{name:<14} {words}" for name, words in phrases(record["arch"]).items())]


def source_of(network: Network) -> str:
    """The model's code, as the export prints it."""
    from skipsearch.searchspace.assembly.assemble import assemble
    from skipsearch.searchspace.assembly.plan import source

    return source(assemble(network.arch, classes=network.classes, shape=network.shape))


def preset_records() -> list[dict[str, Any]]:
    """What `presets --json` prints; results are in per cent, `match` is null where no figure is
    printed, `alternative` true where another preset claims the same printed figures."""
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
    from skipsearch.trainers.recipe.presets import PRESETS

    return [
        {"name": name, "source": preset.source, "recipe": encode(preset.recipe)}
        for name, preset in PRESETS.items()
    ]


def recipe_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A paragraph a recipe: its name, where it is from, and in what it differs from the default."""
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
