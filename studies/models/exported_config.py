"""`config.json` of an exported folder: timm's keys, and our own key, from which we load it.

An exported folder is loaded without running its code: our own layers build the architecture, and
`model.safetensors` has the weights.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.codegen.standalone import classifier_width
from skipsearch.searchspace.parameters.walk import decode, encode
from skipsearch.studies.config.target import EXPORT
from skipsearch.studies.models.model import Inputs, Model, Network, Trained, Untrained

CONFIG, WEIGHTS, OURS = EXPORT, "model.safetensors", "skipsearch"
FORMAT = 1


def config(model: Model, *, params: int, macs: int, identity: str) -> dict[str, Any]:
    """Return the whole document, ready for JSON."""
    inputs, kind = model.inputs, type(model.origin).__name__.lower()
    counts = {"params": params, "macs": macs, "identity": identity}
    return {
        "architecture": timm_name(model.name),
        "num_classes": len(inputs.classes),
        "num_features": classifier_width(model.arch),
        "label_names": list(inputs.classes),
        "pretrained_cfg": {
            "num_classes": len(inputs.classes),
            "input_size": list(inputs.shape),
            "mean": list(inputs.mean),
            "std": list(inputs.std),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "fixed_input_size": False,
            "pool_size": None,
            "first_conv": None,  # no adapting to other channels: that is another network
            "classifier": "head.classifier",
        },
        OURS: {
            "format": FORMAT,
            **counts,
            "arch": encode(model.arch),
            kind: asdict(model.origin),
        },
    }


def timm_name(name: str) -> str:
    """Return the network's name in timm, which is a Python identifier, too."""
    letters = "".join(one if one.isalnum() else "_" for one in name)
    return letters if letters[0].isalpha() else f"network_{letters}"


def read_exported(folder: Path) -> Model:
    """Load an exported network with its weights.

    Raises ValueError if the folder is no complete export of ours.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    arch, inputs, origin = _described(folder)
    try:
        state = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / WEIGHTS} cannot be read: {error}; export it again") from error
    return Model(
        target=str(folder),
        name=folder.resolve().name,
        arch=arch,
        inputs=inputs,
        origin=origin,
        state=state,
    )


def exported_network(folder: Path) -> Network:
    """Load an exported network without its weights.

    Raises ValueError if the folder is no export of ours.
    """
    arch, inputs, _ = _described(folder)
    return Network(str(folder), arch, len(inputs.classes), inputs.shape)


def _described(folder: Path) -> tuple[Arch, Inputs, Trained | Untrained]:
    document = read_config(folder)
    try:
        ours, about = document[OURS], document["pretrained_cfg"]
        channels, height, width = about["input_size"]
        inputs = Inputs(
            shape=(channels, height, width),
            classes=tuple(document["label_names"]),
            mean=tuple(about["mean"]),
            std=tuple(about["std"]),
        )
        return decode(Arch, ours["arch"]), inputs, _origin(ours)
    except (KeyError, TypeError, ValueError) as error:
        what = str(error) if isinstance(error, ValueError) else f"{error} is missing or wrong"
        raise ValueError(f"{folder / CONFIG}: {what}; export the network again") from error


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`. Raises ValueError if it is not ours or has another version's format."""
    path = folder / CONFIG
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get(OURS), dict):
        raise ValueError(f"{folder} is not an export of skipsearch: {CONFIG} has no key {OURS}")
    version = document[OURS].get("format")
    if version != FORMAT:
        raise ValueError(
            f"{path} has format {version}, this version reads {FORMAT}: export the network again"
        )
    return document


def is_ours(folder: Path) -> bool:
    """Return True if an export of any version wrote the folder."""
    try:
        return OURS in json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _origin(ours: dict[str, Any]) -> Trained | Untrained:
    if "untrained" in ours:
        return Untrained(**ours["untrained"])
    given = {**ours["trained"]}
    for name in ("val_errors", "test_errors"):
        given[name] = tuple(given[name])
    return Trained(**given)
