"""Write a study that trains a network and its ablations from scratch, by one recipe on the same
images. It shows what a network can learn without the part.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from skipsearch.searchspace import describe
from skipsearch.searchspace.arch.arch import Arch, NoNorm
from skipsearch.searchspace.arch.gate_places import SomeStages
from skipsearch.searchspace.arch.gates import NoGate
from skipsearch.searchspace.arch.heads import Pool, Tokens
from skipsearch.searchspace.arch.recurrent_gates import SharedCell
from skipsearch.searchspace.arch.shortcuts import NoShortcut, Projection, Sum
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.analysis.ablations.remove import Part
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.models.model import Model, Trained, safe_name
from skipsearch.trainers.atomic_write import write_whole

HEADER = """\
# {target}, and the same network without a part, each trained from the start by the same recipe.
#
#     skipsearch retrain {file} --baselines --seeds 5
#     skipsearch compare {name} --baseline whole
#
# Without: {parts}
{notes}
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files written, and one note per part that could not be left out."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """The notes and files as printed lines."""
        notes = [f"--study: {one}" for one in self.notes]
        return notes + [f"written   {file}" for file in self.files]


def check_free(path: Path) -> None:
    """Raise ValueError unless `path` ends with .toml and neither it nor its folder exists."""
    if path.suffix != ".toml":
        raise ValueError(f"--study must be a file that ends with .toml, got {path}")
    for one in (path, archs_folder(path)):
        if one.exists():
            raise ValueError(f"--study {one} already exists: name another file, or delete it")


def archs_folder(path: Path) -> Path:
    """Return the folder of a study file's architectures: `x.toml` → `x-archs`."""
    return path.with_name(f"{path.stem}-archs")


def write_study(model: Model, parts: Sequence[Part], path: Path) -> Written:
    """Write the study file, and its architectures into a folder next to it.

    Raises ValueError if either exists or cannot be written, or if no part can be left out.
    """
    check_free(path)
    archs, notes = variants(model, parts)
    if len(archs) == 1:
        raise ValueError(f"--study: {'; '.join(notes)}")
    folder = archs_folder(path)
    files = {f"{folder.name}/{name}.json": encode(arch) for name, arch in archs.items()}
    tables = _tables(model, list(files), path)
    name = tables["study"]["name"]
    text = HEADER.format(
        target=model.target,
        file=path,
        name=name,
        parts=", ".join(one.removeprefix("without-") for one in archs if one != "whole"),
        notes="".join(f"# {one}\n" for one in notes),
    )
    try:
        folder.mkdir(parents=True)
        for file, flat in files.items():
            write_whole(path.with_name(folder.name) / Path(file).name, json.dumps(flat, indent=1))
        write_whole(path, text + tomli_w.dumps(tables))
    except OSError as error:
        raise ValueError(f"--study {path} cannot be written: {error.strerror}") from error
    StudyConfig.from_file(path)
    return Written(files=(path, folder), notes=tuple(notes))


def variants(model: Model, parts: Sequence[Part]) -> tuple[dict[str, Arch], list[str]]:
    """Return the network and its ablations by name, and a note for each part whose ablation lies
    outside of the search space or equals another network.
    """
    shape, classes = model.inputs.shape, len(model.inputs.classes)
    found, notes = {"whole": model.arch}, list[str]()
    known = {describe(model.arch, classes=classes, shape=shape).identity: "whole"}
    for part in parts:
        arch = without(model.arch, part)
        if arch is None:
            notes.append(f"no architecture of the space is this one without {part}")
            continue
        same = describe(arch, classes=classes, shape=shape).identity
        if same in known:
            notes.append(f"without {part} is the same network as {known[same]}")
            continue
        name = "without-" + str(part).replace("@", "-")
        known[same], found[name] = name, arch
    return found, notes


def without(arch: Arch, part: Part) -> Arch | None:
    """Return the architecture without the part, or None if the search space has no such one."""
    gate = arch.gate
    if part.kind == "gate" and not isinstance(gate, NoGate):
        if part.stage is None:
            return replace(arch, gate=NoGate())
        gated = [True] * arch.stages
        if isinstance(gate.stages, SomeStages):
            gated = list(gate.stages.gated)
        gated[part.stage - 1] = False
        if not any(gated):
            return replace(arch, gate=NoGate())
        return replace(arch, gate=replace(gate, stages=SomeStages(gated=tuple(gated))))
    if part.stage is not None:
        return None
    match part.kind:
        case "shortcut":
            return replace(arch, shortcut=NoShortcut())
        case "norm":
            return _without_norm(arch)
        case "head" if isinstance(arch.head, Tokens):
            return replace(arch, head=Pool())
    return None


def _without_norm(arch: Arch) -> Arch:
    """Drop all norms, including those of projections and the one that DIA adds to a pre-activation
    branch.
    """
    shortcut, gate = arch.shortcut, arch.gate
    if isinstance(shortcut, Sum) and isinstance(shortcut.match, Projection):
        shortcut = replace(shortcut, match=replace(shortcut.match, norm="none"))
    if isinstance(gate, SharedCell):
        gate = replace(gate, tail_norm=False)
    return replace(arch, norm=NoNorm(), last_norm=NoNorm(), shortcut=shortcut, gate=gate)


def _tables(model: Model, files: list[str], path: Path) -> dict[str, dict[str, Any]]:
    origin = model.origin
    assert isinstance(origin, Trained)
    split = {n: v for n, v in origin.data.items() if n not in ("fingerprint", "images")}
    if model.data_dir is not None:
        split["data_dir"] = model.data_dir
    recipe = {name: value for name, value in origin.recipe.items() if name != "epochs"}
    study = {
        "name": safe_name(path.stem),
        **split,
        "trials": len(files),
        "epochs": int(origin.recipe["epochs"]),
    }
    return {"study": study, "recipe": recipe, "baselines": {"files": files}}
