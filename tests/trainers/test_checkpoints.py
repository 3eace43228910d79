"""Checkpoints of a trial on every kind of place that pyarrow writes."""

from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem, SubTreeFileSystem, _MockFileSystem

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.limits import Cost
from skipsearch.studies.engine.driver import run
from skipsearch.studies.engine.jobs import job_of
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Job
from skipsearch.trainers.trial.training import Training
from tests.support.tabulated_training import Silent, study_of


def places(folder: Path) -> dict[str, Checkpoints]:
    memory = PyFileSystem(FSSpecHandler(MemoryFileSystem()))
    own = folder / "a ü b"
    return {
        "path": Checkpoints.at(str(own / "path")),
        "uri": Checkpoints.at((own / "uri").as_uri()),
        "fsspec": Checkpoints(memory, "/bucket/prefix/7", "memory://bucket/prefix/7"),
        "mock": Checkpoints(_MockFileSystem(), "bucket/7", "mock://bucket/7"),
        "subtree": Checkpoints(
            SubTreeFileSystem(str(folder), Checkpoints.at("/").filesystem), "s", "s"
        ),
    }


@pytest.mark.parametrize("kind", ["path", "uri", "fsspec", "mock", "subtree"])
def test_what_is_saved_is_listed_loaded_and_deleted(kind: str, tmp_path: Path) -> None:
    place = places(tmp_path)[kind]
    assert place.epochs() == []
    for epoch in (1, 2, 10):
        place.save(epoch, f"state {epoch}".encode())
    place.save(2, b"state 2 again")
    assert place.epochs() == [10, 2, 1] and place.load(2) == b"state 2 again"
    place.delete(10)
    place.delete(10)
    assert place.epochs() == [2, 1] and place.name(2).endswith("7/checkpoint-00002.pt") == (
        kind in ("fsspec", "mock")
    )
    with pytest.raises(OSError):
        place.load(10)


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    place = Checkpoints.at(str(tmp_path))
    place.save(1, b"whole")
    (tmp_path / "checkpoint-00002.pt.123.part").write_bytes(b"ha")
    assert place.epochs() == [1] and len(list(tmp_path.iterdir())) == 2


def test_a_training_goes_on_from_a_uri(tmp_path: Path) -> None:
    config = study_of(train_subset=100, checkpoints=(tmp_path / "far away").as_uri())
    data, arch = load_data(config), Arch(stages=2, blocks=(1, 1), stem_channels=8)
    recipe = {**encode(RECIPES["short"]), "epochs": 4}
    cost = Cost("x", params=1, macs=1, latency_ms=None)
    made = job_of(config, tmp_path / "run", 3, arch, RECIPES["short"], cost, 4, None, False)
    assert made.checkpoints == f"{(tmp_path / 'far away').as_uri()}/tabulated/3"
    job = Job(3, encode(arch), recipe, 7, 4, made.folder, 1, "cpu", checkpoints=made.checkpoints)
    first = Training(job, data)
    reports = [first.step() for _ in range(3)]
    assert reports[2].checkpoint == f"{made.checkpoints}/checkpoint-00003.pt"
    kept = sorted((tmp_path / "far away" / "tabulated" / "3").iterdir())
    assert [path.name for path in kept] == ["checkpoint-00002.pt", "checkpoint-00003.pt"]
    again = Training(job, data)
    assert [again.step().epoch for _ in range(2)] == [3, 4]
    assert {p.name for p in Path(made.folder).iterdir()} == {"arch.json", "curve.csv"}


def test_a_place_that_pyarrow_does_not_know_gets_one_line(tmp_path: Path) -> None:
    config = study_of(checkpoints="ftp://host/prefix")
    with pytest.raises(
        ValueError, match=r"^checkpoints ftp://host/prefix cannot be used: "
    ) as caught:
        run(config, folder=tmp_path / "run", observer=Silent(), in_process=True)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
