"""Checkpoints of a training: written whole or not at all, and verified when they are read.

They are in a folder, or at a URI that pyarrow can write (file, s3, gs, abfs, hdfs). `torch.load`
does not look at checksums: of 2,000 random flips of one bit in a file of 6 kB it took 1,714 without
a word, 1,308 of them as other weights; the checksums that a zip archive has of each record miss
what is wrong in names and offsets (2 of all 13,224 flips in a smaller file). So a checkpoint
carries a CRC-32 of the whole file in the comment that a zip archive may end with, and stays a file
that `torch.load` reads.
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


KEPT = 2  # a broken one has the one before it


NAME = re.compile(r"checkpoint-(\d{5,})\.pt")


CRC_BYTES = 8  # hexadecimal digits


class CannotSave(OSError):
    """A checkpoint cannot be written (disk full, read-only): no fault of the network, and nothing
    that the next trial would not meet. The run ends; the trial goes on when that is mended.
    """


@dataclass(frozen=True)
class Checkpoints:
    """Those of one training, one an epoch. Bytes in, bytes out."""

    filesystem: FileSystem
    folder: str  # in it
    where: str  # as the user wrote it

    @classmethod
    def at(cls, where: str) -> "Checkpoints":
        """Raises ValueError for a URI that pyarrow does not know."""
        if "://" not in where:
            return cls(LocalFileSystem(), where, where)
        try:
            filesystem, folder = FileSystem.from_uri(where)
        except (ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"checkpoints {where} cannot be used: {reason}") from error
        return cls(filesystem, folder, where)

    def name(self, epoch: int) -> str:
        """What the study notes of it."""
        return f"{self.where}/checkpoint-{epoch:05d}.pt"

    def save(self, epoch: int, content: bytes) -> None:
        """Written beside its place and moved there, so that readers see all of it or nothing."""
        self.filesystem.create_dir(self.folder, recursive=True)
        part = f"{self._path(epoch)}.{os.getpid()}.part"
        with self.filesystem.open_output_stream(part) as stream:
            stream.write(content)
        self.filesystem.move(part, self._path(epoch))

    def load(self, epoch: int) -> bytes:
        with self.filesystem.open_input_file(self._path(epoch)) as stream:
            return bytes(stream.readall())

    def delete(self, epoch: int) -> None:
        """Nothing where it is gone already."""
        if self.filesystem.get_file_info(self._path(epoch)).type != FileType.NotFound:
            self.filesystem.delete_file(self._path(epoch))

    def epochs(self) -> list[int]:
        """The newest first."""
        names = [NAME.fullmatch(name) for name in self._files()]
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def newest_whole(self) -> int | None:
        for epoch in self.epochs():
            with suppress(OSError):
                if is_whole(self.load(epoch)):
                    return epoch
        return None

    def clear(self, keep: int | None) -> None:
        """Delete all but that of one epoch, also what a dead worker had begun to write."""
        kept = None if keep is None else f"checkpoint-{keep:05d}.pt"
        for name in self._files():
            if name != kept:
                with suppress(FileNotFoundError):
                    self.filesystem.delete_file(f"{self.folder}/{name}")

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Raises CannotSave for what the system refuses; leaves no half files on a full disk."""
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
    """Below a folder or URI: the folders that hold checkpoints, relative to it."""
    top = Checkpoints.at(where)
    selector = FileSelector(top.folder, recursive=True, allow_not_found=True)
    paths = (info.path for info in top.filesystem.get_file_info(selector))
    own = (path.rpartition("/") for path in paths)
    found = {folder for folder, _, name in own if name.startswith("checkpoint-")}
    return sorted(folder.removeprefix(top.folder).strip("/") for folder in found)


def seal(content: bytes) -> bytes:
    """A zip archive without a comment, with the CRC-32 of all before it as its comment."""
    assert content.endswith(b"\0\0")  # the end of an archive says how long its comment is
    content = content[:-2] + CRC_BYTES.to_bytes(2, "little")
    return content + _crc(content)


def is_whole(content: bytes) -> bool:
    """Whether every bit is as `seal` left it."""
    return content[-CRC_BYTES:] == _crc(content[:-CRC_BYTES])


def _crc(content: bytes) -> bytes:
    return f"{zlib.crc32(content):0{CRC_BYTES}x}".encode()
