"""An architecture file: the flat form as JSON, as in every `trials/N/arch.json`."""

import json
from pathlib import Path

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode


def read_arch(path: Path, where: str = "arch file") -> Arch:
    """Read and decode an arch file. Raises ValueError in one line that begins with `where`."""
    try:
        flat = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{where} {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{where} {path} is not JSON: {error}") from error
    if not isinstance(flat, dict):
        raise ValueError(f"{where} {path} must hold an object of parameters, got {flat!r:.60}")
    try:
        return decode(Arch, flat)
    except ValueError as error:
        raise ValueError(f"{where} {path}: {error}") from error


CLASSES, SHAPE = 10, (3, 32, 32)  # assumed for an arch file, which has neither
