"""Search the whole space for the configuration with the largest expected hypervolume improvement.

A Gaussian process predicts the error of a configuration from the trials so far. Costs need no
training: they are counted or, for the many candidates, predicted from counted ones. Candidates are
drawn at random and beside the front and improved by hill climbing; the costs of a short list are
counted before one is chosen (`acquisition.py`).
"""

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Generic

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import Domain, Scalar
from skipsearch.searchspace.parameters.neighbours import Drawn, neighbour, uniformly
from skipsearch.studies.samplers.coverage import (
    Alternative,
    Used,
    alternatives,
    forcing,
    most_even,
    rarest,
    used,
)
from skipsearch.studies.surrogate.believer import Believer, Counted
from skipsearch.studies.surrogate.outlook import Outlook

STARTUP = 10  # trials before the model leads, at least
EXPLORE = 8  # one proposal in so many has an alternative that few trials have
DRAWS = 20  # random networks, of which one is a trial of the start
NOTHING: Mapping[str, Scalar] = {}
RANDOM, BESIDE = 150, 8  # candidates: at random, and beside each member of the front
ROUNDS, CLIMBERS, STEPS = 4, 5, 10  # hill climbing: rounds, best candidates, neighbours of each
SHORT, LOOKS = 8, 40  # length of the short list, and candidates at most looked at to fill it


class Seeker(Generic[Config]):
    """Propose the new configuration with the largest gain that its study's `believer` expects.

    `key`, `seen` and `allowed` are those of a `Proposer`.
    """

    def __init__(
        self,
        believer: Believer[Config],
        key: Callable[[Config], Hashable],
        *,
        seen: Mapping[Hashable, Any],
        allowed: Callable[[Config], bool],
    ) -> None:
        self.believer, self.draw = believer, believer.draw
        self.key, self.seen, self.allowed = key, seen, allowed

    def __call__(self, trial: optuna.Trial, seed: int) -> Drawn[Config] | None:
        """Seek a configuration for a trial, from the other trials of its study."""
        trials = trial.study.get_trials(deepcopy=False)
        return self.seek([one for one in trials if one.number != trial.number], seed)

    def seek(self, trials: Sequence[FrozenTrial], seed: int) -> Drawn[Config] | None:
        """Return the most promising new configuration; None if no candidate is new.

        The first trials cover the alternatives of the main choices, and so does each `EXPLORE`-th
        after them.
        """
        rng = random.Random(seed)
        count = used(trials, self._alternatives)
        outlook = self.believer.look(trials)
        if outlook is None or outlook.told < self._startup:
            return self._covering(count, rng)
        explores = count and len(trials) % EXPLORE == 0
        forced = dict([rarest(count)]) if explores else {}
        pool = Pool[Config](outlook)
        pool.add(self._walked((uniformly(rng) for _ in range(RANDOM)), forced))
        members = [as_proposed(t) for t in trials if t.number in outlook.members]
        front = self._walked(members, forced)
        pool.add(near for own in front for near in self._beside(own, BESIDE, rng, forced))
        for _ in range(ROUNDS):
            best = pool.best(CLIMBERS)
            pool.add(near for own in best for near in self._beside(own, STEPS, rng, forced))
        return self._chosen(pool, outlook)

    @cached_property
    def _alternatives(self) -> list[Alternative]:
        rng = random.Random(0)
        return alternatives(self._walked(uniformly(rng) for _ in range(DRAWS)))

    @property
    def _startup(self) -> int:
        """Return how many trials come before the model leads: enough for each alternative."""
        each = Counter(name for name, _ in self._alternatives)
        return max([STARTUP, *each.values()])

    def _covering(self, count: Used, rng: random.Random) -> Drawn[Config] | None:
        """Draw the random network that evens out best which alternatives were used."""
        drawn = self._walked(uniformly(rng) for _ in range(DRAWS))
        new = [one for one in drawn if self._is_new(one.config)]
        return most_even(new, count) if new else None

    def _walked(
        self, picks: Iterable[Pick], forced: Mapping[str, Scalar] = NOTHING
    ) -> Iterator[Drawn[Config]]:
        """Walk the space with each chooser, and skip configurations that are not valid."""
        for pick in picks:
            with suppress(ValueError):
                yield self.draw(forcing(pick, forced) if forced else pick)

    def _beside(
        self, drawn: Drawn[Config], number: int, rng: random.Random, forced: Mapping[str, Scalar]
    ) -> Iterator[Drawn[Config]]:
        return self._walked((neighbour(drawn.chosen, rng, 1) for _ in range(number)), forced)

    def _chosen(self, pool: "Pool[Config]", outlook: Outlook) -> Drawn[Config] | None:
        """Return the best new candidate: by counted costs, of a short list by predicted ones."""
        short: list[tuple[Drawn[Config], Counted]] = []
        for drawn in pool.best(LOOKS):
            if not self._is_new(drawn.config):
                continue
            if self.believer.counting.count is None:
                return drawn
            short.append((drawn, self.believer.counted(drawn)))
            if len(short) == SHORT:
                break
        if not short:
            return None
        costs = np.array([counted.costs for _, counted in short]).reshape(len(short), -1)
        vectors = outlook.distances.embedding([drawn.chosen for drawn, _ in short])
        gains = outlook.gains_at(vectors, costs)
        return short[int(gains.argmax())][0]

    def _is_new(self, config: Config) -> bool:
        try:
            return self.key(config) not in self.seen and self.allowed(config)
        except ValueError:  # does not fit the images
            return False


class Pool(Generic[Config]):
    """Candidates, each once, with their expected improvements."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
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
            gains = self._outlook.gains([drawn.chosen for drawn in new])
            self._drawn += new
            self._gains = np.concatenate([self._gains, gains])

    def best(self, number: int) -> list[Drawn[Config]]:
        """Return the most promising candidates, best first; ties in the order of their addition."""
        order = np.argsort(-self._gains, kind="stable")[:number]
        return [self._drawn[i] for i in order]


def as_proposed(trial: FrozenTrial) -> Pick:
    """Return a chooser that repeats a trial's parameters; the default where the space changed."""

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        value: Scalar = trial.params.get(name, default)
        return value if value in domain else default

    return pick
