"""What is read is what was written: broken checkpoints are passed over, and change nothing."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.check import load_data
from skipsearch.studies.engine.driver import run
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.pruning.rungs import Rungs
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.trial.checkpoints import is_whole, seal
from skipsearch.trainers.trial.job import Job, Report
from skipsearch.trainers.trial.training import Training
from tests.support.kills import Killed, killed_at, outcome
from tests.support.tabulated_training import Silent, study_of

SMALL = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
RECIPE = {**encode(RECIPES["short"]), "epochs": 4}


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data(study_of(train_subset=60))


def checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)


def job_in(folder: Path) -> Job:
    return Job(0, SMALL, RECIPE, 7, 4, str(folder), 1, "cpu")


def curve(training: Training, epochs: int) -> list[tuple[int, float]]:
    records = [training.step() for _ in range(epochs)]
    return [(r.epoch, r.val_error) for r in records]


def emptied(content: bytes) -> bytes:
    return b""


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_its_end(content: bytes) -> bytes:
    return content[:-1]


def flipped(content: bytes) -> bytes:
    """In the middle of the weights, where `torch.load` does not notice."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("broken", [emptied, truncated, without_its_end, flipped])
def test_a_training_goes_on_from_the_checkpoint_before_a_broken_one_or_anew(
    data: Data, tmp_path: Path, broken: Callable[[bytes], bytes]
) -> None:
    job = job_in(tmp_path)
    whole = curve(Training(job, data), 4)
    newest, older = checkpoints(tmp_path)
    newest.write_bytes(broken(newest.read_bytes()))
    assert curve(Training(job, data), 2) == whole[2:]
    assert all(is_whole(path.read_bytes()) for path in checkpoints(tmp_path))
    for path in (newest, older):
        path.write_bytes(broken(path.read_bytes()))
    anew = Training(job, data)
    assert curve(anew, 1) == whole[:1]
    assert [p.name for p in checkpoints(tmp_path)] == ["checkpoint-00001.pt"]
    assert curve(anew, 3) == whole[1:]
    assert list(pd.read_csv(tmp_path / "curve.csv")["epoch"]) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"arch": encode(Arch(stages=2, blocks=(2, 1), stem_channels=8))},
        {"arch": encode(Arch(stages=2, blocks=(1, 1), stem_channels=16))},
        {"seed": 8},
        {"recipe": {**RECIPE, "lr": 0.5}},
    ],
    ids=["deeper", "wider", "seed", "recipe"],
)
def test_a_checkpoint_of_another_network_is_passed_over_and_changes_nothing(
    data: Data, tmp_path: Path, change: dict[str, object]
) -> None:
    job = job_in(tmp_path / "own")
    whole = curve(Training(job, data), 3)
    other = replace(job, folder=str(tmp_path / "other"), **change)
    curve(Training(other, data), 4)
    foreign = checkpoints(tmp_path / "other")[0]
    foreign.replace(tmp_path / "own" / foreign.name)
    assert curve(Training(job, data), 1) == whole[2:]
    for path in checkpoints(tmp_path / "own")[1:]:
        path.unlink()
    assert curve(Training(job, data), 3) == whole


def test_every_flipped_bit_and_every_cut_is_noticed_and_the_file_is_still_one_of_torch(
    tmp_path: Path,
) -> None:
    path, weights = tmp_path / "a.pt", {"w": torch.randn(100)}
    torch.save(weights, path)
    assert not is_whole(path.read_bytes())
    content, rng = seal(path.read_bytes()), random.Random(0)
    assert is_whole(content)
    path.write_bytes(content)
    assert torch.equal(torch.load(path, weights_only=True)["w"], weights["w"])
    for at in [*range(64), *rng.sample(range(len(content)), 500), *range(-64, 0)]:
        wrong = bytearray(content)
        wrong[at] ^= 1 << rng.randrange(8)
        assert not is_whole(bytes(wrong)), f"a flip in byte {at}"
    for size in (0, 1, 7, 8, 9, 63, len(content) // 2, len(content) - 1):
        assert not is_whole(content[:size]), f"cut to {size} bytes"


def test_a_study_whose_checkpoints_were_broken_while_it_was_dead_ends_as_if_they_were_not(
    tmp_path: Path,
) -> None:
    """Of a trial in training and of those that wait at a rung."""
    space = {"stages": 2, "blocks": 1, "body": "basic", "gate": "none"}
    waits = {"halving": "promote", "pruner": "pareto-asha", "sampler": "random"}
    config = study_of(trials=3, epochs=4, train_subset=60, concurrency=1, space=space, **waits)

    def train(folder: Path) -> list[tuple[object, ...]]:
        return outcome(run(config, folder=folder, observer=Silent(), in_process=True))

    with killed_at() as death:
        whole = train(tmp_path / "whole")
    with killed_at("before", int(0.7 * death.passed["before"])), pytest.raises(Killed):
        train(tmp_path / "broken")
    broken = list((tmp_path / "broken").glob("trials/*/checkpoint-*.pt"))
    assert len({path.parent for path in broken}) > 1
    for path in broken:
        path.write_bytes(flipped(path.read_bytes()))
    assert train(tmp_path / "broken") == whole


def test_epochs_that_are_trained_again_are_not_judged_again() -> None:
    scheduler = StudyScheduler(Rungs(9, pareto=False, promote=False))
    rungs = scheduler.pruner
    assert isinstance(rungs, Rungs)
    job = replace(job_in(Path()), max_epochs=9)
    reports = [Report(epoch=epoch, val_error=0.5) for epoch in (1, 2, 3, 4)]
    assert all(scheduler.goes_on(job, report) for report in reports)
    for number in range(1, 9):
        rungs.add(number, 3, 0.1, ())
    before = {epoch: dict(rung) for epoch, rung in rungs.at.items()}
    again = Report(epoch=3, val_error=0.6)
    assert scheduler.goes_on(job, again) and rungs.at == before
    assert not scheduler.goes_on(replace(job, number=9), again)
