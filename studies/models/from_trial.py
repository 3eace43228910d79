"""Load a trial's network with the weights of its checkpoint, from the search or a retraining."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.studies.config.study_config import StudyConfig, checkpoint_home
from skipsearch.studies.models.model import Inputs, Model, Trained, safe_name
from skipsearch.studies.results.retrained import finished, results, retrained_folder, seed_number
from skipsearch.studies.storage.find import settled
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord
from skipsearch.trainers.trial.checkpoints import Checkpoints
from skipsearch.trainers.trial.job import Report

SPLIT = ("dataset", "image_size", "channels", "train_subset", "validation", "seed")


def of_trial(study: optuna.Study, number: int, home: Path, retrained: bool) -> Model:
    """Load a trial's network with the weights of its first seed: the best seed would be luck.

    `home` is the study's folder. Raises ValueError if the trial has no weights.
    """
    trial = study.get_trials(deepcopy=False)[number]
    target, config = f"{study.study_name}#{number}", settled(study, home)
    if trial.state in (TrialState.RUNNING, TrialState.WAITING):
        raise ValueError(f"{target} is still in training: wait for its end or take another trial")
    state = _state(_places(study, config, trial, home, retrained))
    if state is None:
        raise ValueError(f"{target} {_missing(study, trial, retrained)}")
    again = results(study).get(number)
    fit, there = state["fit"], _environment(study, trial)
    origin = Trained(
        study=study.study_name,
        trial=number,
        retrained=retrained,
        seed=fit["seed"],
        epochs=fit["epoch"],
        max_epochs=fit["recipe"]["epochs"],
        recipe=fit["recipe"],
        data={**split_of(config), **counted(study)},
        val_errors=_val_errors(trial),
        test_errors=again.test_errors if again else (),
        test_epochs=again.epochs if again else 0,
        seconds=Report.from_dict(state["curve"][-1]).seconds,
        versions=_versions(study, there),
        hardware=_hardware(config, trial, there),
    )
    return Model(
        target=target,
        name=safe_name(f"{study.study_name}-{number}"),
        arch=decode(Arch, state["arch"]),
        inputs=inputs_of(study, config),
        origin=origin,
        state=fit["model"],
        data_dir=config.data_dir,
    )


def _environment(study: optuna.Study, trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the environment recorded when the trial began; empty if none was recorded."""
    start = trial.datetime_start
    known = StudyRecord.of(study).environments or []
    before = [one for one in known if start and one["since"] <= f"{start:%Y-%m-%d %H:%M:%S}"]
    return (before or known or [{}])[-1]


def _versions(study: optuna.Study, there: Mapping[str, Any]) -> dict[str, str]:
    if not there:
        return dict(StudyRecord.of(study).versions or {})
    commit = {"commit": there["commit"]} if there.get("commit") else {}
    return {"python": there["python"], **there["packages"], **commit}


def _hardware(config: StudyConfig, trial: FrozenTrial, there: Mapping[str, Any]) -> str:
    """Describe the hardware as `1 CPU thread, node gpu-07, Intel Xeon, 8 cores`; GPU, processor
    and cores are the driver's.
    """
    threads, node = config.cpus_per_trial, TrialRecord.of(trial).node
    gpus = ", ".join(dict.fromkeys(there.get("gpus", [])))
    parts = [
        f"{config.gpus_per_trial:g} GPU ({gpus})" if config.gpus_per_trial else "",
        f"{threads} CPU thread{'s' if threads > 1 else ''}",
        f"node {node}" if node else "",
        f"{there['cpu']}, {there['cores']} cores" if "cpu" in there else "",
    ]
    return ", ".join(part for part in parts if part)


def split_of(config: StudyConfig) -> dict[str, Any]:
    """Return the arguments of `trainers.data.datasets.load` for the same images, split alike."""
    given = {name: getattr(config, name) for name in SPLIT}
    return {name: value for name, value in given.items() if value is not None}


def counted(study: optuna.Study) -> dict[str, Any]:
    """Return the fingerprint of the images, and the number of images in each part."""
    record = StudyRecord.of(study)
    known = {**(record.pixels or {}), **(record.data or {})}
    parts = {part: known[part] for part in ("train", "validation", "test") if part in known}
    return {"fingerprint": known.get("fingerprint", ""), "images": parts}


def inputs_of(study: optuna.Study, config: StudyConfig) -> Inputs:
    """Read the inputs from the study; an older study has no mean, which needs the images."""
    record = StudyRecord.of(study)
    data, pixels = record[StudyRecord.data], record.pixels or {}
    if "mean" not in pixels:
        from skipsearch.studies.config.check import load_data

        found = load_data(config)
        pixels = {"mean": found.mean, "std": found.std}
    channels, height, width = data["shape"]
    return Inputs(
        shape=(channels, height, width),
        classes=tuple(data["classes"]),
        mean=tuple(pixels["mean"]),
        std=tuple(pixels["std"]),
    )


def _places(
    study: optuna.Study, config: StudyConfig, trial: FrozenTrial, home: Path, retrained: bool
) -> list[str]:
    """Return folders that may have the checkpoint: in the study's folder, and the one where it was
    written, since the study's folder may have moved.
    """
    if not retrained:
        own = f"{checkpoint_home(config, home)}/{trial.number}"
        own = f"{own}/seed-0" if config.seeds_per_trial > 1 else own
        return [own, *_noted(trial)]
    again = finished(study).get(str(trial.number))
    if not again:
        return []
    own = str(retrained_folder(home, trial.number, seed_number(again[0])))
    return [own, *_noted(again[0])]


def _noted(trial: FrozenTrial) -> list[str]:
    written = TrialRecord.of(trial).checkpoint or ""
    return [written.rpartition("/")[0]] if "/" in written else []


def _state(places: list[str]) -> dict[str, Any] | None:
    """Load the newest whole checkpoint of the first place that has one. Never unpickles."""
    for place in places:
        checkpoints = Checkpoints.at(place)
        epoch = checkpoints.newest_whole()
        if epoch is not None:
            content = io.BytesIO(checkpoints.load(epoch))
            try:
                state: dict[str, Any] = torch.load(content, weights_only=True, map_location="cpu")
            except pickle.UnpicklingError as error:
                raise ValueError(f"{checkpoints.name(epoch)} is no checkpoint of ours") from error
            return state
    return None


def _missing(study: optuna.Study, trial: FrozenTrial, retrained: bool) -> str:
    name, number = study.study_name, trial.number
    again = f"`skipsearch retrain {name} --trials {number}`"
    if retrained:
        return f"was not retrained: run {again}"
    if earlier := TrialRecord.of(trial).imported:
        return f"was imported from {earlier}, which has its weights: name that one"
    if not trial.intermediate_values:
        return "was never trained: take another trial"
    return (
        'has no checkpoint (keep = "front" clears those of trials that are not on the front): '
        f'{again} and take --retrained, or search with keep = "all"'
    )


def _val_errors(trial: FrozenTrial) -> tuple[float, ...]:
    """Return the errors of the weights that a trial kept, or the last error of a pruned one."""
    if trial.state == TrialState.COMPLETE:
        return tuple(TrialRecord.of(trial).val_errors or [trial.values[0]])
    step = trial.last_step
    return () if step is None else (trial.intermediate_values[step],)
