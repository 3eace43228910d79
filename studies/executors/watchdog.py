"""Find trials that hang: Ray Tune has no time limit of its own (ray#47475).

A trial that hangs (a data set on a dead mount, a deadlock in a driver of the GPU) is known by
its silence: no report for many times its slowest epoch. Before its first report a trial is judged
by the slowest epoch of all trials, scaled up if it has more multiply-accumulates than any of them:
in one space an epoch takes 3 s or 130, and the median would end slow trials that only train.
A trial that was ended wrongly has twice the time when it is tried again.

Only seconds in which the driver listened count: while a storage or a sampler holds it up, reports
wait for the driver.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

AT_LEAST = 60.0  # seconds; shorter epochs vary with the machine's other load
EPOCHS = 3  # seen before any trial is judged
BLINK = 1.0  # seconds counted between two looks; a longer gap is the driver's own delay


@dataclass
class Silence:
    """The silence of a trial since its last report or start."""

    epoch: int  # of its last report
    since: float
    seconds: float = 0.0  # in which the driver listened


@dataclass
class Pace:
    """The pace of a study: its slowest epoch and largest network so far, over all trials."""

    epochs: int = 0
    slowest: float = 0.0  # seconds
    macs: int = 1  # of the largest network that reported


class Watchdog:
    """Finds silent trials; asked many times a second. A `multiple` of 0 ends no trial."""

    def __init__(self, multiple: float) -> None:
        self.multiple = multiple
        self.silent: dict[str, Silence] = {}
        self.pace = Pace()
        self.slowest: dict[str, float] = {}  # seconds, by trial
        self.macs: dict[str, int] = {}
        self.named: Counter[str] = Counter()
        self.looked: float | None = None

    def started(self, trial_id: str, epoch: int, now: float, macs: int = 1) -> None:
        """Start a trial's clock as its actor is set up; `epoch` is the last one of its curve."""
        self.silent[trial_id] = Silence(epoch, now)
        self.macs[trial_id] = macs

    def reported(self, trial_id: str, epoch: int, now: float) -> None:
        """Restart a trial's clock, and learn the time of an epoch that was not reported before."""
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
        """Stop a trial's clock; it may start again."""
        self.silent.pop(trial_id, None)

    def forget(self, trial_id: str) -> None:
        """Drop all records of a trial, which never starts again."""
        self.ended(trial_id)
        for known in (self.slowest, self.macs, self.named):
            known.pop(trial_id, None)

    def patience(self, trial_id: str) -> float:
        """Return the seconds of silence that a trial is allowed."""
        if not self.multiple or self.pace.epochs < EPOCHS:
            return math.inf
        if trial_id in self.slowest:
            expected = self.slowest[trial_id]
        else:
            expected = self.pace.slowest * max(1.0, self.macs[trial_id] / self.pace.macs)
        return math.ldexp(max(AT_LEAST, self.multiple * expected), self.named[trial_id])

    def look(self, now: float) -> Iterator[tuple[str, float]]:
        """Yield each trial that is silent for too long, with its seconds: once, until it is started
        again.
        """
        gap = 0.0 if self.looked is None else min(BLINK, now - self.looked)
        self.looked = now
        for trial_id, silence in list(self.silent.items()):
            silence.seconds += min(gap, now - silence.since)
            if silence.seconds > self.patience(trial_id):
                self.ended(trial_id)
                self.named[trial_id] += 1
                yield trial_id, silence.seconds
