"""The model card, README.md of an export."""

import platform
from collections.abc import Mapping, Sequence

from skipsearch.searchspace.assembly.assemble import features
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.exporting.facts import Facts, errors, listed, numbers, weights
from skipsearch.studies.exporting.formats import BATCHES, Written
from skipsearch.studies.humanize import phrases
from skipsearch.studies.models.exported_config import timm_name
from skipsearch.studies.models.model import Model, Trained, Untrained
from skipsearch.trainers.recipe.recipe import Recipe

WITH_TORCH = """\
`images` are float tensors (B, {shape}): {scaled}.

```python
from model import build  # torch is all that model.py needs
from safetensors.torch import load_file

network = build()
network.load_state_dict(load_file("model.safetensors"))
logits = network.eval()(images)
```"""
WITH_OTHERS = {
    "model.onnx": """\
With ONNX Runtime, for batches of any size:

```python
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
logits = session.run(None, {"images": images.numpy()})[0]
```""",
    "model.pt2": """\
With torch and without any code of the model, for batches of any size:

```python
import torch

logits = torch.export.load("model.pt2").module()(images)
```""",
}
WITH_TIMM = """\
With timm, under the name `{name}`; another `num_classes` gives it a new classifier:

```python
import model
import timm

model.register_with_timm()
network = timm.create_model("local-dir:.", pretrained=True)
```"""
AS_BACKBONE = """\
As a detector's backbone (`network.forward_features(images)` has these maps, and the stem's):

```python
from model import backbone
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

maps = backbone(network)  # by name, of stages 1 to {stages}
body = nn.Sequential(maps, FeaturePyramidNetwork(maps.channels, 256))
body.out_channels = 256
sizes = tuple((2 ** (stage + 4),) for stage in maps.stages)
anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
detector = FasterRCNN(body, num_classes=91, rpn_anchor_generator=anchors)
```"""


def loading(facts: Facts) -> list[str]:
    """Return the section on loading: code that runs from inside the folder."""
    model = facts.model
    shape = ", ".join(map(str, model.inputs.shape))
    stages = len(features(model.arch).channels) - 1
    written = {one.file for one in facts.outcomes if isinstance(one, Written)}
    parts = ["## Load it", WITH_TORCH.format(shape=shape, scaled=_scaled(model))]
    parts += [text for file, text in WITH_OTHERS.items() if file in written]
    parts.append(WITH_TIMM.format(name=timm_name(model.name)))
    return [*parts, AS_BACKBONE.format(stages=stages)]


def _scaled(model: Model) -> str:
    if isinstance(model.origin, Untrained):
        return "pixels from 0 to 1, or normalised as you train it"
    mean, std = numbers(model.inputs.mean), numbers(model.inputs.std)
    return f"pixels from 0 to 1, less the mean {mean}, over the deviation {std}, by channel"


ALWAYS = ("epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay")  # always shown


def card(facts: Facts) -> str:
    """Write the model card as Markdown."""
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
        ("multiply-accumulates", f"{facts.cost.macs:,} per image (FLOPs are twice that)"),
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
    """Describe the main settings and all that differ from the default; `config.json` has all."""
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
