"""Parse the name of a study, trial or network: `parse(text)` classifies it and opens nothing.

| written | kind | means |
|---|---|---|
| PRESET | PresetTarget | a published network, `cnntention/resnet20` |
| FILE | ArchFile | an architecture as JSON, or a folder that has one (`runs/digits/trials/17`) |
| FOLDER | ExportFolder | what `skipsearch export` wrote |
| STUDY | StudyTarget | a study by its name, its folder or its study file |
| STUDY#17, STUDY#NAME | TrialTarget | its trial by number, or the one of a baseline |
| URL#NAME | StoredStudy | a study in an Optuna storage (for `--import`) |

A text that fits several rows is the first of them: a preset goes before a folder of its name here
(`./cnntention/resnet20` is the folder). Only where a command takes nothing but studies, a study
goes before all. A text that is itself a file or folder is not divided; else it is divided at the
last `#` with a study before it, so that paths and names of baselines may hold a `#` themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config.toml_file import read

ARCH, EXPORT, STUDY = "arch.json", "config.json", "study.db"  # files that mark a folder's kind


@dataclass(frozen=True)
class PresetTarget:
    """A published network, by the name of its preset."""

    kind: ClassVar[str] = "a preset"
    forms: ClassVar[tuple[str, ...]] = ("PRESET",)

    text: str


@dataclass(frozen=True)
class ArchFile:
    """An architecture in a JSON file; `path` is the file itself."""

    kind: ClassVar[str] = "an arch file"
    forms: ClassVar[tuple[str, ...]] = ("FILE",)

    text: str
    path: Path

    @property
    def name(self) -> str:
        """The name in tables and of retrainings: the file's stem, or the folder's name."""
        written = Path(self.text)
        return written.stem if written == self.path else written.resolve().name


@dataclass(frozen=True)
class ExportFolder:
    """A folder that `skipsearch export` wrote."""

    kind: ClassVar[str] = "an exported folder"
    forms: ClassVar[tuple[str, ...]] = ("FOLDER",)

    text: str
    path: Path


@dataclass(frozen=True)
class StudyTarget:
    """A study; the last part of its folder `home` is its name.

    The study need not have run: that of a study file may begin now, and one in a storage is
    looked up when it is opened.
    """

    kind: ClassVar[str] = "a study"
    forms: ClassVar[tuple[str, ...]] = ("STUDY",)

    text: str
    home: Path


@dataclass(frozen=True)
class TrialTarget:
    """A trial of a study: `which` is its number, or the name of a baseline or retraining."""

    kind: ClassVar[str] = "a trial"
    forms: ClassVar[tuple[str, ...]] = ("STUDY#17", "STUDY#NAME")

    text: str
    study: StudyTarget
    which: int | str


@dataclass(frozen=True)
class StoredStudy:
    """A study in an Optuna storage, by the storage's URL and the study's name."""

    kind: ClassVar[str] = "a study in a storage"
    forms: ClassVar[tuple[str, ...]] = ("URL#NAME",)

    text: str
    url: str
    name: str


Target = PresetTarget | ArchFile | ExportFolder | StudyTarget | TrialTarget | StoredStudy
Kinds = Sequence[type[Target]]
NETWORKS: Kinds = (PresetTarget, ArchFile, ExportFolder, StudyTarget, TrialTarget)


def parse(text: str, *, folder: Path, storage: str | None = None) -> Target:
    """Classify the text by the table above, and raise ValueError if it names nothing.

    Studies are looked up by name in `folder`. With a `storage`, a text that fits nothing else is
    the name of a study in it.
    """
    found = _parsed(text, folder, storage)
    if found is None:
        raise _unknown(text, folder, NETWORKS)
    return found


def parse_study(text: str, *, folder: Path, storage: str | None = None) -> StudyTarget:
    """Parse the name of a study, and raise ValueError for anything else."""
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
    """Parse the study of `--import`, and raise ValueError for anything else."""
    found = _study(text, folder) or _stored(text, folder, storage) or _parsed(text, folder, storage)
    match found:
        case StudyTarget() | StoredStudy():
            return found
        case None:
            raise _unknown(text, folder, [StudyTarget, StoredStudy])
        case _:
            raise refused(found, [StudyTarget, StoredStudy])


def parse_arch(text: str, *, folder: Path, others: Sequence[str] = ()) -> PresetTarget | ArchFile:
    """Parse the network of `retrain --add`, and raise ValueError for anything but a preset or an
    arch file; the error suggests near names, also among `others`.
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
    """Return the error of a command that does not take a target of this kind."""
    hint = ""
    if isinstance(target, StoredStudy):
        hint = f"; name it as {target.name} with --storage {target.url}"
    return ValueError(f"{target.text} is {target.kind}: it must be {grammar(takes)}{hint}")


def grammar(takes: Kinds) -> str:
    """Return the forms of these kinds, such as `PRESET, FILE or STUDY`."""
    *forms, last = [form for kind in takes for form in kind.forms]
    return f"{', '.join(forms)} or {last}" if forms else last


def home_of(text: str, *, folder: Path) -> Path:
    """Return the folder of a study, which need not exist yet."""
    path = Path(text)
    if path.suffix == ".toml" and not (path / STUDY).is_file():
        return folder / _name_in(path)
    if (path / STUDY).is_file():
        return path.resolve()
    return folder / path.name if path.name == text.rstrip("/") else path


def _name_in(path: Path) -> str:
    """Read the study's name from a study file; by default the file's stem."""
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
    """Find a study that has run in its folder, or that a study file describes."""
    path = Path(text)
    is_file = path.suffix == ".toml" and path.is_file()
    if not text.strip() or (path.suffix == ".toml" and not (is_file or (path / STUDY).is_file())):
        return None
    home = home_of(text, folder=folder)
    return StudyTarget(text, home) if is_file or (home / STUDY).is_file() else None


def _stored(text: str, folder: Path, storage: str | None) -> StudyTarget | None:
    """Take the text as a study's name in the storage, which is looked up when it is opened."""
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
    """Return the error of a text that names nothing, with the nearest names."""
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
    """Suggest the nearest names, else list the studies that exist."""
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
    """Return the folder in which a study of that name would be."""
    return Path(word).parent if "/" in word.rstrip("/") else folder


def _studies(word: str, place: Path) -> list[str]:
    """List the studies in `place`, written with a path if `word` has one."""
    names = sorted(path.parent.name for path in place.glob(f"*/{STUDY}"))
    return [str(place / name) for name in names] if "/" in word.rstrip("/") else names


def _files(place: Path) -> list[str]:
    """List arch files and exported folders in `place`."""
    exported = (path.parent for path in place.glob(f"*/{EXPORT}"))
    return sorted(str(path) for path in (*place.glob("*.json"), *exported))
