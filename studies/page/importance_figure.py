"""Which choices matter: the importance of each parameter for each objective, by PED-ANOVA.

Conditional PED-ANOVA (https://arxiv.org/abs/2601.20800, as in Optuna) asks how much a parameter's
values differ between the best trials and all of them. A parameter that only some trials have
(`shortcut.attention.heads`) is judged among those, and weighs as much as they are among the best.
"""

import html
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.studies.config.joint_space import RECIPE
from skipsearch.studies.humanize import LABELS
from skipsearch.studies.web.axes import Figure, bare, line

FEWEST = 10  # trials, below which nothing is said
MOST = 2000  # trials that are looked at, evenly spread: 0.2 s an objective
SHOWN = 14
GROWTH = 1.1  # importances are computed again when there are so many more trials
COLOURS = ("#0072B2", "#E69F00", "#009E73")

Importance = Mapping[str, float]


@dataclass
class Importances:
    """Kept from one writing of the page to the next."""

    trials: int = 0  # of which they are
    by_objective: dict[str, Importance] = field(default_factory=dict)

    def look(self, study: optuna.Study, objectives: list[str]) -> None:
        """Compute them where there are some more finished trials than last time."""
        full = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(full) < FEWEST or len(full) < GROWTH * self.trials:
            return
        self.by_objective = importances(full, objectives[: len(study.directions)])
        self.trials = len(full)


def importances(trials: list[FrozenTrial], objectives: list[str]) -> dict[str, Importance]:
    """Of finished trials: shares by objective and parameter, which sum to 1 for each objective."""
    from optuna.importance import PedAnovaImportanceEvaluator  # loads scikit-learn's forests

    step = max(1, -(-len(trials) // MOST))
    looked = trials[::step]
    best = min(0.5, max(0.1, 5 / len(looked)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
    study, found = _Trials(looked), dict[str, Importance]()
    with warnings.catch_warnings():  # that low is good, and that a value is rare
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


def _value(place: int, trial: FrozenTrial) -> float:
    return float(trial.values[place])


class _Trials:
    """What the evaluator takes for a study: these trials, without copying any into a storage."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        self.trials = trials
        self.directions = [optuna.study.StudyDirection.MINIMIZE]

    def get_trials(self, deepcopy: bool, states: object = None) -> list[FrozenTrial]:
        return self.trials

    def _is_multi_objective(self) -> bool:
        return False


def importance_figure(by_objective: Mapping[str, Importance]) -> Figure:
    """A bar for each parameter and objective, those that matter most at the top."""
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
    """The parameters that matter most for any of the objectives."""
    highest: dict[str, float] = {}
    for shares in by_objective.values():
        for name, share in shares.items():
            highest[name] = max(share, highest.get(name, 0.0))
    ordered = sorted(highest, key=lambda name: (-highest[name], name))
    return [name for name in ordered[:most] if highest[name] > 0.001]


def shortened(name: str) -> str:
    """`gate.se.place.block.first` → `gate…block.first`: room for the bars on a phone."""
    parts = name.split(".")
    return name if len(name) <= 22 else f"{parts[0]}…{'.'.join(parts[-2:])}"[:28]
