"""A study of digits that is really trained, in a second, for tests that export and evaluate."""

from pathlib import Path

import optuna

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from tests.support.tabulated_training import Silent

GIVEN = {
    "study": {
        "name": "tiny",
        "dataset": "digits",
        "train_subset": 200,
        "trials": 3,
        "epochs": 1,
        "sampler": "random",
        "pruner": "none",
        "seed": 4,
        "keep": "all",
    },
    "space": {
        "stages": 2,
        "blocks": 1,
        "stem": "conv3",
        "stem_channels": 8,
        "body": "basic",
        "width": "doubling",
        "width.doubling.channels": [8, 16],
        "norm": "batch",
        "shortcut": ["concat", "attention"],
        "gate": "dia",
        "head": "pool",
    },
    "recipe": {"precision": "fp32"},
}


def trained(runs: Path, **settings: object) -> optuna.Study:
    """Train the study in `runs/tiny`, as `skipsearch run --serial --folder runs` does."""
    given = {**GIVEN, "study": {**GIVEN["study"], **settings}}
    config = StudyConfig.from_dict(given, where="tiny.toml")
    return run(config, folder=runs / config.name, observer=Silent(), in_process=True)
