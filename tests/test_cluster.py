"""What Ray is asked for beyond training: an end for who hangs, parts of a GPU, logs.

One session of two cores and a GPU that is there for Ray's books only.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from optuna.trial import TrialState
from tabulated import Forgetful, Hanging, Silent, charged, study_of, trained_once

from studies import watchdog
from studies.run import run
from studies.store import Store

HERE = Path(__file__).parent
pytestmark = [  # as in test_run.py
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="rc-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
        ray.init(
            num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=folder
        )
        yield
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


class Watching(Silent):
    """Remembers every reason that stood in the study."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: set[str] = set()

    def changed(self, store: Store) -> None:
        self.reasons |= {t.user_attrs.get("why", "") for t in store.trials}


def test_a_trial_that_hangs_is_ended_and_goes_on_from_its_checkpoint(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "AT_LEAST", 1.6)
    study = study_of(pruner="none", trials=4)
    watching = Watching()
    done = run(study, folder=tmp_path, observer=watching, begin=Hanging)
    assert [t.state for t in charged(done)] == [TrialState.COMPLETE] * 4
    assert [len(t.intermediate_values) for t in charged(done)] == [9] * 4
    hung = done.trials[1]
    assert hung.user_attrs["attempts"] == 2 and trained_once(tmp_path)
    assert watching.reasons == {"", "did not report for 2 s"}


def test_who_runs_out_of_memory_is_tried_again_with_more_of_its_gpu(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # for Ray's books only
    study = study_of(pruner="none", trials=5, gpus_per_trial=1, trials_per_gpu=4)
    done = run(study, folder=tmp_path, observer=Silent(), begin=Forgetful)
    shares = [(tmp_path / "trials" / str(n) / "shares.txt").read_text().split() for n in range(5)]
    assert shares[0] == ["0.25"] and shares[1][0] == "0.25" and shares[2][-1] == "1"
    assert len(shares[1]) == 2 and len(shares[2]) == 3
    states = {t.number: t.state for t in charged(done)}
    assert states.pop(2) == TrialState.FAIL and set(states.values()) == {TrialState.COMPLETE}
    why = done.trials[2].user_attrs["why"]
    assert why.startswith("out of memory: OutOfMemoryError: CUDA out of memory.")
    noted = done.user_attrs["trials_per_gpu"]
    assert noted["now"] == 1 and noted["said"] == "out of memory: from 2 to 1 trials per GPU"
    assert len({t.user_attrs["identity"] for t in charged(done)}) == 5
    assert trained_once(tmp_path)
