"""Compute and draw the importance of each parameter for each objective, by PED-ANOVA.

Conditional PED-ANOVA (https://arxiv.org/abs/2601.20800, as in Optuna) measures how much a
parameter's values differ between the best trials and all of them. A parameter that only some trials
have (`shortcut.attention.heads`) is judged among those, and weighted by their share of the best.
"""

import copy
import html
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.config.joint_space import RECIPE
from skipsearch.studies.humanize import LABELS
from skipsearch.studies.storage.trial_record import TrialRecord, settings
from skipsearch.studies.web.axes import Figure, bare, line

FEWEST = 10  # finished trials below which there are no importances
MOST = 2000  # trials that are evaluated, evenly spread: 0.2 s per objective
SHOWN = 14  # parameters in the figure
GROWTH = 1.1  # factor by which finished trials must grow before importances are recomputed
COLOURS = ("#0072B2", "#E69F00", "#009E73")

Importance = Mapping[str, float]


@dataclass
class Importances:
    """A cache of importances, kept from one writing of the page to the next."""

    trials: int = 0  # number of finished trials at the last computation
    by_objective: dict[str, Importance] = field(default_factory=dict)

    def look(self, study: optuna.Study, objectives: list[str]) -> None:
        """Recompute if there are enough finished trials, `GROWTH` times those of the last time."""
        full = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(full) < FEWEST or len(full) < GROWTH * self.trials:
            return
        self.by_objective = importances(full, objectives[: len(study.directions)])
        self.trials = len(full)


def importances(trials: list[FrozenTrial], objectives: list[str]) -> dict[str, Importance]:
    """Return each parameter's share of the importance, by objective; shares sum to 1 for each."""
    from optuna.importance import PedAnovaImportanceEvaluator  # loads scikit-learn's forests

    step = max(1, -(-len(trials) // MOST))
    looked = [_as_built(trial) for trial in trials[::step]]
    best = min(0.5, max(0.1, 5 / len(looked)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
    study, found = _Trials(looked), dict[str, Importance]()
    with warnings.catch_warnings():  # Optuna warns that low is taken for good, and of rare values
        warnings.simplefilter("ignore")
        for place, name in enumerate(objectives):
            target = partial(_value, place)
            shares = evaluator.evaluate(study, target=target)  # type: ignore[arg-type]
            if place:  # a cost does not depend on how the network is trained
                shares = {n: v for n, v in shares.items() if not n.startswith(RECIPE)}
            total = sum(shares.values())
            if total > 0:
                found[name] = {n: v / total for n, v in shares.items()}
    return found


def _as_built(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial without parameters that do not change its network: earlier versions drew
    them.
    """
    there = settings(trial)
    same = all(name in there and there[name] == value for name, value in trial.params.items())
    if same or TrialRecord.of(trial).arch is None:
        return trial
    built = copy.copy(trial)
    kept = [name for name in trial.params if name in there]
    built.distributions = {name: trial.distributions[name] for name in kept}
    built.params = {name: there[name] for name in kept}
    return built


def _value(place: int, trial: FrozenTrial) -> float:
    return float(trial.values[place])


class _Trials:
    """A stand-in for a study, so that the evaluator reads these trials without a storage."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        self.trials = trials
        self.directions = [optuna.study.StudyDirection.MINIMIZE]

    def get_trials(self, deepcopy: bool, states: object = None) -> list[FrozenTrial]:
        return self.trials

    def _is_multi_objective(self) -> bool:
        return False


def importance_figure(by_objective: Mapping[str, Importance]) -> Figure:
    """Draw a bar for each parameter and objective, the most important parameters at the top."""
    names = leading(by_objective)
    data = []
    for (objective, shares), colour in zip(by_objective.items(), COLOURS, strict=False):
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": f"for {LABELS.get(objective, objective)}",
                "x": [float(f"{shares.get(name, 0.0):.3g}") for name in reversed(names)],
                "y": [html.escape(shortened(name)) for name in reversed(names)],
                "text": [html.escape(name) for name in reversed(names)],
                "textposition": "none",
                "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
                "marker": {"color": colour},
            }
        )
    layout = bare() | {"margin": {"l": 10, "r": 18, "t": 34, "b": 44}, "barmode": "group"}
    layout["xaxis"] = line("share of the importance") | {"tickformat": ".0%"}
    layout["yaxis"] = {"automargin": True, "ticks": "", "tickfont": {"size": 12}}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}
    return {"data": data, "layout": layout | {"bargap": 0.35}}


def leading(by_objective: Mapping[str, Importance], most: int = SHOWN) -> list[str]:
    """Return the parameters with the highest importance for any objective, highest first."""
    highest: dict[str, float] = {}
    for shares in by_objective.values():
        for name, share in shares.items():
            highest[name] = max(share, highest.get(name, 0.0))
    ordered = sorted(highest, key=lambda name: (-highest[name], name))
    return [name for name in ordered[:most] if highest[name] > 0.001]


def shortened(name: str) -> str:
    """`gate.se.place.block.first` → `gate…block.first`, to leave room for the bars on a phone."""
    parts = name.split(".")
    return name if len(name) <= 22 else f"{parts[0]}…{'.'.join(parts[-2:])}"[:28]
