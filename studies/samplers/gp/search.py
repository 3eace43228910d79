"""Search the whole space for the configuration with the largest expected hypervolume improvement.

A Gaussian process predicts the error of a configuration from the trials so far. Costs need no
training: they are counted or, for the many candidates, predicted from counted ones. Candidates are
drawn at random and beside the front and improved by hill climbing; the costs of a short list are
counted before one is chosen (`acquisition.py`).
"""

import math
import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import Domain, Scalar, uniform
from skipsearch.searchspace.parameters.neighbours import Drawn, neighbour
from skipsearch.studies.pareto import non_dominated
from skipsearch.studies.samplers.gp.gaussian_process import Place, place_of, place_of_trial
from skipsearch.studies.samplers.gp.observations import Observed, log_costs, observed
from skipsearch.studies.samplers.gp.surrogates import Counted, Outlook, Shapes, outlook

STARTUP = 10  # trials proposed at random first, as by Optuna's samplers
RECENT = 400  # newest trials learnt from, besides the front: a fit costs their number³
COUNTED = 100  # random configurations whose costs are counted, once per driver
RANDOM, BESIDE = 150, 8  # candidates: at random, and beside each member of the front
ROUNDS, CLIMBERS, STEPS = 4, 5, 10  # hill climbing: rounds, best candidates, neighbours of each
SHORT, LOOKS = 8, 40  # length of the short list, and candidates at most looked at to fill it


@dataclass(frozen=True)
class Counting(Generic[Config]):
    """Costs that are known without training."""

    names: tuple[str, ...]  # costs that are objectives, then costs that are only limited
    objectives: int  # how many of the names are objectives
    limits: Mapping[str, float]
    count: Callable[[Config], Mapping[str, float]] | None  # None: it would be slow, as a latency
    matters: Callable[[str], bool] = lambda _name: True  # does the parameter change a cost?


class Seeker(Generic[Config]):
    """Propose the new configuration with the largest acquisition value.

    `draw`, `key`, `seen` and `allowed` are those of a `Proposer`; `seed` is the study's.
    """

    def __init__(
        self,
        draw: Callable[[Pick], Drawn[Config]],
        key: Callable[[Config], Hashable],
        *,
        seen: Mapping[Hashable, Any],
        allowed: Callable[[Config], bool],
        counting: Counting[Config],
        seed: int,
    ) -> None:
        self.draw, self.key, self.seen, self.allowed = draw, key, seen, allowed
        self.counting, self.seed = counting, seed
        self._places: dict[int, Place] = {}  # by trial number
        self._counted: list[Counted] | None = None
        self._shapes = Shapes()

    def __call__(self, trial: optuna.Trial, seed: int) -> Drawn[Config] | None:
        """Seek a configuration for a trial, from the other trials of its study."""
        trials = trial.study.get_trials(deepcopy=False)
        return self.seek([one for one in trials if one.number != trial.number], seed)

    def seek(self, trials: Sequence[FrozenTrial], seed: int) -> Drawn[Config] | None:
        """Return the most promising new configuration; None if fewer than `STARTUP` trials have an
        error, if none is full, or if no candidate is new.
        """
        found = observed(trials, self.counting.names)
        if not any(o.full for o in found) or sum(o.error is not None for o in found) < STARTUP:
            return None
        members = _front(found, self.counting.objectives)
        numbers = {one.trial.number for one in (*members, *found[-RECENT:])}
        expected = self._outlook([one for one in found if one.trial.number in numbers])
        rng, pool = random.Random(seed), Pool[Config](expected)
        pool.add(self._walked(uniformly(rng) for _ in range(RANDOM)))
        front = self._walked(as_proposed(one.trial) for one in members)
        pool.add(near for own in front for near in self._beside(own, BESIDE, rng))
        for _ in range(ROUNDS):
            best = pool.best(CLIMBERS)
            pool.add(near for own in best for near in self._beside(own, STEPS, rng))
        return self._chosen(pool, expected)

    def _outlook(self, found: Sequence[Observed]) -> Outlook:
        limits = self.counting.limits
        return outlook(
            found,
            [self._place(one.trial) for one in found],
            self._counts(),
            self._shapes,
            objectives=self.counting.objectives,
            ends=tuple(math.log10(limits.get(name, math.inf)) for name in self.counting.names),
            matters=self.counting.matters,
        )

    def _place(self, trial: FrozenTrial) -> Place:
        if trial.number not in self._places:
            self._places[trial.number] = place_of_trial(trial)
        return self._places[trial.number]

    def _counts(self) -> Sequence[Counted]:
        """Count the costs of random configurations, the same ones in every driver of a study."""
        if self._counted is None:
            rng, count = random.Random(self.seed), self.counting.count
            drawn = self._walked(uniformly(rng) for _ in range(COUNTED if count else 0))
            self._counted = [one for one in map(self._count, drawn) if one is not None]
        return self._counted

    def _count(self, drawn: Drawn[Config]) -> Counted | None:
        """Count the costs of a configuration; None if it cannot be built."""
        assert self.counting.count is not None
        try:
            costs = self.counting.count(drawn.config)
        except ValueError:
            return None
        named = (costs[name] for name in self.counting.names)
        return Counted(place_of(drawn.chosen), log_costs(named))

    def _walked(self, picks: Iterable[Pick]) -> Iterator[Drawn[Config]]:
        """Walk the space with each chooser, and skip configurations that are not valid."""
        for pick in picks:
            with suppress(ValueError):
                yield self.draw(pick)

    def _beside(
        self, drawn: Drawn[Config], number: int, rng: random.Random
    ) -> Iterator[Drawn[Config]]:
        return self._walked(neighbour(drawn.chosen, rng, 1) for _ in range(number))

    def _chosen(self, pool: "Pool[Config]", expected: Outlook) -> Drawn[Config] | None:
        """Return the best new candidate: by counted costs, of a short list by predicted ones."""
        short: list[tuple[Drawn[Config], Counted]] = []
        for drawn in pool.best(LOOKS):
            if not self._is_new(drawn.config):
                continue
            if self.counting.count is None:
                return drawn
            counted = self._count(drawn)
            assert counted is not None
            short.append((drawn, counted))
            if len(short) == SHORT:
                break
        if not short:
            return None
        gains = expected.gains_at([counted for _, counted in short])
        return short[int(gains.argmax())][0]

    def _is_new(self, config: Config) -> bool:
        try:
            return self.key(config) not in self.seen and self.allowed(config)
        except ValueError:  # does not fit the images
            return False


class Pool(Generic[Config]):
    """Candidates, each once, with their expected improvements."""

    def __init__(self, expected: Outlook) -> None:
        self._expected = expected
        self._there: set[tuple[tuple[str, Scalar], ...]] = set()
        self._drawn: list[Drawn[Config]] = []
        self._gains = np.empty(0)

    def add(self, many: Iterable[Drawn[Config]]) -> None:
        """Add the candidates that are new, and compute their expected improvements."""
        new = []
        for drawn in many:
            flat = tuple(sorted((name, one.value) for name, one in drawn.chosen.items()))
            if flat not in self._there:
                self._there.add(flat)
                new.append(drawn)
        if new:
            gains = self._expected.gains([place_of(drawn.chosen) for drawn in new])
            self._drawn += new
            self._gains = np.concatenate([self._gains, gains])

    def best(self, number: int) -> list[Drawn[Config]]:
        """Return the most promising candidates, best first; ties in the order of their addition."""
        order = np.argsort(-self._gains, kind="stable")[:number]
        return [self._drawn[i] for i in order]


def uniformly(rng: random.Random) -> Pick:
    """Return a chooser that draws every parameter uniformly."""
    return lambda _name, domain, _default: uniform(domain, rng)


def as_proposed(trial: FrozenTrial) -> Pick:
    """Return a chooser that repeats a trial's parameters; the default where the space changed."""

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        value: Scalar = trial.params.get(name, default)
        return value if value in domain else default

    return pick


def _front(found: Sequence[Observed], objectives: int) -> list[Observed]:
    full = [one for one in found if one.full]
    points = [(one.error or 0.0, *one.costs[:objectives]) for one in full]
    return [one for one, on in zip(full, non_dominated(points), strict=True) if on]
