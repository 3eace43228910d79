"""Record a study's settings, split and environment, and refuse to continue on changed data.

`study.toml` has all settings, `baselines/` the arch files, `split.json` the images for training and
validation, `environment.json` the software and hardware of every run. The folder is enough to run
the same study elsewhere.
"""

import json
import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import optuna
import tomli_w

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.trainers.atomic_write import write_whole
from skipsearch.trainers.data.arrays import Data, fingerprint

# Packages whose versions may change a proposal, a split or a metric.
PACKAGES = (
    "skipsearch",
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "pillow",
    "optuna",
    "scipy",
    "ray",
)


def environment() -> dict[str, Any]:
    """Return software and hardware of this process, for reproducing its numbers. `commit` is that
    of the checkout, `-dirty` where files differ from it, "" where the code is installed.
    """
    import torch

    gpus = _gpus()
    return {
        "python": platform.python_version(),
        "packages": {**{name: _version(name) for name in PACKAGES}, "torch": torch.__version__},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "gpus": gpus,
        "cuda": torch.version.cuda if gpus else None,
        "commit": commit(Path(__file__).resolve().parents[2]),
    }


def _gpus() -> list[str]:
    """Ask `nvidia-smi` for the GPUs: asking torch would take half a GiB of each."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def record(study: optuna.Study) -> list[dict[str, Any]]:
    """Append the environment to the study's if it differs from the last run's; return all of
    them in order, each with `since`.
    """
    found = list(StudyRecord.of(study).environments or ())
    now = environment()
    last = {k: v for k, v in found[-1].items() if k != "since"} if found else {}
    if now != last:
        found.append({"since": time.strftime("%Y-%m-%d %H:%M:%S"), **now})
        write_study(study, environments=found)
    return found


def commit(folder: Path) -> str:
    """Return the git commit of a checkout, `-dirty` if changed; "" for another folder."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


PARTS = ("train", "validation", "test")


def freeze(config: StudyConfig, store: Store, folder: Path, data: Data) -> None:
    """Write settings, split and environment, in the driver that leads the study only.

    Raises ValueError if the images or their split changed since the study was begun.
    """
    digest = fingerprint(data)
    _check_data(config, store, data, digest)
    pixels = {"mean": data.mean, "std": data.std, "test": len(data.test)}
    # `pixels` is not compared with what was there: a mean may differ in its last bit
    write_study(store.study, study=config.to_dict(), pixels=pixels)
    try:
        write_whole(folder / "study.toml", tomli_w.dumps(_portable(config, folder)))
        write_whole(folder / "split.json", json.dumps(split_document(config, data, digest)) + "\n")
        environments = record(store.study)
        write_whole(folder / "environment.json", json.dumps(environments, indent=1) + "\n")
    except OSError as error:
        raise ValueError(f"folder {folder} cannot be written: {error.strerror}") from error


def _portable(config: StudyConfig, folder: Path) -> dict[str, Any]:
    """Return the study's tables, and copy the arch files of its baselines beside them."""
    tables, own = config.to_dict(), folder / "baselines"
    names = [Path(file).stem for file in config.files]
    for name in names:
        own.mkdir(exist_ok=True)
        arch = encode(config.baselines[name])
        write_whole(own / f"{name}.json", json.dumps(arch, indent=1) + "\n")
    if names:
        tables["baselines"] |= {"files": [f"{own.name}/{name}.json" for name in names]}
    return tables


def split_document(config: StudyConfig, data: Data, digest: str) -> dict[str, Any]:
    """Describe the split. `index` lists each part's positions, from 0, in the images that were
    split (`Images.index`); a part that the data set itself provides is left out.
    """
    parts = {name: getattr(data, name) for name in PARTS}
    return {
        "dataset": config.dataset,
        "seed": config.seed,
        "fingerprint": digest,
        "images": {name: len(images) for name, images in parts.items()},
        "index": {n: images.index.tolist() for n, images in parts.items() if len(images.index)},
    }


def require_same(config: StudyConfig, begun: optuna.Study, data: Data) -> None:
    """Raise ValueError if images or split differ from those the study was begun with."""
    _described(config, begun, data, fingerprint(data))


def _check_data(config: StudyConfig, store: Store, data: Data, digest: str) -> None:
    write_study(store.study, data=_described(config, store.study, data, digest))


def _described(config: StudyConfig, begun: optuna.Study, data: Data, digest: str) -> dict[str, Any]:
    now = {
        "fingerprint": digest,
        "classes": list(data.classes),
        "shape": list(data.shape),
        "train": len(data.train),
        "validation": len(data.validation),
    }
    before = StudyRecord.of(begun).data or now
    changed = [key for key, value in now.items() if before.get(key, value) != value]
    if changed:
        raise ValueError(
            f"{config.where} [study] dataset {config.dataset} is not what the study was begun "
            f"with: {', '.join(changed)} differ; give the study another name"
        )
    return now
