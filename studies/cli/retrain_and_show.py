"""`skipsearch retrain`: select networks, retrain them with progress shown, print test errors."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from skipsearch.studies.config.target import parse_study
from skipsearch.studies.results.compare import compare
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.results.pick import pick
from skipsearch.studies.retraining.retrain import opened, retrain
from skipsearch.studies.retraining.systems import named
from skipsearch.studies.storage.find import settled
from skipsearch.studies.storage.trial_record import baseline_numbers
from skipsearch.studies.terminal.comparison import print_comparison
from skipsearch.studies.terminal.retrain_progress import RetrainProgress
from skipsearch.studies.terminal.tables import console

INTERRUPTED = 130


@dataclass(frozen=True)
class Wanted:
    """The options that select networks; their selections are joined."""

    trials: str | None
    front: bool
    rule: str | None
    limits: Mapping[str, float]
    baselines: bool
    add: tuple[str, ...]

    def __post_init__(self) -> None:
        others = self.trials is not None or self.front or self.baselines or self.add
        if not (others or self.rule or self.limits):
            raise ValueError(
                "say what to retrain: --trials 3,17, --front, --pick RULE, --baselines or "
                "--add PRESET"
            )
        if self.limits and self.rule is None and others:
            raise ValueError("--max-… are limits of --pick: give --pick best with them")

    def networks(self, study: optuna.Study, home: Path) -> list[int | str]:
        """Return the selected trials by number, baselines and presets by name. Raises ValueError if
        there are none.
        """
        found: list[int | str] = []
        if self.trials is not None:
            found += numbers(self.trials)
        if self.front:
            found += [t.number for t in front_trials(study)]
        if self.rule is not None or self.limits:
            found.append(pick(study, self.rule or "best", self.limits).number)
        if self.baselines:
            found += settled(study, home).baselines
        found += self.add
        if not found:
            raise ValueError(f"study {study.study_name} has nothing on its front and no baselines")
        return found


def numbers(text: str) -> list[int]:
    """Parse `--trials`: `3,17` → [3, 17]. Raises ValueError for anything but numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--trials must be numbers of trials such as 3,17, got {text!r}")
    return [int(part) for part in parts]


def retrain_and_show(
    target: str,
    wanted: Wanted,
    *,
    folder: Path,
    storage: str | None,
    settings: Mapping[str, Any],
    as_json: bool,
    command: Sequence[str],
    **options: Any,
) -> int:
    """Retrain the selected networks, print their comparison, and return the exit status."""
    where: dict[str, Any] = {"folder": folder, "storage": storage, "settings": settings}
    study = opened(target, **where)
    home = parse_study(target, folder=folder, storage=storage).home
    networks = wanted.networks(study, home)
    known, baselines = baseline_numbers(study), settled(study, home).baselines
    names = [
        n if isinstance(n, int) or n in known else named(baselines, n, folder)[0] for n in networks
    ]
    observer = RetrainProgress(console(stderr=as_json))
    try:
        retrain(target, networks, observer=observer, **where, **options)
    except KeyboardInterrupt:
        again = shlex.join(["skipsearch", *command])
        print(f"stopped; nothing is lost. Go on with: {again}", file=sys.stderr)
        return INTERRUPTED
    rows = compare([f"{target}#{n}" for n in names], folder=folder, storage=storage)
    print_comparison(rows, "student", "test", "json" if as_json else "table")
    return 0
