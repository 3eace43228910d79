"""What Ray is asked for beyond training: an end for who hangs, parts of a GPU, logs.

One session of two cores and a GPU that is there for Ray's books only.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from optuna.trial import TrialState
from tensorboardX.proto.event_pb2 import Event

from skipsearch.studies.engine.driver import run
from skipsearch.studies.executors import watchdog
from skipsearch.studies.executors.ray_loggers import names_of
from skipsearch.studies.executors.ray_tune import run_probe
from skipsearch.studies.storage.store import Store
from skipsearch.studies.terminal.front import status_lines
from skipsearch.trainers.trial.job import Job
from tests.support.tabulated_training import (
    Hanging,
    Silent,
    Starved,
    Tabulated,
    Unshared,
    charged,
    study_of,
    trained_once,
)

pytestmark = [  # as in studies/engine/test_run.py
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


class Watching(Silent):
    """Remembers every reason that stood in the study."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: set[str] = set()

    def changed(self, store: Store) -> None:
        self.reasons |= {t.user_attrs.get("why", "") for t in store.trials}


def test_a_trial_that_hangs_is_ended_and_goes_on_from_its_checkpoint(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "AT_LEAST", 1.6)
    config = study_of(pruner="none", trials=4)
    watching = Watching()
    done = run(config, folder=tmp_path, observer=watching, begin=Hanging)
    assert [t.state for t in charged(done)] == [TrialState.COMPLETE] * 4
    assert [len(t.intermediate_values) for t in charged(done)] == [9] * 4
    hung = done.trials[1]
    assert hung.user_attrs["attempts"] == 2 and trained_once(tmp_path)
    assert watching.reasons == {"", "did not report for 2 s"}


def test_who_runs_out_of_memory_is_tried_again_with_more_of_its_gpu(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # for Ray's books only
    config = study_of(pruner="none", trials=3, gpus_per_trial=1, trials_per_gpu=4)
    done = run(config, folder=tmp_path, observer=Silent(), begin=Starved)
    shares = (tmp_path / "trials" / "1" / "shares.txt").read_text().split()
    assert shares == ["0.25", "0.5", "1"]
    assert [t.state for t in charged(done)] == [TrialState.COMPLETE] * 3
    assert done.trials[1].user_attrs["attempts"] == 3 and trained_once(tmp_path)
    noted = done.user_attrs["trials_per_gpu"]
    assert noted["now"] == 1 and noted["said"] == "out of memory: from 2 to 1 trials per GPU"
    assert "GPU       1 trials at a time (out of memory: from 2 to 1" in "\n".join(
        status_lines(done)
    )


def pid_of(job: Job) -> tuple[int, int]:
    return os.getpid(), job.number


def test_each_probe_of_memory_runs_in_a_process_of_its_own_that_ends(cluster: str) -> None:
    jobs = [Job(number, {}, {}, 0, 1, "", 1, "cuda") for number in range(2)]
    (first, one), (second, two) = run_probe(pid_of, jobs)
    assert (one, two) == (0, 1) and len({first, second, os.getpid()}) == 3


def test_a_trial_that_never_has_enough_memory_fails_with_that_reason(tmp_path: Path) -> None:
    config = study_of(pruner="none", trials=6, concurrency=1)
    done = run(config, folder=tmp_path, observer=Silent(), in_process=True, begin=Unshared)
    failed = done.trials[1]
    assert failed.state == TrialState.FAIL and failed.user_attrs["attempts"] == 3
    assert failed.user_attrs["why"].startswith("out of memory: OutOfMemoryError: CUDA out of mem")
    assert len({t.user_attrs["identity"] for t in charged(done)}) == len(charged(done)) == 6


def test_curves_are_logged_for_tensorboard_by_epoch(cluster: str, tmp_path: Path) -> None:
    config = study_of(pruner="none", trials=2)
    done = run(config, folder=tmp_path, observer=Silent(), begin=Tabulated, log="tensorboard")
    for trial in done.trials:
        (file,) = (tmp_path / "logs" / "tensorboard" / str(trial.number)).glob("events.*")
        assert points(file, "ray/tune/val_error") == pytest.approx(trial.intermediate_values)


def points(file: Path, tag: str) -> dict[int, float]:
    """The scalars of a TensorBoard file: its records are a length, two checksums and an event."""
    content, at = file.read_bytes(), 0
    found: dict[int, float] = {}
    while at < len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + size])
        for scalar in event.summary.value:
            if scalar.tag == tag:
                found[event.step] = scalar.simple_value
        at += size + 16
    return found


def test_a_logger_that_is_none_or_not_installed_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--log tensorbord is not a logger \(nearest"):
        names_of("tensorbord")
    absent = [name for name in ("mlflow", "wandb") if find_spec(name) is None]
    for name in absent:
        with pytest.raises(ValueError, match=f"--log {name} needs a library: pip install {name}"):
            run(study_of(), folder=tmp_path, observer=Silent(), log=f"tensorboard,{name}")
    with pytest.raises(ValueError, match="--log needs Ray"):
        run(study_of(), folder=tmp_path, observer=Silent(), log="tensorboard", in_process=True)
    assert names_of("tensorboard") == ["tensorboard"] and not any(tmp_path.iterdir())
