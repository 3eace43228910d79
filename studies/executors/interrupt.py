"""End a run before its study is done: on a signal, or after `max_hours`."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; SLURM and `kill` before they kill


class Ending:
    """The request to end a run: honoured between two events, at once after a second signal."""

    def __init__(self, hours: float | None) -> None:
        self.signalled = False
        self.at_once = False  # while nothing is half-done, even the first signal ends at once
        self.hours, self.since = hours, time.monotonic()

    def __call__(self, _signal: int, _frame: object) -> None:
        """Note a first signal; raise KeyboardInterrupt at the second, or where that is safe."""
        if self.signalled or self.at_once:
            self.signalled = True
            raise KeyboardInterrupt
        self.signalled = True

    @property
    def due(self) -> bool:
        """True if the run is to end after the present event."""
        return self.signalled or self.over

    @property
    def over(self) -> bool:
        """True if the run has used up its hours."""
        return self.hours is not None and time.monotonic() - self.since > 3600 * self.hours

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM inside, if in the main thread; then restore the handlers."""
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
        """End at once on a signal inside: a training step, whose lost work is trained again."""
        self.at_once = True
        try:
            if self.signalled:
                raise KeyboardInterrupt
            yield
        finally:
            self.at_once = False
