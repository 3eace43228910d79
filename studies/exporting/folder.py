"""Write a folder completely or not at all.

The folder is made beside its target, synced, and renamed. After a kill at any moment, the target is
the old folder, the new one or, between the two renames of a replacement, missing: the old one is
then beside it, and the next call puts it back.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skipsearch.studies.models.exported_config import is_ours


def check(target: Path, force: bool) -> None:
    """Raise ValueError if the target may not be written, before any work is done."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ValueError(f"{target} exists and is no folder: choose another place with --to")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not is_ours(target):
        raise ValueError(f"{target} holds other things than an export: choose another place (--to)")
    if not force:
        raise ValueError(f"{target} is there: --force replaces it, --to chooses another place")


@contextmanager
def replacing(target: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder to write in, which replaces `target` at the end.

    Raises ValueError if `target` may not be replaced.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    _mend(target)
    check(target, force)
    part = _beside(target, "new")
    part.mkdir()
    try:
        yield part
        _sync(part)
        _swap(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        _mend(target)


def _swap(part: Path, target: Path) -> None:
    if target.exists():
        target.rename(_beside(target, "old"))
    part.rename(target)
    _sync_folder(target.parent)


def _mend(target: Path) -> None:
    """Put back the old folder, and remove the unfinished ones, of exports that were killed."""
    for path in sorted(target.parent.glob(".*")):
        found = re.fullmatch(rf"\.{re.escape(target.name)}\.(new|old)-(\d+)", path.name)
        if not found or _lives(int(found[2])):
            continue
        if found[1] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path)


def _beside(target: Path, kind: str) -> Path:
    return target.parent / f".{target.name}.{kind}-{os.getpid()}"


def _lives(pid: int) -> bool:
    import psutil

    return pid != os.getpid() and psutil.pid_exists(pid)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
