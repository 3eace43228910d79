"""Parse what a user names a network by: a preset, a file, a trial of a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.parameters.walk import decode, override
from skipsearch.studies.config.arch_file import CLASSES, SHAPE, read_arch
from skipsearch.studies.config.toml_file import value_of


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
    from skipsearch.studies.storage.study_record import StudyRecord
    from skipsearch.studies.storage.trial_record import TrialRecord

    study = find(name, folder=folder)
    trials = study.get_trials(deepcopy=False)
    if not number.isdecimal() or int(number) >= len(trials):
        raise ValueError(f"{target} needs a trial number from 0 to {len(trials) - 1}, got {number}")
    arch = TrialRecord.of(trials[int(number)]).arch
    if arch is None:
        raise ValueError(f"{target} has no architecture: the trial was given up before it had one")
    data = StudyRecord.of(study).data or {}
    classes, shape = data.get("classes"), data.get("shape", SHAPE)
    count = len(classes) if isinstance(classes, list) else classes or CLASSES
    return Network(target, decode(Arch, arch), count, (shape[0], shape[1], shape[2]))


def _changes(changes: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise ValueError(f"--set {change} must be name=value, such as shortcut=attention")
        found[name.strip().removeprefix("space.")] = value_of(text.strip())
    return found
