"""What became of a trial that failed, in one line."""

from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune.experiment import Trial

# torch on the GPU and on the CPU, its libraries, Python; Ray ends a worker before the host is full
SIGNS = (
    "OutOfMemoryError",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "_STATUS_ALLOC_FAILED",
    "MemoryError",
)


def out_of_memory(error: BaseException | None) -> bool:
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in SIGNS)


def marked(error: BaseException | None, reason: str) -> str:
    return f"out of memory: {reason}" if out_of_memory(error) else reason


def raised_by(trial: Trial) -> Any:
    """`Trial.get_pickled_error` looks in the storage, where the file comes later."""
    path = Path(trial.pickled_error_file or "")
    return cloudpickle.loads(path.read_bytes()) if path.is_file() else None
