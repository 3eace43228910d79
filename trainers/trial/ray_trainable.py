"""A training as Ray Tune runs it: the only file of `trainers` that knows Ray.

The class interface, because an actor is then used for trial after trial (0.08 s a trial instead of
5).
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from skipsearch.trainers.trial.job import Begin, Job, Report, Steps, WrongReport

WRONG = "wrong_report"


def begun(begin: Begin, job: Job) -> Steps:
    """The driver made the trial's folder; its checkpoints must be seen by whoever goes on. Raises
    ValueError where this node does not see it.
    """
    if not Path(job.folder).is_dir():
        raise ValueError(
            f"folder {job.folder} is not there on node {socket.gethostname()}: "
            "give --folder a path that all nodes share"
        )
    return begin(job)


def report_in(result: Mapping[str, Any]) -> Report:
    """The report of an actor's step, with what Ray adds of its worker. Raises WrongReport."""
    if "epoch" not in result:
        raise WrongReport("ended without a report")
    if WRONG in result:
        raise WrongReport(result[WRONG])
    return Report.from_dict({**result, "node": result.get("hostname")})


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """`step` is one epoch."""

    def setup(self, config: dict[str, Any], begin: Begin) -> None:
        self.begin = begin
        self.training = begun(begin, config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.training = begun(self.begin, new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """A report as Ray wants it, a dictionary. A wrong one is told, not raised: what an actor
        raises Ray tries again.
        """
        try:
            return self.training.step().to_dict()
        except WrongReport as wrong:
            return {"epoch": 0, WRONG: str(wrong)}

    def cleanup(self) -> None:
        self.training.close()
