"""Load a network with its weights: of a trial, retrained, exported, or untrained (a preset).

model = load("digits", trial=Picked("best"))     load("digits#17")     load("exports/digits-17")
network = model.network()                        # in evaluation mode, on the CPU
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from skipsearch.studies.config.target import (
    NETWORKS,
    ArchFile,
    ExportFolder,
    PresetTarget,
    StoredStudy,
    StudyTarget,
    Target,
    TrialTarget,
    parse,
    refused,
)
from skipsearch.studies.models.model import Model, untrained
from skipsearch.studies.models.target import network_of
from skipsearch.studies.storage.find import RUNS, open_study, require_trial, trial_number

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Picked:
    """The trial of a study that a rule picks, within limits (`results.pick`)."""

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
    """Load the network that `target` names (`studies.config.target`).

    Parameters
    ----------
    trial
        Which trial of a study, by default its knee.
    retrained
        Take the weights of the first retrained seed.

    Raises
    ------
    ValueError
        For a target, trial or weights that do not exist, in one line.
    """
    named = parse(target, folder=folder, storage=storage)
    return load_parsed(named, trial=trial, retrained=retrained, storage=storage)


def load_parsed(
    target: Target,
    *,
    trial: Choice | None = None,
    retrained: bool = False,
    storage: str | None = None,
) -> Model:
    """Do what `load` does, with a target that is parsed already."""
    match target:
        case PresetTarget() | ArchFile() | ExportFolder():
            if trial is not None or retrained:
                raise ValueError(
                    f"{target.text} is {target.kind}, one network and no study: it has no trials "
                    "to choose from"
                )
            if isinstance(target, ExportFolder):
                from skipsearch.studies.models.exported_config import read_exported

                return read_exported(target.path)
            return untrained(network_of(target))
        case TrialTarget(study=home):
            if trial is not None:
                raise ValueError(
                    f"{target.text} names a trial: leave the choice of another one out"
                )
            study = open_study(home, storage)
            return _of_trial(study, trial_number(study, target), home, retrained)
        case StudyTarget():
            study = open_study(target, storage)
            return _of_trial(
                study, _number(study, Picked() if trial is None else trial), target, retrained
            )
        case StoredStudy():
            raise refused(target, NETWORKS)
        case _:
            assert_never(target)


def _of_trial(study: "optuna.Study", number: int, target: StudyTarget, retrained: bool) -> Model:
    from skipsearch.studies.models.from_trial import of_trial

    return of_trial(study, number, target.home, retrained)


def _number(study: "optuna.Study", chosen: Choice) -> int:
    if isinstance(chosen, Picked):
        from skipsearch.studies.results.pick import pick

        return pick(study, chosen.rule, chosen.limits).number
    return require_trial(study, chosen)
