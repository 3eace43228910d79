"""Errors as Ray hands them on: of a trial in its worker, and of the driver's own code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.error import TuneError
from ray.tune.experiment import Trial

from skipsearch.studies.executors.trial_errors import ExecutorError, marked


@contextmanager
def driver_errors() -> Iterator[None]:
    """Raise ExecutorError where Tune raises its own error, in which it wraps whatever the driver's
    code raised.
    """
    try:
        yield
    except TuneError as error:
        raise ExecutorError(str(error)) from error


def raised_by(trial: Trial) -> Any:
    """`Trial.get_pickled_error` looks in the storage, where the file comes later."""
    path = Path(trial.pickled_error_file or "")
    return cloudpickle.loads(path.read_bytes()) if path.is_file() else None


def reason(trial: Trial) -> str:
    """The cause of a trial's error in one line, not the wrapping that Ray puts around it."""
    error = raised_by(trial)
    if error is None:
        return "error without a message"
    if isinstance(error, RayTaskError):
        error = error.cause
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    if isinstance(error, RayActorError) and "creation task" in lines[0]:
        return marked(error, lines[-1].strip())  # raised in `setup`: the last line of a traceback
    return marked(error, f"{type(error).__name__}: {lines[0].strip()}")


def text(trial: Trial) -> str:
    """The traceback of a trial's error."""
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else "no message\n"
