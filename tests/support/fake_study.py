"""A study as the engine leaves it, made without training, for tests of code that reads studies."""

import datetime
import math
import random
import warnings

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

SHORTCUTS = {
    "none": {},
    "sum": {"shortcut.sum.match": "projection"},
    "concat": {"shortcut.concat.growth": 0.25, "shortcut.concat.classifier": "merged"},
    "weighted": {"shortcut.weighted.placement": "blocks"},
    "attention": {"shortcut.attention.heads": 4, "shortcut.attention.entry_norm": "layer"},
}
GAIN = {"none": 0.0, "sum": 0.25, "concat": 0.3, "weighted": 0.2, "attention": 0.42}
START = datetime.datetime(2026, 3, 1, 12, 0, 0)
EPOCHS = 9


def make_study(
    trials: int = 60, objectives: tuple[str, ...] = ("val_error", "params"), seed: int = 7
) -> optuna.Study:
    """Make `trials` plausible trials: finished, pruned, failed, over a limit, two baselines."""
    study = optuna.create_study(
        study_name="fashion-mnist", directions=["minimize"] * len(objectives)
    )
    with warnings.catch_warnings():  # Optuna calls set_metric_names experimental since 3.2
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(objectives))
    resolved = {"name": "fashion-mnist", "dataset": "fashion-mnist", "objectives": objectives}
    resolved |= {"trials": trials, "epochs": EPOCHS, "sampler": "tpe", "pruner": "asha", "seed": 1}
    study.set_user_attr("study", {"study": resolved, "space": {}})
    data = {"classes": [str(n) for n in range(10)], "shape": [1, 28, 28]}
    study.set_user_attr("data", data | {"train": 9000, "validation": 1000})
    rng = random.Random(seed)
    for number in range(trials):
        study.add_trial(_trial(number, objectives, rng))
    return study


def _trial(number: int, objectives: tuple[str, ...], rng: random.Random) -> FrozenTrial:
    shortcut = rng.choice(list(SHORTCUTS))
    baseline = {0: "as/resnet50-half", 1: "cnntention/resnet20"}.get(number)
    if baseline:
        shortcut = "sum"
    width = rng.choice((8, 16, 24, 32, 48, 64))
    blocks = [rng.randint(1, 4) for _ in range(3)]
    arch = {"stem": "conv3", "stem_channels": 16, "stages": 3}
    arch |= {f"blocks.{stage + 1}": n for stage, n in enumerate(blocks)}
    arch |= {"body": "basic", "width": "doubling", "width.doubling.channels": width}
    arch |= {"norm": rng.choice(("batch", "layer", "group")), "shortcut": shortcut}
    arch |= SHORTCUTS[shortcut] | {"gate": "none", "head": "pool"}
    params = 9 * width**2 * sum(2 * n * 4**stage for stage, n in enumerate(blocks)) + 10 * width
    end = 0.62 * params**-0.13 * math.exp(-0.6 * GAIN[shortcut]) * math.exp(rng.gauss(0, 0.08))
    curve = {e: min(0.9, end * (1 + 2.2 * math.exp(-e / 2.2))) for e in range(1, EPOCHS + 1)}
    facts = {"arch": arch, "recipe": {"recipe.lr": 10 ** rng.uniform(-2, 0), "recipe.batch": 128}}
    facts |= {"params": params, "macs": params * 190 + 40_000 * sum(blocks), "node": "localhost"}
    facts |= {"max_epochs": EPOCHS, "identity": f"{number:08x}"}
    if baseline:
        facts["baseline"] = baseline
    return _ended(number, facts, curve, objectives, rng)


def _ended(
    number: int,
    facts: dict[str, object],
    curve: dict[int, float],
    objectives: tuple[str, ...],
    rng: random.Random,
) -> FrozenTrial:
    fate = rng.random() if number > 2 else 1.0
    state, trained = TrialState.COMPLETE, EPOCHS
    if fate < 0.05:
        state, trained, facts["why"] = TrialState.FAIL, 1, "out of memory"
    elif fate < 0.1:
        state, trained, facts["why"] = TrialState.PRUNED, 0, "params 2,400,000 > 2,000,000"
    elif fate < 0.55:
        state, trained = TrialState.PRUNED, rng.choice((1, 1, 3))
    facts |= {"epochs": trained, "seconds": trained * rng.uniform(2, 9)}
    error = curve[max(trained, 1)]
    measured = {"params": facts["params"], "macs": facts["macs"], "latency_ms": 3.5}
    trial = create_trial(
        state=state,
        values=[error, *(float(measured[name]) for name in objectives[1:])]
        if state == TrialState.COMPLETE
        else None,
        user_attrs=facts,
        intermediate_values={e: curve[e] for e in range(1, trained + 1)},
    )
    trial.datetime_start = START + datetime.timedelta(seconds=20 * number)
    trial.datetime_complete = trial.datetime_start + datetime.timedelta(seconds=rng.randint(5, 60))
    return trial


def retrain(study: optuna.Study, number: int, errors: list[float]) -> None:
    """Record test errors of one trial's network, as if retrained with as many seeds."""
    again = optuna.create_study(
        study_name=f"{study.study_name}/retrain", storage=study._storage, load_if_exists=True
    )
    for seed, error in enumerate(errors):
        facts = {"system": str(number), "seed_number": seed, "seed": seed, "epochs_asked": 30}
        again.add_trial(create_trial(value=error, user_attrs=facts | {"charged": True}))
