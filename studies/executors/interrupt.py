"""Why a run ends before its study: a signal, or its hours are over."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; SLURM and `kill` before they kill


class Ending:
    """Asked for by the first signal, done between two events; the second signal ends at once."""

    def __init__(self, hours: float | None) -> None:
        self.signalled = False
        self.at_once = False  # while nothing is half-done, the first signal ends at once too
        self.hours, self.since = hours, time.monotonic()

    def __call__(self, _signal: int, _frame: object) -> None:
        if self.signalled or self.at_once:
            self.signalled = True
            raise KeyboardInterrupt
        self.signalled = True

    @property
    def due(self) -> bool:
        return self.signalled or self.over

    @property
    def over(self) -> bool:
        """Whether the hours are."""
        return self.hours is not None and time.monotonic() - self.since > 3600 * self.hours

    @contextmanager
    def listening(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """A training step in this process: what it loses is trained again."""
        self.at_once = True
        try:
            if self.signalled:
                raise KeyboardInterrupt
            yield
        finally:
            self.at_once = False
