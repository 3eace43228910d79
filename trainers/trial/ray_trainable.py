"""Adapt a training to Ray Tune; no other file of `trainers` imports Ray.

Ray's class interface is used because it lets one actor train many trials: starting a trial takes
0.08 s instead of 5.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from skipsearch.trainers.trial.job import Begin, Job, Report, Steps, WrongReport

WRONG = "wrong_report"


def begun(begin: Begin, job: Job) -> Steps:
    """Begin a training in the folder that the driver made for the trial.

    Raises ValueError where this node does not see the folder: the node that resumes the trial would
    not find its checkpoints.
    """
    if not Path(job.folder).is_dir():
        raise ValueError(
            f"folder {job.folder} is not there on node {socket.gethostname()}: "
            "give --folder a path that all nodes share"
        )
    return begin(job)


def report_in(result: Mapping[str, Any]) -> Report:
    """Read the report in Ray's result, and add the worker's node. Raises WrongReport."""
    if "epoch" not in result:
        raise WrongReport("ended without a report")
    if WRONG in result:
        raise WrongReport(result[WRONG])
    return Report.from_dict({**result, "node": result.get("hostname")})


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Ray's actor for a training; one `step` is one epoch."""

    def setup(self, config: dict[str, Any], begin: Begin) -> None:
        """Begin the training of the actor's first trial."""
        self.begin = begin
        self.training = begun(begin, config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Close the training and begin that of the next trial, in the same process."""
        self.cleanup()
        self.training = begun(self.begin, new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch and return its report as a dictionary. A wrong report is returned as
        such, not raised, as Ray would retry the trial after an error.
        """
        try:
            return self.training.step().to_dict()
        except WrongReport as wrong:
            return {"epoch": 0, WRONG: str(wrong)}

    def cleanup(self) -> None:
        """Close the training."""
        self.training.close()
