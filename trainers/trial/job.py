"""Job, report and steps: the words between a driver and a worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from skipsearch.searchspace.parameters.domains import Scalar

Record = dict[str, Any]  # of an epoch: what is reported of it


@dataclass(frozen=True)
class Job:
    """What a worker must know of its trial."""

    number: int
    arch: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    seed: int
    max_epochs: int
    folder: str  # of this trial; the same path on every machine
    threads: int
    device: str
    baseline: bool = False
    costs: tuple[float, ...] = ()  # its other objectives, for its place at a rung
    max_seconds: float | None = None
    checkpoints: str = ""  # a path or a URI of their own; else they are in `folder`
    below: int | None = None  # judged beside trials of lower numbers only; None for all
    more_seeds: tuple[int, ...] = ()  # the network is trained with each of these too


class Steps(Protocol):
    """What an executor needs of a training: a report an epoch, with `epoch` and `val_error`."""

    def step(self) -> Record: ...
    def close(self) -> None: ...


Begin = Callable[[Job], Steps]
