"""Which trials are silent for too long: Ray Tune has no time limit of its own (ray#47475).

A trial that hangs (a data set on a dead mount, a deadlock in a driver of the GPU) is known by
its silence: no report for many times its slowest epoch. One that has not reported yet is judged by
the slowest epoch of all, and by its multiply-accumulates where it has more than those seen: in one
space an epoch takes 3 s or 130, and the median of all would end the slow ones, which only train.
Who was ended wrongly all the same has twice the time when it is tried again.

Seconds are those that the driver listened; while a storage or a sampler held it up, reports waited
for it, not it for reports.
"""

import math
from collections import Counter
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


@dataclass
class Pace:
    """Of the epochs that were seen, whoever trained them."""

    epochs: int = 0
    slowest: float = 0.0  # seconds
    macs: int = 1  # most of a network


class Watchdog:
    """Looked at many times a second. A `multiple` of 0 never ends anyone."""

    def __init__(self, multiple: float) -> None:
        self.multiple = multiple
        self.silent: dict[str, Silence] = {}
        self.pace = Pace()
        self.slowest: dict[str, float] = {}  # seconds, by trial
        self.macs: dict[str, int] = {}
        self.named: Counter[str] = Counter()
        self.looked: float | None = None

    def started(self, trial_id: str, epoch: int, now: float, macs: int = 1) -> None:
        """Its actor is set up; `epoch` is the last one of its curve."""
        self.silent[trial_id] = Silence(epoch, now)
        self.macs[trial_id] = macs

    def reported(self, trial_id: str, epoch: int, now: float) -> None:
        """What is reported again after a death took no epoch's time."""
        before = self.silent.get(trial_id)
        if before is None:
            return
        if epoch > before.epoch:
            seconds = now - before.since
            self.slowest[trial_id] = max(seconds, self.slowest.get(trial_id, 0.0))
            self.pace.epochs += 1
            self.pace.slowest = max(seconds, self.pace.slowest)
            self.pace.macs = max(self.pace.macs, self.macs[trial_id])
        self.silent[trial_id] = Silence(max(epoch, before.epoch), now)

    def ended(self, trial_id: str) -> None:
        self.silent.pop(trial_id, None)

    def forget(self, trial_id: str) -> None:
        """It never starts again."""
        self.ended(trial_id)
        for known in (self.slowest, self.macs, self.named):
            known.pop(trial_id, None)

    def patience(self, trial_id: str) -> float:
        """Seconds of silence that a trial is allowed."""
        if not self.multiple or self.pace.epochs < EPOCHS:
            return math.inf
        if trial_id in self.slowest:
            expected = self.slowest[trial_id]
        else:
            expected = self.pace.slowest * max(1.0, self.macs[trial_id] / self.pace.macs)
        return math.ldexp(max(AT_LEAST, self.multiple * expected), self.named[trial_id])

    def look(self, now: float) -> Iterator[tuple[str, float]]:
        """Who is silent for too long, with the seconds; each is named once, and then left alone
        until it is started again.
        """
        gap = 0.0 if self.looked is None else min(BLINK, now - self.looked)
        self.looked = now
        for trial_id, silence in list(self.silent.items()):
            silence.seconds += min(gap, now - silence.since)
            if silence.seconds > self.patience(trial_id):
                self.ended(trial_id)
                self.named[trial_id] += 1
                yield trial_id, silence.seconds
