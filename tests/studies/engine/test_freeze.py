"""What a study writes down of itself, and that it goes on with the same images only."""

import json
from pathlib import Path

import numpy as np
import pytest

from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.engine.provenance import freeze
from skipsearch.studies.storage.store import Store
from skipsearch.trainers.data.arrays import Images, fingerprint
from skipsearch.trainers.data.sources import digits
from tests.support.tabulated_training import study_of


def opened(config: StudyConfig, folder: Path) -> Store:
    return open_store(config, f"sqlite:///{folder / 'study.db'}", "a")


def test_the_split_is_stored_literally_and_stays(tmp_path: Path) -> None:
    config = study_of(train_subset=200, seed=5)
    data, source = load_data(config), digits().train
    freeze(config, opened(config, tmp_path), tmp_path, data)
    text = (tmp_path / "split.json").read_text()
    split = json.loads(text)
    assert (split["dataset"], split["seed"]) == ("digits", 5)
    assert split["images"] == {"train": 200, "validation": 144, "test": 359}
    assert split["fingerprint"] == fingerprint(data)
    assert list(split["index"]) == ["train", "validation", "test"]
    for name, index in split["index"].items():
        part: Images = getattr(data, name)
        assert np.array_equal(source.images[index], part.images)
        assert np.array_equal(source.labels[index], part.labels)
    freeze(config, opened(config, tmp_path), tmp_path, load_data(config))
    assert (tmp_path / "split.json").read_text() == text
    assert not list(tmp_path.glob("*.part"))


def test_other_images_are_refused_and_leave_what_is_written_alone(tmp_path: Path) -> None:
    config = study_of(seed=5)
    freeze(config, opened(config, tmp_path), tmp_path, load_data(config))
    text = (tmp_path / "split.json").read_text()
    with pytest.raises(ValueError, match=r"dataset digits is not what .* fingerprint differ"):
        freeze(config, opened(config, tmp_path), tmp_path, load_data(study_of(seed=6)))
    assert (tmp_path / "split.json").read_text() == text
