"""Find the network that a target names, without its weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode, override
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config.arch_file import CLASSES, SHAPE, read_arch
from skipsearch.studies.config.target import (
    NETWORKS,
    ArchFile,
    ExportFolder,
    PresetTarget,
    StoredStudy,
    StudyTarget,
    Target,
    TrialTarget,
    parse,
    refused,
)
from skipsearch.studies.config.toml_file import value_of
from skipsearch.studies.models.model import Network


def resolve(
    target: str,
    changes: Sequence[str] = (),
    *,
    folder: Path,
    storage: str | None = None,
    classes: int | None = None,
    image_size: int | None = None,
    channels: int | None = None,
) -> Network:
    """Return the network that `target` names (`studies.config.target`), with `changes` made to its
    architecture (`shortcut=attention`); of a study, its knee.

    Raises ValueError for an unknown target and for a change that the architecture does not allow.
    """
    found = network_of(parse(target, folder=folder, storage=storage), storage)
    depth, height, width = found.shape
    size = (image_size, image_size) if image_size is not None else (height, width)
    for name, value in (("classes", classes), ("image-size", image_size)):
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")
    return Network(
        found.target,
        override(Arch, _changes(changes), found.arch) if changes else found.arch,
        found.classes if classes is None else classes,
        (depth if channels is None else channels, *size),
    )


def network_of(target: Target, storage: str | None = None) -> Network:
    """Return the network of a parsed target.

    Raises ValueError for a file that cannot be read, and for a trial that does not exist.
    """
    match target:
        case PresetTarget(text=name):
            preset = PRESETS[name]
            return Network(name, preset.arch, preset.classes, preset.shape)
        case ArchFile(text=text, path=path):
            return Network(text, read_arch(path), CLASSES, SHAPE)
        case ExportFolder(path=path):
            from skipsearch.studies.models.exported_config import exported_network

            return exported_network(path)
        case StudyTarget() | TrialTarget():
            return _of_study(target, storage)
        case StoredStudy():
            raise refused(target, NETWORKS)
        case _:
            assert_never(target)


def _of_study(target: StudyTarget | TrialTarget, storage: str | None) -> Network:
    from skipsearch.studies.results.pick import pick
    from skipsearch.studies.storage.find import open_study, trial_number
    from skipsearch.studies.storage.study_record import StudyRecord
    from skipsearch.studies.storage.trial_record import TrialRecord

    if isinstance(target, TrialTarget):
        study = open_study(target.study, storage)
        number, text = trial_number(study, target), target.text
    else:
        study = open_study(target, storage)
        number = pick(study).number
        text = f"{study.study_name}#{number}"
    arch = TrialRecord.of(study.get_trials(deepcopy=False)[number]).arch
    if arch is None:
        raise ValueError(f"{text} has no architecture: the trial was given up before it had one")
    data = StudyRecord.of(study).data or {}
    classes, shape = data.get("classes"), data.get("shape", SHAPE)
    count = len(classes) if isinstance(classes, list) else classes or CLASSES
    return Network(text, decode(Arch, arch), count, (shape[0], shape[1], shape[2]))


def _changes(changes: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise ValueError(f"--set {change} must be name=value, such as shortcut=attention")
        found[name.strip().removeprefix("space.")] = value_of(text.strip())
    return found
