"""What a study is, compared with what it was begun with and written down.

`study.toml` has all its settings, `baselines/` the arch files that it names, `split.json` which
images it trains on and validates with, `environment.json` on what it ran. The folder is enough to
run the same study elsewhere.
"""

import json
from pathlib import Path
from typing import Any

import optuna
import tomli_w

from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies import environment
from skipsearch.studies.config.study_config import Study
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.atomic_write import write_whole
from skipsearch.trainers.data.arrays import Data, fingerprint

PARTS = ("train", "validation", "test")


def freeze(study: Study, store: Store, folder: Path, data: Data) -> None:
    """By the driver that leads the study and no other. Raises ValueError for changed data."""
    digest = fingerprint(data)
    _check_data(study, store, data, digest)
    store.study.set_user_attr("study", study.to_dict())
    pixels = {"mean": data.mean, "std": data.std, "test": len(data.test)}
    store.study.set_user_attr("pixels", pixels)  # not compared: a mean may differ in its last bit
    try:
        write_whole(folder / "study.toml", tomli_w.dumps(_portable(study, folder)))
        write_whole(folder / "split.json", json.dumps(split_document(study, data, digest)) + "\n")
        environments = environment.record(store.study)
        write_whole(folder / "environment.json", json.dumps(environments, indent=1) + "\n")
    except OSError as error:
        raise ValueError(f"folder {folder} cannot be written: {error.strerror}") from error


def _portable(study: Study, folder: Path) -> dict[str, Any]:
    """The tables of the study; the arch files of its baselines are copied beside them."""
    tables, own = study.to_dict(), folder / "baselines"
    names = [Path(file).stem for file in study.files]
    for name in names:
        own.mkdir(exist_ok=True)
        arch = encode(study.baselines[name])
        write_whole(own / f"{name}.json", json.dumps(arch, indent=1) + "\n")
    if names:
        tables["baselines"] |= {"files": [f"{own.name}/{name}.json" for name in names]}
    return tables


def split_document(study: Study, data: Data, digest: str) -> dict[str, Any]:
    """`index` has the positions of each part's images among those of the data set that were split,
    counted from 0 (`Images.index`); a part that the data set has of its own is not in it."""
    parts = {name: getattr(data, name) for name in PARTS}
    return {
        "dataset": study.dataset,
        "seed": study.seed,
        "fingerprint": digest,
        "images": {name: len(images) for name, images in parts.items()},
        "index": {n: images.index.tolist() for n, images in parts.items() if len(images.index)},
    }


def require_same(study: Study, begun: optuna.Study, data: Data) -> None:
    """Raises ValueError for other images, or another split, than the study was begun with."""
    _described(study, begun, data, fingerprint(data))


def _check_data(study: Study, store: Store, data: Data, digest: str) -> None:
    store.study.set_user_attr("data", _described(study, store.study, data, digest))


def _described(study: Study, begun: optuna.Study, data: Data, digest: str) -> dict[str, Any]:
    now = {
        "fingerprint": digest,
        "classes": list(data.classes),
        "shape": list(data.shape),
        "train": len(data.train),
        "validation": len(data.validation),
    }
    before = begun.user_attrs.get("data", now)
    changed = [key for key, value in now.items() if before.get(key, value) != value]
    if changed:
        raise ValueError(
            f"{study.where} [study] dataset {study.dataset} is not what the study was begun with: "
            f"{', '.join(changed)} differ; give the study another name"
        )
    return now
