"""Progress of an analysis: a bar on a terminal, nothing elsewhere."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from skipsearch.studies.terminal.tables import console

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Steps(Sized, Iterable[T_co], Protocol[T_co]):
    """A sized iterable: the steps of an analysis, such as its batches."""


class Track(Protocol):
    """Wrap an iterable so that iterating over it advances a progress bar labelled `what`."""

    def __call__(self, steps: Steps[T], what: str, /) -> Iterable[T]:
        """Iterate over `steps`."""
        ...


def untracked(steps: Steps[T], _what: str) -> Iterable[T]:
    """Return the steps as they are: the `Track` for a caller that wants no bar."""
    return steps


@contextmanager
def tracked() -> Iterator[Track]:
    """Yield a `Track` that draws its bar on stderr, if stderr is a terminal."""
    terminal = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:

        def track(steps: Steps[T], what: str) -> Iterable[T]:
            return progress.track(steps, total=len(steps), description=what)

        yield track
