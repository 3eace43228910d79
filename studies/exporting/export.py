"""Write a network as a folder of files that work without this project."""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skipsearch import searchspace
from skipsearch.searchspace.assembly.cost import describe
from skipsearch.searchspace.codegen.standalone import standalone
from skipsearch.studies.exporting.card import card
from skipsearch.studies.exporting.facts import Facts, about
from skipsearch.studies.exporting.folder import check, replacing
from skipsearch.studies.exporting.formats import FORMATS, Exporter, Format, Outcome, Refused
from skipsearch.studies.models.exported_config import CONFIG, WEIGHTS, config, timm_name
from skipsearch.studies.models.load import Choice, load
from skipsearch.studies.models.model import Model
from skipsearch.studies.storage.find import RUNS
from skipsearch.trainers.loop.fit import seeded

EXPORTS = Path("exports")
CODE, CARD = "model.py", "README.md"
PACKAGES = ("skipsearch", "torch", "safetensors", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """An export that was written: its files with sizes in bytes, and the outcome of each format."""

    folder: Path
    files: dict[str, int]
    outcomes: tuple[Outcome, ...]

    @property
    def refused(self) -> list[Refused]:
        """Formats in which the network could not be written."""
        return [one for one in self.outcomes if isinstance(one, Refused)]


def export(
    target: str,
    to: str | Path | None = None,
    *,
    trial: Choice | None = None,
    retrained: bool = False,
    force: bool = False,
    formats: Sequence[Format] = FORMATS,
    folder: Path = RUNS,
    storage: str | None = None,
    say: Callable[[str], None] = lambda _file: None,
) -> Exported:
    """Write a network as files that work without this project: code, weights, model card.

    Parameters
    ----------
    target
        A study, a trial (`digits#17`), an exported folder, a preset, or an arch file.
    to
        The folder to write, by default `exports/NAME`.
    trial
        Which trial of a study, by default its knee.
    retrained
        Take the weights of the first retrained seed.
    force
        Replace an earlier export.
    formats
        Further formats, `onnx` and `pt2`; one that fails is in `refused`, with the reason.
    say
        Called with the name of each file before it is written.

    Raises
    ------
    ValueError
        For bad input, and for a folder that may not be replaced, in one line.

    Examples
    --------
    >>> sk.export("digits", "exports/knee").files  # doctest: +SKIP
    """
    if to is not None:
        check(Path(to), force)
    model = load(target, trial=trial, retrained=retrained, folder=folder, storage=storage)
    place = EXPORTS / model.name if to is None else Path(to)
    with replacing(place, force) as part:
        outcomes = write(model, part, formats, say)
        files = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
    return Exported(place, files, outcomes)


def write(
    model: Model, folder: Path, formats: Sequence[Format], say: Callable[[str], None]
) -> tuple[Outcome, ...]:
    """Write all files into an empty folder."""
    from safetensors.torch import save

    shape, classes = model.inputs.shape, len(model.inputs.classes)
    cost = describe(model.arch, classes=classes, shape=shape)
    facts = Facts(model, cost, versions=_versions())
    network = model.network()
    say(CODE)
    code = standalone(
        model.arch, classes=classes, shape=shape, name=timm_name(model.name), about=about(facts)
    )
    verify(code, model, network)
    (folder / CODE).write_text(code, encoding="utf-8")
    say(WEIGHTS)
    # a shared layer's weights are stored under each of its names, as a strict load requires
    weights = {name: one.detach().clone().contiguous() for name, one in model.state.items()}
    (folder / WEIGHTS).write_bytes(save(weights, metadata={"format": "pt"}))
    exporter, outcomes = Exporter(network, shape, folder), list[Outcome]()
    for one in formats:
        say(f"model.{one}")
        outcomes.append(exporter.write(one))
    say(CARD)
    document = config(model, params=cost.params, macs=cost.macs, identity=cost.identity)
    (folder / CONFIG).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    facts = replace(facts, outcomes=outcomes)
    (folder / CARD).write_text(card(facts), encoding="utf-8")
    return tuple(outcomes)


def verify(code: str, model: Model, network: nn.Module) -> None:
    """Compare the exported code with the layers that it was copied from, bit for bit: the weights
    drawn from one seed, and the logits with the weights of `network`.
    """
    shape, classes = model.inputs.shape, len(model.inputs.classes)
    module: dict[str, Any] = {"__name__": "model"}
    exec(compile(code, CODE, "exec"), module)
    with seeded(0):
        alone: nn.Module = module["build"]()
    with seeded(0):
        ours = searchspace.build(model.arch, classes=classes, shape=shape).state_dict()
    drawn = alone.state_dict()
    assert drawn.keys() == ours.keys() and all(
        torch.equal(drawn[name], ours[name]) for name in ours
    )
    alone.load_state_dict(network.state_dict())
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(alone.eval()(images), network(images))


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
