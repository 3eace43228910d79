"""Drive a searcher by hand, with trainings whose results come from a table."""

from pathlib import Path
from typing import Any

from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.open_study import open_store
from skipsearch.studies.engine.searcher import StudySearcher
from skipsearch.studies.executors.scheduler import StudyScheduler
from skipsearch.studies.pruning.pruners import pruner_of
from skipsearch.studies.samplers.proposer import believer
from skipsearch.trainers.trial.job import Job, Report
from tests.support.tabulated_training import GIVEN, val_error

CHEAP = {"stages": 2, "blocks": 1, "body": "basic", "gate": "none", "shortcut": ["none", "sum"]}


def study_of(
    trials: int = 12, *, limits: dict[str, Any] | None = None, **study: Any
) -> StudyConfig:
    tables = {"space": {**CHEAP, **study.pop("space", {})}, "limits": limits or {}}
    tables |= {k: study.pop(k) for k in ("baselines", "recipe") if k in study}
    given = {**GIVEN, "study": {**GIVEN["study"], "trials": trials, **study}, **tables}
    return StudyConfig.from_dict(given, where="tabulated.toml")


def begin(config: StudyConfig, folder: Path) -> StudySearcher:
    url = f"sqlite:///{folder / 'study.db'}"
    store = open_store(config, url, joint_space.space_hash(config))
    store.take_lease()
    networks = Networks(config, classes=10, shape=(1, 8, 8))
    belief = believer(config, networks)
    pruner = pruner_of(config, store, belief)
    return StudySearcher(config, store, networks, 1000, folder, belief, pruner)


def drive(searcher: StudySearcher) -> list[tuple[int, int]]:
    """Train one trial at a time to the end; return the trained (trial, epoch) pairs in order."""
    scheduler, trained = StudyScheduler(searcher.pruner), []
    while isinstance(job := searcher.next_job(), Job):
        epoch = max(searcher.store.trials[job.number].intermediate_values, default=1)
        while True:
            report = Report(epoch=epoch, val_error=val_error(job.number, epoch))
            trained.append((job.number, epoch))
            if not scheduler.goes_on(job, report):
                searcher.ended(job.number, report)
                break
            searcher.reported(job.number, report)
            epoch += 1
    return trained
