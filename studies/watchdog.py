"""Which trials are silent for too long: Ray Tune has no time limit of its own (ray#47475).

A trial that hangs (a data set on a dead mount, a deadlock in a driver of the GPU) is known by
its silence: no report for many times the median epoch. Seconds are those that the driver
listened; while a storage or a sampler held it up, reports waited for it, not it for reports.
"""

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass

AT_LEAST = 60.0  # seconds; epochs of less vary with whatever else the machine does
EPOCHS = 3  # that were seen before anyone is judged
BLINK = 1.0  # seconds between two looks that count; a longer gap was the driver's


@dataclass
class Silence:
    """Of a trial since its last sign."""

    epoch: int  # of its last report
    since: float
    seconds: float = 0.0  # of it that the driver listened


class Watchdog:
    """Looked at many times a second. A `multiple` of 0 never ends anyone."""

    def __init__(self, multiple: float) -> None:
        self.multiple = multiple
        self.silent: dict[str, Silence] = {}
        self.epochs: list[float] = []  # seconds, sorted
        self.looked: float | None = None

    def started(self, trial_id: str, epoch: int, now: float) -> None:
        """Its actor is set up; `epoch` is the last one of its curve."""
        self.silent[trial_id] = Silence(epoch, now)

    def reported(self, trial_id: str, epoch: int, now: float) -> None:
        """What is reported again after a death took no epoch's time."""
        before = self.silent.get(trial_id)
        if before is None:
            return
        if epoch > before.epoch:
            insort(self.epochs, now - before.since)
        self.silent[trial_id] = Silence(max(epoch, before.epoch), now)

    def ended(self, trial_id: str) -> None:
        self.silent.pop(trial_id, None)

    @property
    def patience(self) -> float:
        """Seconds of silence that are allowed."""
        if not self.multiple or len(self.epochs) < EPOCHS:
            return math.inf
        return max(AT_LEAST, self.multiple * self.epochs[len(self.epochs) // 2])

    def look(self, now: float) -> Iterator[tuple[str, float]]:
        """Who is silent for too long, with the seconds; each is named once, and then left alone
        until it is started again."""
        gap = 0.0 if self.looked is None else min(BLINK, now - self.looked)
        self.looked = now
        for trial_id, silence in list(self.silent.items()):
            silence.seconds += min(gap, now - silence.since)
            if silence.seconds > self.patience:
                self.ended(trial_id)
                yield trial_id, silence.seconds
