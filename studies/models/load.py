"""A network with its weights, wherever they are: of a trial, retrained, exported, or just drawn.

model = load("digits", trial=Picked("best"))     load("digits#17")     load("exports/digits-17")
network = model.network()                        # in evaluation mode, on the CPU
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skipsearch.studies.models.model import Model, untrained
from skipsearch.studies.models.target import resolve
from skipsearch.studies.storage.find import RUNS, find, home_of

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Picked:
    """The trial of a study that a rule picks, within limits (picking.py)."""

    rule: str = "knee"
    limits: Mapping[str, float] = field(default_factory=dict)


Choice = int | Picked  # which trial of a study


def load(
    target: str,
    *,
    trial: Choice | None = None,
    retrained: bool = False,
    folder: Path = RUNS,
    storage: str | None = None,
) -> Model:
    """The network that `target` names: a study (`trial` says which of it, by default its knee),
    STUDY#NUMBER, STUDY#BASELINE, an exported folder, a preset or an architecture file.

    `retrained` takes the weights of its first retrained seed. Raises ValueError in one line."""
    from skipsearch.searchspace.presets import PRESETS
    from skipsearch.studies.models.exported_config import CONFIG, read_exported
    from skipsearch.studies.models.from_trial import of_trial

    path = Path(target)
    is_network = target in PRESETS or (path.is_file() and path.suffix != ".toml")
    if is_network or (path / CONFIG).is_file():
        if trial is not None or retrained:
            raise ValueError(
                f"{target} is one network and no study: it has no trials to choose from"
            )
        return untrained(resolve(target, folder=folder)) if is_network else read_exported(path)
    name, hash_sign, which = target.rpartition("#")
    if not hash_sign:
        name, chosen = target, Picked() if trial is None else trial
    elif trial is not None:
        raise ValueError(f"{target} names a trial: leave the choice of another one out")
    study = find(name, folder=folder, storage=storage)
    if hash_sign:
        chosen = int(which) if which.isdecimal() else _baseline(study, which)
    return of_trial(study, _number(study, chosen), home_of(name, folder=folder), retrained)


def _baseline(study: "optuna.Study", name: str) -> int:
    """The trial of a baseline of the study."""
    from skipsearch.studies.storage.trial_record import baseline_numbers

    known = baseline_numbers(study)
    if name not in known:
        baselines = f", or one of {', '.join(known)}" if known else ""
        raise ValueError(
            f"{study.study_name}#{name} must end with the number of a trial, such as "
            f"{study.study_name}#17{baselines}"
        )
    return known[name]


def _number(study: "optuna.Study", chosen: Choice) -> int:
    from skipsearch.studies.results.pick import pick

    if isinstance(chosen, Picked):
        return pick(study, chosen.rule, chosen.limits).number
    count = len(study.get_trials(deepcopy=False))
    if not 0 <= chosen < count:
        raise ValueError(
            f"study {study.study_name} has the trials 0 to {count - 1}, got {chosen}"
            if count
            else f"study {study.study_name} has no trial yet"
        )
    return chosen
