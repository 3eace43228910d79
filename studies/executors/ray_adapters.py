"""A study's searcher as Ray Tune calls it: Ray's dictionaries become reports here."""

from collections.abc import Mapping
from typing import Any

from ray.tune.search import Searcher

from skipsearch.studies.executors.protocols import Bridge
from skipsearch.trainers.trial.job import WrongReport
from skipsearch.trainers.trial.ray_trainable import report_in


class RaySearcher(Searcher):  # type: ignore[misc]
    """Hands every call on to the bridge."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self.bridge.suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        self.bridge.on_trial_result(trial_id, report_in(result))

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """An error is told by the callback, which knows its text."""
        if error:
            return
        try:
            report = report_in(result or {})
        except WrongReport as wrong:
            self.bridge.failed(trial_id, str(wrong))
        else:
            self.bridge.on_trial_complete(trial_id, report)

    def save(self, checkpoint_path: str) -> None: ...  # the study is the state

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study goes on from its storage")
