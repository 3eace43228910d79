"""Subjects of analyses: small networks with digits to look at."""

import json
from pathlib import Path

from searchspace.arch import Arch, Doubling
from searchspace.gates import Gate, NoGate
from searchspace.walk import encode
from studies.analysis.subject import Subject, look


def small(gate: Gate | None = None, **settings: object) -> Arch:
    """Two stages of 8 and 16 channels."""
    given = {"stages": 2, "blocks": (3, 2), "stem_channels": 8, "width": Doubling(channels=8)}
    return Arch(**{**given, "gate": gate or NoGate(), **settings})


def looked_at(folder: Path, arch: Arch, name: str = "tiny") -> Subject:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(encode(arch)))
    return look(str(file), data="digits", device="cpu")
