"""`skipsearch describe` and `presets`: what a network is and what it costs, without training."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.parameters.walk import decode, encode, override
from skipsearch.studies.config.arch_file import CLASSES, SHAPE, read_arch
from skipsearch.studies.config.toml_file import value_of
from skipsearch.studies.humanize import compact, phrases

if TYPE_CHECKING:
    from skipsearch.searchspace.presets import Preset


@dataclass(frozen=True)
class Network:
    """An architecture and the images that it is for: channels, height, width."""

    target: str
    arch: Arch
    classes: int
    shape: tuple[int, int, int]


def resolve(
    target: str,
    changes: Sequence[str] = (),
    *,
    folder: Path,
    classes: int | None = None,
    image_size: int | None = None,
    channels: int | None = None,
) -> Network:
    """The network that `target` names: a preset, an arch file, or `STUDY#NUMBER`.

    Raises ValueError for an unknown one and for changes that it cannot take."""
    found = _named(target, folder)
    depth, height, width = found.shape
    size = (image_size, image_size) if image_size is not None else (height, width)
    for name, value in (("classes", classes), ("image-size", image_size)):
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")
    return Network(
        target,
        override(Arch, _changes(changes), found.arch) if changes else found.arch,
        found.classes if classes is None else classes,
        (depth if channels is None else channels, *size),
    )


def _named(target: str, folder: Path) -> Network:
    from skipsearch.searchspace.presets import PRESETS

    if target in PRESETS:
        preset = PRESETS[target]
        return Network(target, preset.arch, preset.classes, preset.shape)
    name, hash_sign, number = target.rpartition("#")
    if hash_sign:
        return _of_study(target, name, number, folder)
    path = Path(target)
    if path.is_dir():
        path = path / "arch.json"
    if path.is_file():
        return Network(target, read_arch(path), CLASSES, SHAPE)
    hint = nearest(target, list(PRESETS)) or "; `skipsearch presets` lists them"
    raise ValueError(f"{target} is no preset, no arch file and no STUDY#NUMBER{hint}")


def _of_study(target: str, name: str, number: str, folder: Path) -> Network:
    from skipsearch.studies.storage.find import find

    study = find(name, folder=folder)
    trials = study.get_trials(deepcopy=False)
    if not number.isdecimal() or int(number) >= len(trials):
        raise ValueError(f"{target} needs a trial number from 0 to {len(trials) - 1}, got {number}")
    facts = trials[int(number)].user_attrs
    if "arch" not in facts:
        raise ValueError(f"{target} has no architecture: the trial was given up before it had one")
    data = study.user_attrs.get("data", {})
    classes, shape = data.get("classes"), data.get("shape", SHAPE)
    count = len(classes) if isinstance(classes, list) else classes or CLASSES
    return Network(target, decode(Arch, facts["arch"]), count, (shape[0], shape[1], shape[2]))


def _changes(changes: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise ValueError(f"--set {change} must be name=value, such as shortcut=attention")
        found[name.strip().removeprefix("space.")] = value_of(text.strip())
    return found


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
