"""Log curves of trials to TensorBoard, MLflow or Weights & Biases with Ray's own callbacks.

Off by default, as the study stores the same curves. Files go to `logs/` in the study's folder.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.logger import TBXLoggerCallback
from ray.tune.result import TIMESTEPS_TOTAL

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.studies.storage.connect import sqlite_url

# name → module to import, package to install
LIBRARIES = {
    "tensorboard": ("tensorboardX", "tensorboardX"),
    "mlflow": ("mlflow", "mlflow"),
    "wandb": ("wandb", "wandb"),
}


class TensorBoard(TBXLoggerCallback):  # type: ignore[misc]
    """Write one folder per trial, named by its number, and continue it after an interruption.

    Steps are epochs; Ray's own would start from 1 again after every interruption.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def log_trial_start(self, trial: Trial) -> None:
        """Open the writer of a trial, after an interruption a new one on the same folder."""
        if trial in self._trial_writer:
            self._trial_writer[trial].close()
        place = self.folder / str(trial.config["job"].number)
        self._trial_writer[trial] = self._summary_writer_cls(str(place), flush_secs=30)
        self._trial_result[trial] = {}

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Write a report with its epoch as step."""
        epoch = {TIMESTEPS_TOTAL: result["epoch"]}
        super().log_trial_result(iteration, trial, result | epoch)


def names_of(text: str) -> list[str]:
    """Split `tensorboard,mlflow` into names. Raises ValueError for a name that is not a logger's,
    and for a library that is not installed.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in LIBRARIES:
            hint, known = nearest(name, list(LIBRARIES)), ", ".join(LIBRARIES)
            raise ValueError(f"--log {name} is not a logger{hint}; known: {known}")
        module, package = LIBRARIES[name]
        if find_spec(module) is None:
            raise ValueError(f"--log {name} needs a library: pip install {package}")
    return names


def loggers(names: Iterable[str], study: str, folder: Path) -> list[Callback]:
    """Return a run's callbacks; `folder` is the study's `logs/`."""
    return [_logger(name, study, folder) for name in names]


def _logger(name: str, study: str, folder: Path) -> Callback:
    own = (folder / name).resolve()
    own.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        return TensorBoard(own)
    if name == "mlflow":
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return MLflowLoggerCallback(sqlite_url(own / "mlflow.db"), experiment_name=study)
    from ray.air.integrations.wandb import WandbLoggerCallback

    return WandbLoggerCallback(project=study, dir=str(own))
