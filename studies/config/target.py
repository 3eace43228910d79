"""Parse what a user names: `parse(text)` says what it is and opens nothing.

| written | kind | means |
|---|---|---|
| PRESET | PresetTarget | a published network, `cnntention/resnet20` |
| FILE | ArchFile | an architecture as JSON, or a folder that has one (`runs/digits/trials/17`) |
| FOLDER | ExportFolder | what `skipsearch export` wrote |
| STUDY | StudyTarget | a study by its name, its folder or its study file |
| STUDY#17, STUDY#NAME | TrialTarget | its trial by number, or the one of a baseline |
| URL#NAME | StoredStudy | a study in an Optuna storage (for `--import`) |

A text that could be several is the first of them: a preset goes before a folder of its name here
(`./cnntention/resnet20` is the folder). Only where a command takes nothing but studies, a study
goes before all. A `#` divides where the whole text is no file and no folder of these: at the last
one with a study before it, so that paths and names of baselines may hold one themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config.toml_file import read

ARCH, EXPORT, STUDY = "arch.json", "config.json", "study.db"  # the file that makes a folder one


@dataclass(frozen=True)
class PresetTarget:
    kind: ClassVar[str] = "a preset"
    forms: ClassVar[tuple[str, ...]] = ("PRESET",)

    text: str


@dataclass(frozen=True)
class ArchFile:
    kind: ClassVar[str] = "an arch file"
    forms: ClassVar[tuple[str, ...]] = ("FILE",)

    text: str
    path: Path

    @property
    def name(self) -> str:
        """What tables and retrainings call it: the stem of the file, or the folder's name."""
        written = Path(self.text)
        return written.stem if written == self.path else written.resolve().name


@dataclass(frozen=True)
class ExportFolder:
    kind: ClassVar[str] = "an exported folder"
    forms: ClassVar[tuple[str, ...]] = ("FOLDER",)

    text: str
    path: Path


@dataclass(frozen=True)
class StudyTarget:
    """`home` is its folder, whose last part is the study's name; `parse` has not looked whether
    the study ran: one of a study file may begin now, one of a storage is found when it is opened.
    """

    kind: ClassVar[str] = "a study"
    forms: ClassVar[tuple[str, ...]] = ("STUDY",)

    text: str
    home: Path


@dataclass(frozen=True)
class TrialTarget:
    """`which` is the trial's number, or the name of a baseline or of what was retrained."""

    kind: ClassVar[str] = "a trial"
    forms: ClassVar[tuple[str, ...]] = ("STUDY#17", "STUDY#NAME")

    text: str
    study: StudyTarget
    which: int | str


@dataclass(frozen=True)
class StoredStudy:
    kind: ClassVar[str] = "a study in a storage"
    forms: ClassVar[tuple[str, ...]] = ("URL#NAME",)

    text: str
    url: str
    name: str


Target = PresetTarget | ArchFile | ExportFolder | StudyTarget | TrialTarget | StoredStudy
Kinds = Sequence[type[Target]]
NETWORKS: Kinds = (PresetTarget, ArchFile, ExportFolder, StudyTarget, TrialTarget)


def parse(text: str, *, folder: Path, storage: str | None = None) -> Target:
    """What `text` is, studies by name being looked for in `folder`; with a `storage`, what is
    nothing else is the name of a study in it. Raises ValueError for what names nothing.
    """
    found = _parsed(text, folder, storage)
    if found is None:
        raise _unknown(text, folder, NETWORKS)
    return found


def parse_study(text: str, *, folder: Path, storage: str | None = None) -> StudyTarget:
    """For commands that take studies only. Raises ValueError for all else."""
    found = _study(text, folder) or _stored(text, folder, storage) or _parsed(text, folder, storage)
    match found:
        case StudyTarget():
            return found
        case None:
            raise _unknown(text, folder, [StudyTarget])
        case _:
            raise refused(found, [StudyTarget])


def parse_source(
    text: str, *, folder: Path, storage: str | None = None
) -> StudyTarget | StoredStudy:
    """For `--import`. Raises ValueError for what is no study."""
    found = _study(text, folder) or _stored(text, folder, storage) or _parsed(text, folder, storage)
    match found:
        case StudyTarget() | StoredStudy():
            return found
        case None:
            raise _unknown(text, folder, [StudyTarget, StoredStudy])
        case _:
            raise refused(found, [StudyTarget, StoredStudy])


def parse_arch(text: str, *, folder: Path, others: Sequence[str] = ()) -> PresetTarget | ArchFile:
    """For `retrain --add`; an unknown name may be near to one of `others`. Raises ValueError for
    what is no preset and no arch file.
    """
    found = _parsed(text, folder, None)
    match found:
        case PresetTarget() | ArchFile():
            return found
        case None:
            raise _unknown(text, folder, [PresetTarget, ArchFile], others)
        case _:
            raise refused(found, [PresetTarget, ArchFile])


def refused(target: Target, takes: Kinds) -> ValueError:
    """The error of a command that cannot take a target of this kind."""
    hint = ""
    if isinstance(target, StoredStudy):
        hint = f"; name it as {target.name} with --storage {target.url}"
    return ValueError(f"{target.text} is {target.kind}: it must be {grammar(takes)}{hint}")


def grammar(takes: Kinds) -> str:
    """`PRESET, FILE or STUDY`."""
    *forms, last = [form for kind in takes for form in kind.forms]
    return f"{', '.join(forms)} or {last}" if forms else last


def home_of(text: str, *, folder: Path) -> Path:
    """The folder of a study, whether it exists or not."""
    path = Path(text)
    if path.suffix == ".toml" and not (path / STUDY).is_file():
        return folder / _name_in(path)
    if (path / STUDY).is_file():
        return path.resolve()
    return folder / path.name if path.name == text.rstrip("/") else path


def _name_in(path: Path) -> str:
    """The name of the study in a study file, by default the file's own."""
    study = read(path).get("study")
    return str(study.get("name", path.stem)) if isinstance(study, dict) else path.stem


def _parsed(text: str, folder: Path, storage: str | None) -> Target | None:
    if not text.strip():
        return None
    if "://" in text:
        url, _, name = text.rpartition("#")
        return StoredStudy(text, url, name) if url and name else None
    if text in PRESETS:
        return PresetTarget(text)
    path = Path(text)
    if path.is_file() and path.suffix != ".toml":
        return ArchFile(text, path)
    if (path / EXPORT).is_file():
        return ExportFolder(text, path)
    if (path / ARCH).is_file():
        return ArchFile(text, path / ARCH)
    return _study(text, folder) or _trial(text, folder, storage) or _stored(text, folder, storage)


def _study(text: str, folder: Path) -> StudyTarget | None:
    """The study that has run in its folder, or that a study file describes."""
    path = Path(text)
    is_file = path.suffix == ".toml" and path.is_file()
    if not text.strip() or (path.suffix == ".toml" and not (is_file or (path / STUDY).is_file())):
        return None
    home = home_of(text, folder=folder)
    return StudyTarget(text, home) if is_file or (home / STUDY).is_file() else None


def _stored(text: str, folder: Path, storage: str | None) -> StudyTarget | None:
    """The study that a storage may have, where one is given: it is asked when it is opened."""
    path = Path(text)
    if storage is None or not text.strip() or "#" in text or "://" in text:
        return None
    return None if path.suffix == ".toml" else StudyTarget(text, home_of(text, folder=folder))


def _trial(text: str, folder: Path, storage: str | None) -> TrialTarget | None:
    cuts = [at for at, sign in enumerate(text) if sign == "#"]
    for at in reversed(cuts):
        study = _study(text[:at], folder) or _stored(text[:at], folder, storage)
        if study is not None and (which := text[at + 1 :]):
            return TrialTarget(text, study, int(which) if which.isdecimal() else which)
    return None


def _unknown(text: str, folder: Path, takes: Kinds, others: Sequence[str] = ()) -> ValueError:
    """The error of a text that names nothing, with the nearest names that there are."""
    shown = text if text.strip() else repr(text)
    why, hint = _why(text, folder), _hint(text, folder, takes, others)
    return ValueError(f"{shown} names nothing{why}: it must be {grammar(takes)}{hint}")


def _why(text: str, folder: Path) -> str:
    study, sign, _ = text.rpartition("#")
    if "://" in text:
        return " (no URL#NAME such as sqlite:///runs/a.db#a)"
    if sign and _study(study, folder):
        return f" (nothing follows {study}#)"
    if sign:
        return f" (no study {study} in {_place(study, folder)}/)" if study else ""
    if text.strip() and Path(text).is_dir():
        return f" (a folder without {EXPORT} of an export, {STUDY} or {ARCH})"
    return ""


def _hint(text: str, folder: Path, takes: Kinds, others: Sequence[str]) -> str:
    """The nearest names, else what there is."""
    study, sign, _ = text.rpartition("#")
    word = study if sign else text
    if "://" in text or (sign and _study(study, folder)):
        return ""
    place = _place(word, folder)
    studies = _studies(word, place) if StudyTarget in takes else []
    networks = PresetTarget in takes and not sign
    known = [*others, *studies, *([*PRESETS, *_files(Path(word).parent)] if networks else [])]
    if near := nearest(word, known):
        return near
    hint = f"; known: {', '.join(studies[:8])}" if studies else ""
    if StudyTarget in takes and not studies:
        hint = f"; no study has run in {place}/: `skipsearch run STUDY.toml` starts one"
    return hint + ("; `skipsearch presets` lists the presets" if networks else "")


def _place(word: str, folder: Path) -> Path:
    """Where a study of that name would be."""
    return Path(word).parent if "/" in word.rstrip("/") else folder


def _studies(word: str, place: Path) -> list[str]:
    """The studies in `place`, as `word` would have to name them."""
    names = sorted(path.parent.name for path in place.glob(f"*/{STUDY}"))
    return [str(place / name) for name in names] if "/" in word.rstrip("/") else names


def _files(place: Path) -> list[str]:
    """Arch files and exported folders in `place`."""
    exported = (path.parent for path in place.glob(f"*/{EXPORT}"))
    return sorted(str(path) for path in (*place.glob("*.json"), *exported))
