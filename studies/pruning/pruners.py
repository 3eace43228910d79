"""Pruners by the names of a study file."""

from typing import Any

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.pruning.expected_gain import ExpectedGain
from skipsearch.studies.pruning.pruner import Pruner
from skipsearch.studies.pruning.rungs import rungs_of
from skipsearch.studies.storage.store import Store
from skipsearch.studies.surrogate.believer import Believer


def pruner_of(config: StudyConfig, store: Store, believer: Believer[Any]) -> Pruner | None:
    """Make the pruner of a study from its trials so far; None if it prunes no trial."""
    pruner: Pruner
    match config.pruner:
        case "none":
            return None
        case "expected-gain":
            pruner = ExpectedGain(config, store, believer)
        case _:
            pruner = rungs_of(config)
    pruner.load(store.trials, config.costs)
    return pruner
