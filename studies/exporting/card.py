"""README.md of an export: the model card."""

import platform
from collections.abc import Mapping, Sequence

from skipsearch.searchspace.assembly.assemble import features
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.exporting.facts import Facts, errors, listed, numbers, weights
from skipsearch.studies.exporting.formats import BATCHES, Written
from skipsearch.studies.exporting.loading import loading
from skipsearch.studies.humanize import phrases
from skipsearch.studies.models.model import Model, Trained, Untrained
from skipsearch.trainers.recipe.recipe import Recipe

ALWAYS = ("epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay")  # of a recipe


def card(facts: Facts) -> str:
    """README.md."""
    model = facts.model
    parts = [
        f"# {model.name}",
        f"An image classifier: {facts.title}. Written by skipsearch.",
        _table(_measured(facts)),
        *loading(facts),
        "## The network",
        _bullets(phrases(encode(model.arch))),
        *_training(model),
        "## Checks",
        _bullets(_checks(facts)),
        "## Made with",
        _table(_made(facts)),
    ]
    return "\n\n".join(parts) + "\n"


def _measured(facts: Facts) -> list[tuple[str, str]]:
    model = facts.model
    rows: list[tuple[str, str]] = []
    match model.origin:
        case Trained() as origin:
            rows += errors(origin)
            rows.append(("these weights", weights(origin)))
        case Untrained():
            rows.append(("weights", "untrained: as drawn from seed 0"))
    channels, height, width = model.inputs.shape
    maps = features(model.arch)
    return [
        *rows,
        ("parameters", f"{facts.cost.params:,}"),
        ("multiply-accumulates", f"{facts.cost.macs:,} an image (FLOPs are twice that)"),
        ("images", f"{channels}×{height}×{width}, {len(model.inputs.classes)} classes"),
        (
            "features",
            f"stem and stages: channels {listed(maps.channels)}, strides {listed(maps.strides)}",
        ),
    ]


def _training(model: Model) -> list[str]:
    match model.origin:
        case Untrained(source=source, note=note):
            return ["## Where it is from", *(text for text in (source, note) if text)]
        case Trained() as origin:
            return [
                "## Training",
                _bullets(_recipe(origin)),
                "## Data",
                _bullets(_data(model, origin)),
            ]


def _recipe(origin: Trained) -> dict[str, str]:
    """What it says everywhere, and in what it differs from the default; `config.json` has all."""
    plain = encode(Recipe())
    own = {f"recipe.{k}": v for k, v in origin.recipe.items() if v != plain.get(k)}
    always = {f"recipe.{name}": origin.recipe[name] for name in ALWAYS if name in origin.recipe}
    return phrases({**always, **own})


def _data(model: Model, origin: Trained) -> dict[str, str]:
    given = dict(origin.data)
    images = ", ".join(f"{n:,} {part}" for part, n in given.pop("images", {}).items())
    digest = given.pop("fingerprint", "")
    split = ", ".join(f"{name} {value}" for name, value in given.items() if name != "dataset")
    return {
        "data set": str(given["dataset"]),
        "images": images,
        "split": f"stratified, {split}",
        "fingerprint": f"`{digest[:16]}` (SHA-256 of all images and labels)",
        "mean": numbers(model.inputs.mean),
        "deviation": numbers(model.inputs.std),
        "classes": ", ".join(model.inputs.classes[:20])
        + (" …" if len(model.inputs.classes) > 20 else ""),
    }


def _checks(facts: Facts) -> dict[str, str]:
    own = "as trained: from one seed the same weights, with these the same logits, bit for bit"
    sizes = f" (batches of {' and '.join(map(str, BATCHES))})"
    found = {"model.py": own}
    for one in facts.outcomes:
        found[one.file] = f"{one}{sizes if isinstance(one, Written) else ''}"
    return found


def _made(facts: Facts) -> list[tuple[str, str]]:
    rows = [("network", facts.cost.identity)]
    if isinstance(facts.model.origin, Trained):
        origin = facts.model.origin
        versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
        rows += [("trained with", versions), ("trained on", origin.hardware)]
        rows.append(("seconds", f"{origin.seconds:.1f}" if origin.seconds is not None else "–"))
    exported = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return [*rows, ("exported with", f"{exported}, {platform.platform()}")]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {_cell(b)} |" for a, b in rows if b)])


def _bullets(items: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}**: {text}" for name, text in items.items() if text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
