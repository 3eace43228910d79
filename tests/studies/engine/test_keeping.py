"""Which checkpoints stay: those of the front, of what is not told yet, and all on request."""

from pathlib import Path

import pytest
import torch
from optuna.trial import FrozenTrial, TrialState, create_trial

from skipsearch.studies.engine.checkpoint_retention import Keeping
from skipsearch.studies.engine.driver import run
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.storage.store import load
from skipsearch.trainers.trial.checkpoints import is_whole, seal
from tests.support.kills import Killed, killed_at
from tests.support.tabulated_training import Silent, Tabulated, study_of


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"checkpoint-{epoch:05d}.pt"


def write(folder: Path, epochs: tuple[int, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in epochs:
        path = checkpoint_path(folder, epoch)
        torch.save({"epoch": epoch}, path)
        path.write_bytes(seal(path.read_bytes()))


class Checkpointed(Tabulated):
    """Leaves a checkpoint of its last two epochs."""

    def train_epoch(self) -> None:
        write(self.folder, (self.epoch,))
        checkpoint_path(self.folder, self.epoch - 2).unlink(missing_ok=True)


def left(folder: Path) -> dict[int, list[str]]:
    """Names of the checkpoints by the number of their trial."""
    found: dict[int, list[str]] = {}
    for path in sorted((folder / "trials").rglob("checkpoint-*")):
        number = path.relative_to(folder / "trials").parts[0]
        found.setdefault(int(number), []).append(path.name)
    return found


def test_at_the_end_the_front_has_its_last_checkpoints_and_nobody_else(tmp_path: Path) -> None:
    """Killed on the way: what trains and what waits keeps its own until then."""
    space = {"stages": 2, "blocks": 1, "body": "basic", "gate": "none"}
    waits = {"halving": "promote", "pruner": "pareto-asha", "sampler": "random"}

    def train(keep: str = "front") -> None:
        config = study_of(trials=9, space=space, keep=keep, **waits)
        run(config, folder=tmp_path, observer=Silent(), in_process=True, begin=Checkpointed)

    url = f"sqlite:///{tmp_path / 'study.db'}"
    with killed_at("before", 140), pytest.raises(Killed):
        train()
    there = load("tabulated", storage=url)
    front = {t.number for t in front_trials(there)}
    untold = {t.number for t in there.trials if t.state == TrialState.RUNNING and t.last_step}
    assert len(untold) > 1 and {*left(tmp_path)} == front | untold
    train(keep="all")
    everyone = left(tmp_path)
    train()
    front = {t.number for t in front_trials(load("tabulated", storage=url))}
    assert left(tmp_path) == {number: ["checkpoint-00009.pt"] for number in front}
    assert {*everyone} > front
    assert all((tmp_path / "trials" / str(n) / "arch.json").exists() for n in everyone)


def ended(number: int, *values: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    trial = create_trial(state=state, values=list(values) or None)
    trial.number = number
    return trial


def test_a_newcomer_that_beats_a_member_takes_its_place(tmp_path: Path) -> None:
    keeping = Keeping(str(tmp_path / "trials"))
    for number in range(5):
        write(tmp_path / "trials" / str(number), (8, 9))
    keeping.told(ended(0, 0.3, 100.0))
    assert left(tmp_path) == {0: ["checkpoint-00009.pt"]} | {
        n: ["checkpoint-00008.pt", "checkpoint-00009.pt"] for n in (1, 2, 3, 4)
    }
    keeping.told(ended(1, 0.3, 100.0))  # equal: both stay
    keeping.told(ended(2, 0.4, 200.0))
    assert {*left(tmp_path)} == {0, 1, 3, 4}
    keeping.told(ended(3, 0.3, 90.0))
    assert {*left(tmp_path)} == {3, 4}
    keeping.told(ended(4, state=TrialState.FAIL))
    keeping.told(ended(5, 0.1, 1000.0))  # has none, which is no error
    assert left(tmp_path) == {3: ["checkpoint-00009.pt"]}


def test_a_member_keeps_its_newest_whole_checkpoint_of_each_seed(tmp_path: Path) -> None:
    own = tmp_path / "trials" / "0"
    for folder in (own / "seed-0", own / "seed-1"):
        write(folder, (8, 9))
        (folder / "checkpoint-00010.77.part").write_bytes(b"begun")
    newest = checkpoint_path(own / "seed-1", 9)
    newest.write_bytes(newest.read_bytes()[:-1])
    write(own / "seed-2", (9,))
    only = checkpoint_path(own / "seed-2", 9)
    only.write_bytes(b"broken")
    Keeping(str(tmp_path / "trials")).told(ended(0, 0.3, 100.0))
    kept = {
        str(path.relative_to(own)): is_whole(path.read_bytes())
        for path in own.rglob("checkpoint-*")
    }
    assert kept == {
        "seed-0/checkpoint-00009.pt": True,
        "seed-1/checkpoint-00008.pt": True,
        "seed-2/checkpoint-00009.pt": False,  # better than none
    }


def test_nothing_outside_the_folder_of_the_study_is_deleted(tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "study"
    write(elsewhere, (9,))
    (home / "trials" / "1").mkdir(parents=True)
    (home / "trials" / "0").symlink_to(elsewhere)
    (home / "trials" / "1" / "seed-0").symlink_to(elsewhere)
    write(home / "trials" / "notes", (9,))
    keeping = Keeping(str(home / "trials"))
    for number in (0, 1):
        keeping.told(ended(number, state=TrialState.PRUNED))
    keeping.took_up([ended(n, state=TrialState.PRUNED) for n in (0, 1)])
    assert checkpoint_path(elsewhere, 9).exists()
    assert checkpoint_path(home / "trials" / "notes", 9).exists()
