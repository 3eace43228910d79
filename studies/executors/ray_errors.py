"""Unwrap the errors that Ray hands on: a trial's in its worker, and the driver's own."""

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
    """Raise ExecutorError in place of Tune's error, which wraps what the driver's code raised."""
    try:
        yield
    except TuneError as error:
        raise ExecutorError(str(error)) from error


def raised_by(trial: Trial) -> Any:
    """Load a trial's error. Ray's own `get_pickled_error` looks where the file comes later."""
    path = Path(trial.pickled_error_file or "")
    return cloudpickle.loads(path.read_bytes()) if path.is_file() else None


def reason(trial: Trial) -> str:
    """Return the cause of a trial's error in one line, without Ray's wrapping."""
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
    """Read the traceback of a trial's error."""
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else "no message\n"
