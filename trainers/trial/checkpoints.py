"""Checkpoints of a training: written whole or not at all, and verified when they are read.

They are in a folder, or at a URI that pyarrow can write (file, s3, gs, abfs, hdfs). `torch.load`
does not verify checksums: of 2,000 random flips of one bit in a file of 6 kB it accepted 1,714
silently, 1,308 of them as other weights; a zip archive's checksums of its records miss errors in
names and offsets (2 of all 13,224 flips in a smaller file). So a checkpoint carries a CRC-32 of the
whole file in the comment that a zip archive may end with, and `torch.load` still reads it.
"""

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

if TYPE_CHECKING:
    pass


KEPT = 2  # if the newest is broken, the one before it is read
NAME = re.compile(r"checkpoint-(\d{5,})\.pt")
CRC_BYTES = 8  # hexadecimal digits


class CannotSave(OSError):
    """A checkpoint cannot be written (disk full, read-only). The next trial would fail in the same
    way, so the run ends instead of the trial, which resumes once the cause is mended.
    """


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training, one per epoch, read and written as bytes."""

    filesystem: FileSystem
    folder: str  # within `filesystem`
    where: str  # as the user wrote it

    @classmethod
    def at(cls, where: str) -> "Checkpoints":
        """Open a folder or URI. Raises ValueError for a URI that pyarrow cannot use."""
        if "://" not in where:
            return cls(LocalFileSystem(), where, where)
        try:
            filesystem, folder = FileSystem.from_uri(where)
        except (ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"checkpoints {where} cannot be used: {reason}") from error
        return cls(filesystem, folder, where)

    def name(self, epoch: int) -> str:
        """Return the path or URI that is stored in the study."""
        return f"{self.where}/checkpoint-{epoch:05d}.pt"

    def save(self, epoch: int, content: bytes) -> None:
        """Write a file beside its place and move it there: readers see all of it or nothing."""
        self.filesystem.create_dir(self.folder, recursive=True)
        part = f"{self._path(epoch)}.{os.getpid()}.part"
        with self.filesystem.open_output_stream(part) as stream:
            stream.write(content)
        self.filesystem.move(part, self._path(epoch))

    def load(self, epoch: int) -> bytes:
        """Read the bytes of an epoch's checkpoint. Raises OSError if it is missing."""
        with self.filesystem.open_input_file(self._path(epoch)) as stream:
            return bytes(stream.readall())

    def delete(self, epoch: int) -> None:
        """Delete an epoch's checkpoint, if it exists."""
        if self.filesystem.get_file_info(self._path(epoch)).type != FileType.NotFound:
            self.filesystem.delete_file(self._path(epoch))

    def epochs(self) -> list[int]:
        """List the epochs that have a checkpoint, the newest first."""
        names = [NAME.fullmatch(name) for name in self._files()]
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def newest_whole(self) -> int | None:
        """Return the newest epoch whose checkpoint is intact, None if there is none."""
        for epoch in self.epochs():
            with suppress(OSError):
                if is_whole(self.load(epoch)):
                    return epoch
        return None

    def clear(self, keep: int | None) -> None:
        """Delete all but one epoch's checkpoint, also partial files of a dead worker."""
        kept = None if keep is None else f"checkpoint-{keep:05d}.pt"
        for name in self._files():
            if name != kept:
                with suppress(FileNotFoundError):
                    self.filesystem.delete_file(f"{self.folder}/{name}")

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Raise CannotSave for any OSError inside, and delete partial files from a full disk."""
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                for name in self._files():
                    if name.endswith(".part"):
                        self.filesystem.delete_file(f"{self.folder}/{name}")
            raise CannotSave(error.errno, error.strerror or str(error), self.where) from error

    def _files(self) -> list[str]:
        found = self.filesystem.get_file_info(FileSelector(self.folder, allow_not_found=True))
        return [info.base_name for info in found if info.base_name.startswith("checkpoint-")]

    def _path(self, epoch: int) -> str:
        return f"{self.folder}/checkpoint-{epoch:05d}.pt"


def folders(where: str) -> list[str]:
    """List the folders below a folder or URI that hold checkpoints, relative to it."""
    top = Checkpoints.at(where)
    selector = FileSelector(top.folder, recursive=True, allow_not_found=True)
    paths = (info.path for info in top.filesystem.get_file_info(selector))
    own = (path.rpartition("/") for path in paths)
    found = {folder for folder, _, name in own if name.startswith("checkpoint-")}
    return sorted(folder.removeprefix(top.folder).strip("/") for folder in found)


def seal(content: bytes) -> bytes:
    """Append the CRC-32 of all bytes before it as the comment of a zip archive that has none."""
    assert content.endswith(b"\0\0")  # an archive ends with the length of its comment
    content = content[:-2] + CRC_BYTES.to_bytes(2, "little")
    return content + _crc(content)


def is_whole(content: bytes) -> bool:
    """Return True if the bytes match the CRC-32 that `seal` appended."""
    return content[-CRC_BYTES:] == _crc(content[:-CRC_BYTES])


def _crc(content: bytes) -> bytes:
    return f"{zlib.crc32(content):0{CRC_BYTES}x}".encode()
