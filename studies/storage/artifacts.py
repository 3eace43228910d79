"""Attach files to a trial for optuna-dashboard: its curves, and its network as Python.

A file must be attached before its trial is told, because then the attributes are fixed. The name of
a file follows from the trial, so that a driver that was killed on the way attaches none twice.
"""

import io
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna.artifacts import FileSystemArtifactStore

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.codegen.standalone import standalone
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.studies.storage.bulk_writes import write_trial_system_attrs
from skipsearch.studies.storage.connect import trial_id
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.trial_record import TrialRecord

FOLDER = "artifacts"
KEY = "artifacts:"  # as Optuna's `upload_artifact` writes it, followed by the id
NAMESPACE = uuid.UUID("6f1f3a52-9c1f-4f0e-8a39-4d2f0b7c5e11")


def artifact_store(folder: Path) -> FileSystemArtifactStore:
    """Return the store of the files of a study's trials, under the study's own folder;
    `optuna-dashboard --artifact-dir` takes the same one.
    """
    return FileSystemArtifactStore(folder / FOLDER)


def attach(
    store: Store, number: int, folder: Path, classes: int, shape: tuple[int, int, int]
) -> None:
    """Attach `model.py` and the curves to a trial, which must not have been told yet. `folder` is
    the study's own.
    """
    trial = store.trial(number)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    shelf, attributes = artifact_store(folder), {}
    arch = TrialRecord.of(trial)[TrialRecord.arch]
    files = {"model.py": model_text(arch, number, classes, shape)}
    for name, content in (files | dict(curves(folder / "trials" / str(number)))).items():
        own = str(uuid.uuid5(NAMESPACE, f"{store.study.study_name}/{number}/{name}"))
        shelf.write(own, io.BytesIO(content))
        about = {"artifact_id": own, "filename": name, "mimetype": MIME[Path(name).suffix]}
        attributes[KEY + own] = json.dumps(about | {"encoding": None})
    write_trial_system_attrs(store.storage, trial_id(trial), attributes)


MIME = {".py": "text/x-python", ".csv": "text/csv"}


def model_text(
    flat: Mapping[str, Any], number: int, classes: int, shape: tuple[int, int, int]
) -> bytes:
    """Return the network of a flat architecture as one Python file that needs torch only, without
    weights, for images of `shape` (channels, height, width).
    """
    about = f"The network of trial {number}, untrained."
    name = f"trial_{number}"
    arch = decode(Arch, flat)
    return standalone(arch, classes=classes, shape=shape, name=name, about=about).encode()


def curves(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each curve in a trial's folder: one of the trial, or one of each of
    its seeds. A curve has a line for each epoch.
    """
    for path in sorted(home.glob("**/curve.csv")):
        seed = path.parent.name if path.parent != home else ""
        yield (f"curve-{seed}.csv" if seed else "curve.csv"), path.read_bytes()
