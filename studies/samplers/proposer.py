"""From the sampler's answers to a configuration that was not there before.

Nothing of a proposal is written before it is known what it becomes: a repeat is first mutated to
an unseen neighbour. On NAS-Bench-201 that is worth more than the choice of the sampler
(`benchmarks/search_quality.py`).
"""

import json
import random
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic

import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.neighbours import (
    Chosen,
    Drawn,
    distance,
    neighbour,
    recorded,
)
from skipsearch.searchspace.parameters.walk import Config, Pick, encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.samplers.gp.search import Counting, Seeker
from skipsearch.studies.samplers.optuna_walk import Draft, asking
from skipsearch.studies.storage.trial_record import TrialRecord, is_trained
from skipsearch.trainers.recipe.recipe import Recipe

ATTEMPTS = 200  # neighbours of a repeat that are tried: 40 of one change, 40 of two, …


ATTEMPTS_A_CHANGE = 40


@dataclass(frozen=True)
class Proposal(Generic[Config]):
    """A configuration to train, or, where `repeats` is a trial's number, one that was trained."""

    config: Config
    key: Hashable
    repeats: int | None = None
    mutated: bool = False


Seek = Callable[[optuna.Trial, int], Drawn[Config] | None]


def nothing_sought(_trial: optuna.Trial, _seed: int) -> None:
    """The sampler is asked."""


class Proposer(Generic[Config]):
    """`draw` walks the space, `key` says which configurations are the same network and recipe,
    `allowed` which are within the limits, `every` lists a small space to its end; `seek` looks for
    a new configuration by itself, before the sampler is asked.
    """

    def __init__(
        self,
        draw: Callable[[Pick], Config],
        key: Callable[[Config], Hashable],
        *,
        seen: dict[Hashable, int],
        allowed: Callable[[Config], bool] = lambda _config: True,
        every: Callable[[], Iterator[Drawn[Config]]] | None = None,
        mutate: bool = True,
        seek: Seek[Config] = nothing_sought,
    ) -> None:
        self.seek = seek
        self.draw, self.key, self.seen, self.allowed = draw, key, seen, allowed
        self.every, self.mutate = every, mutate
        self._listed: deque[Drawn[Config]] | None = None

    def propose(self, trial: optuna.Trial, seed: int) -> Proposal[Config]:
        """What to do with a trial that was asked for; its parameters are written.

        Raises ValueError where what the sampler says cannot be built; then, too, its parameters
        are written, so that the sampler may learn from it.
        """
        draft = Draft(trial)
        if (sought := self.seek(trial, seed)) is not None:
            draft.write(sought.chosen)
            return Proposal(sought.config, self.key(sought.config))
        try:
            drawn = recorded(self.draw, asking(trial))
            key = self.key(drawn.config)
        except ValueError:
            draft.write()
            raise
        repeats = self.seen.get(key)
        found = None
        if repeats is not None and self.mutate and self.allowed(drawn.config):
            found = self._unseen(drawn.chosen, random.Random(seed))
        if found is None:
            draft.write()
            return Proposal(drawn.config, key, repeats)
        draft.write(found.chosen)
        return Proposal(found.config, self.key(found.config), mutated=True)

    def _unseen(self, chosen: Mapping[str, Chosen], rng: random.Random) -> Drawn[Config] | None:
        """A neighbour, the nearer the better, that was not trained and may be."""
        tried: set[tuple[tuple[str, Scalar], ...]] = set()
        for attempt in range(ATTEMPTS):
            pick = neighbour(chosen, rng, 1 + attempt // ATTEMPTS_A_CHANGE)
            try:
                drawn = recorded(self.draw, pick)
            except ValueError:  # the classes refuse it: no neighbour
                continue
            flat = tuple(sorted((name, one.value) for name, one in drawn.chosen.items()))
            if flat not in tried and self._new(drawn.config):
                return drawn
            tried.add(flat)
        new = (drawn for drawn in self._left() if self._new(drawn.config))
        return min(new, key=lambda drawn: distance(drawn.chosen, chosen), default=None)

    def exhausted(self) -> bool:
        """Whether a small space holds nothing that is neither trained nor refused."""
        return self.every is not None and not self._left()

    def _left(self) -> deque[Drawn[Config]]:
        """A small space from its first new configuration on: what was trained stays trained."""
        if self._listed is None:
            self._listed = deque(self.every() if self.every else ())
        while self._listed and not self._new(self._listed[0].config):
            self._listed.popleft()
        return self._listed

    def _new(self, config: Config) -> bool:
        try:
            return self.key(config) not in self.seen and self.allowed(config)
        except ValueError:  # does not fit the images
            return False


SMALL_SPACE = 1000  # configurations up to which a space is listed to say that it is exhausted


Pair = tuple[Arch, Recipe]


def proposer(config: StudyConfig, networks: Networks, seen: dict[Hashable, int]) -> Proposer[Pair]:
    """`seen` are the networks that were trained, each with its recipe."""

    def key(pair: Pair) -> Hashable:
        return key_of(networks.identity(pair[0]), encode(pair[1]))

    def allowed(pair: Pair) -> bool:
        return not networks.over(networks.cost(pair[0]))

    draw = partial(joint_space.draw, config)
    size = config.arch_space.size() * config.recipe_space.size()
    seek: Seek[Pair] = nothing_sought
    if config.sampler == "gp":
        counting = _counting(config, networks)
        seek = Seeker(draw, key, seen=seen, allowed=allowed, counting=counting, seed=config.seed)
    return Proposer(
        draw,
        key,
        seen=seen,
        allowed=allowed,
        every=partial(joint_space.every, config) if size <= SMALL_SPACE else None,
        mutate=config.repeats == "mutate",
        seek=seek,
    )


def _counting(config: StudyConfig, networks: Networks) -> Counting[Pair]:
    """A latency is measured, which takes too long for candidates."""
    limited = (name for name in config.limits if name not in config.costs)
    names = (*config.costs, *limited)

    def count(pair: Pair) -> dict[str, float]:
        cost = networks.cost(pair[0])
        return {name: cost.of(name) for name in names}

    return Counting(
        names,
        len(config.costs),
        config.limits,
        None if "latency_ms" in names else count,
        lambda name: not name.startswith(joint_space.RECIPE),
    )


def key_of(identity: str, recipe: Mapping[str, Scalar]) -> Hashable:
    """What may be trained once."""
    return identity, json.dumps(recipe, sort_keys=True)


def seen(trials: Iterable[FrozenTrial]) -> dict[Hashable, int]:
    """What was trained, here or in a study that was imported, by the number of its trial."""
    records = {t.number: TrialRecord.of(t) for t in trials if is_trained(t)}
    return {
        key_of(record[TrialRecord.identity], record[TrialRecord.recipe]): number
        for number, record in records.items()
    }
