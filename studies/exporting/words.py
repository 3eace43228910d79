"""What an export says of its network: the docstring of `model.py` and the model card."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from searchspace.assemble import features
from searchspace.cost import Description
from searchspace.presets import PRESETS
from searchspace.walk import encode
from studies.exporting.config import timm_name
from studies.exporting.formats import BATCHES, Outcome, Written
from studies.models import Model, Trained, Untrained
from studies.wording import percent_sd, phrases
from trainers.recipe import Recipe

ALWAYS = ("epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay")  # of a recipe


@dataclass(frozen=True)
class Facts:
    """Of a network that is exported."""

    model: Model
    cost: Description
    outcomes: Sequence[Outcome] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the network is, as a phrase."""
        match self.model.origin:
            case Trained(study=study, trial=trial, retrained=retrained):
                again = ", retrained on the images of training and validation" if retrained else ""
                return f"trial {trial} of the study {study}{again}"
            case Untrained(source=source):
                preset = self.model.target in PRESETS
                return (
                    f"untrained, the preset {self.model.target}"
                    if preset
                    else f"untrained, {source}"
                )


def about(facts: Facts) -> str:
    """The docstring, paragraphs between empty lines."""
    model, cost = facts.model, facts.cost
    inputs = model.inputs
    size = f"{cost.params:,} parameters, {cost.macs:,} multiply-accumulates an image"
    images = f"Images (B, {', '.join(map(str, inputs.shape))})"
    match model.origin:
        case Trained() as origin:
            data = f"{images} of {origin.data['dataset']} in {len(inputs.classes)} classes: pixels "
            data += f"from 0 to 1, less the mean {_numbers(inputs.mean)}, over the deviation "
            data += f"{_numbers(inputs.std)}."
            results = " ".join(
                f"{name[0].upper()}{name[1:]}: {text}." for name, text in _errors(origin)
            )
            results += f" These weights: {_weights(origin)}."
        case Untrained() as origin:
            data = f"{images} in {len(inputs.classes)} classes. Source: {origin.source}."
            results = origin.note
    use = (
        "    network = build()\n"
        '    network.load_state_dict(safetensors.torch.load_file("model.safetensors"))'
    )
    first = f"{model.name}: an image classifier, {facts.title}."
    parts = [first, data, results, f"{size}. Written by skipsearch.", use]
    return "\n\n".join(part for part in parts if part)


def card(facts: Facts) -> str:
    """README.md."""
    model = facts.model
    parts = [
        f"# {model.name}",
        f"An image classifier: {facts.title}. Written by skipsearch.",
        _table(_measured(facts)),
        *_loading(facts),
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
            rows += _errors(origin)
            rows.append(("these weights", _weights(origin)))
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
            f"stem and stages: channels {_list(maps.channels)}, strides {_list(maps.strides)}",
        ),
    ]


def _errors(origin: Trained) -> list[tuple[str, str]]:
    """What is known of the network's errors; of what, after which training, over how many seeds."""
    found = []
    if origin.val_errors:
        part = f"{_spread(origin.val_errors)}, after {_epochs(origin)}"
        own = part if not origin.retrained else _spread(origin.val_errors)
        found.append(("validation error of the search", own))
    if origin.test_errors:
        found.append(
            (
                "test error, retrained",
                f"{_spread(origin.test_errors)}, after {origin.test_epochs} epochs on the images "
                "of training and validation",
            )
        )
    else:
        found.append(("test error", "not measured: a search does not look at the test images"))
    return found


def _weights(origin: Trained) -> str:
    of = "the first retrained seed" if origin.retrained else "the first seed of the search"
    alone = len(origin.val_errors) < 2 and not origin.retrained
    return f"{'seed' if alone else f'{of},'} {origin.seed}, {_epochs(origin)}"


def _epochs(origin: Trained) -> str:
    return f"{origin.epochs} of {origin.max_epochs} epochs"


def _spread(errors: Sequence[float]) -> str:
    """`5.90 ± 0.31 % (n = 5)`."""
    sd = stdev(errors) if len(errors) > 1 else None
    return f"{percent_sd(fmean(errors), sd)} (n = {len(errors)})"


def _loading(facts: Facts) -> list[str]:
    """How to use the files, from the folder itself."""
    model, name = facts.model, timm_name(facts.model.name)
    channels, height, width = model.inputs.shape
    stages = len(features(model.arch).channels) - 1
    text = f"""\
## Load it

```python
from model import build                      # torch is all that model.py needs
from safetensors.torch import load_file

network = build()
network.load_state_dict(load_file("model.safetensors"))
logits = network.eval()(images)              # (B, {channels}, {height}, {width}), {_scaled(model)}
```

With timm, after `import model; model.register_with_timm()`: the name is `{name}`, another
`num_classes` gives it a new classifier.

```python
network = timm.create_model("local-dir:.", pretrained=True)
```

As a backbone of torchvision's detectors:

```python
maps = backbone(network)                     # of stages 1 to {stages}, by name
pyramid = FeaturePyramidNetwork(maps.channels, 256)
body = nn.Sequential(maps, pyramid)
body.out_channels = 256
detector = FasterRCNN(body, num_classes=91, rpn_anchor_generator=anchors)
```"""
    written = {one.file for one in facts.outcomes if isinstance(one, Written)}
    if "model.onnx" in written:
        text += """

```python
logits = onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})[0]
```"""
    if "model.pt2" in written:
        text += """

```python
logits = torch.export.load("model.pt2").module()(images)
```"""
    return text.split("\n\n")


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
        "mean": _numbers(model.inputs.mean),
        "deviation": _numbers(model.inputs.std),
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


def _scaled(model: Model) -> str:
    if isinstance(model.origin, Untrained):
        return "0 to 1"
    return f"(0 to 1 less {_numbers(model.inputs.mean)}) / {_numbers(model.inputs.std)}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {_cell(b)} |" for a, b in rows if b)])


def _bullets(items: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}**: {text}" for name, text in items.items() if text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _numbers(values: Sequence[float]) -> str:
    return _list(f"{value:.6g}" for value in values)


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
