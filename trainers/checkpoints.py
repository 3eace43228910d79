"""Where the checkpoints of one trial are: a folder, or a URI that pyarrow can write (file, s3, gs,
abfs, hdfs). Bytes in, bytes out; what they mean is `training`'s.
"""

import os
import re
from dataclasses import dataclass

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

NAME = re.compile(r"checkpoint-(\d{5,})\.pt")


@dataclass(frozen=True)
class Checkpoints:
    """One an epoch, whole or not there."""

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

    def list(self) -> "list[int]":
        """Epochs, the newest first."""
        found = self.filesystem.get_file_info(FileSelector(self.folder, allow_not_found=True))
        names = [NAME.fullmatch(info.base_name) for info in found]
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def _path(self, epoch: int) -> str:
        return f"{self.folder}/checkpoint-{epoch:05d}.pt"
