"""Keep a study in one file of lines (`journal:///path/study.log`), for file systems on which
SQLite's locks do not hold, such as NFS.

Optuna's journal reads a last line that was torn off (disk full, loss of power), but the next line
is then glued to it, and from there on the file cannot be read (optuna#5138).
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

JOURNAL = "journal://"
# The lock is held for one write, of milliseconds; an older one was left by a process that died.
GRACE_SECONDS = 10
RECORD = b'{"op_code":'  # how each line begins


def open_journal(url: str) -> BaseStorage:
    """Open a journal for reading and writing. Raises ValueError where its folder does not exist."""
    path = path_of(url)
    return JournalStorage(JournalFileBackend(str(path), _lock(path)))


def mend(url: str) -> None:
    """Remove torn lines from a journal; a driver calls it before it reads.

    The file's lock is held meanwhile: the process that wrote a torn line is dead, and no other
    process writes. A record that was glued to a torn line is kept.
    """
    path = path_of(url)
    if not path.exists():
        return
    lock = _lock(path)
    lock.acquire()
    try:
        there = path.read_bytes()
        whole = b"".join(record + b"\n" for line in there.splitlines() for record in _whole(line))
        if whole != there:
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(whole)
            part.replace(path)
    finally:
        lock.release()


def _whole(line: bytes) -> Iterator[bytes]:
    """Yield the record of a line, or the one that was glued to a torn one; nothing for a torn
    line.
    """
    at = line.find(RECORD)
    while at >= 0:
        try:
            json.loads(line[at:])
        except ValueError:
            at = line.find(RECORD, at + 1)
        else:
            yield line[at:]
            return


def path_of(url: str) -> Path:
    """Return the file of a journal's URL, absolute, because the lock is a link to it. Raises
    ValueError where its folder does not exist.
    """
    path = Path(url.removeprefix(JOURNAL)).absolute()
    if not path.parent.is_dir():
        raise ValueError(f"storage {url}: folder {path.parent} does not exist")
    return path


def _lock(path: Path) -> JournalFileSymlinkLock:
    return JournalFileSymlinkLock(str(path), grace_period=GRACE_SECONDS)
