"""The executor without Ray: one trial after the other in this process.

For debugging, tests and tiny studies: Ray, which takes seconds, is neither loaded nor started. Job
source and scheduler are the same.
"""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from skipsearch.studies.executors.interrupt import Ending
from skipsearch.studies.executors.protocols import JobSource, Observer, Scheduler, Work
from skipsearch.studies.executors.trial_errors import marked
from skipsearch.trainers.trial.checkpoints import CannotSave
from skipsearch.trainers.trial.job import Begin, Job, Report, WrongReport

ATTEMPTS = 3  # of a trial; after this many errors it has failed
Answer = TypeVar("Answer")


class Raised(Exception):
    """Wraps an error of a training (its `__cause__`), to tell it from one of the engine."""

    @property
    def reason(self) -> str:
        """The error in one line."""
        lines = str(self.__cause__).splitlines() or [""]
        text = f"{type(self.__cause__).__name__}: {lines[0]}".rstrip(": ")
        return marked(self.__cause__, text)

    @property
    def text(self) -> str:
        """The error's traceback."""
        return "".join(traceback.format_exception(self.__cause__))


def train(
    source: JobSource,
    scheduler: Scheduler,
    observer: Observer,
    ending: Ending,
    work: Work,
) -> None:
    """Train until no job is left. Raises KeyboardInterrupt on a signal or after the hours."""
    with ending.listening():
        while isinstance(job := source.next_job(), Job):
            _train_one(job, source, scheduler, ending, work.begin)
            observer.changed(source.store)


def _train_one(
    job: Job,
    source: JobSource,
    scheduler: Scheduler,
    ending: Ending,
    begin: Begin,
) -> None:
    """Train one trial from its last checkpoint until the scheduler stops it; retry on errors."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for report in _reports(job, ending, begin):
                source.store.beat()
                if not scheduler.goes_on(job, report):
                    source.ended(job.number, report)
                    return
                source.reported(job.number, report)
        except WrongReport as wrong:
            source.failed(job.number, str(wrong))
            return
        except Raised as raised:
            if attempt == ATTEMPTS:
                (Path(job.folder) / "error.txt").write_text(raised.text)
                source.failed(job.number, raised.reason)
                return
            trial = source.live[job.number].trial
            source.store.note(trial, attempts=1 + attempt, why=raised.reason)


def _reports(job: Job, ending: Ending, begin: Begin) -> Iterator[Report]:
    """Yield the report of every epoch, without end. Raises `Raised` for the training's errors."""
    steps = _guarded(lambda: begin(job), ending)
    try:
        while True:
            yield _guarded(steps.step, ending)
    finally:
        steps.close()


def _guarded(work: Callable[[], Answer], ending: Ending) -> Answer:
    try:
        with ending.interrupting():
            return work()
    except (CannotSave, WrongReport):
        raise
    except Exception as error:
        raise Raised from error
