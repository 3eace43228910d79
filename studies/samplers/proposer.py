"""Turn a sampler's answers into a configuration that was not trained before.

A repeat is mutated to an unseen neighbour before anything of the proposal is stored. On
NAS-Bench-201 that matters more than the choice of the sampler (`benchmarks/search_quality.py`).
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
from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.neighbours import (
    Chosen,
    Drawn,
    distance,
    neighbour,
)
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.samplers.optuna_walk import Draft, asking
from skipsearch.studies.samplers.seeker import Seeker
from skipsearch.studies.storage.trial_record import TrialRecord, is_trained
from skipsearch.studies.surrogate.believer import Believer, Counting
from skipsearch.trainers.recipe.recipe import Recipe

ATTEMPTS = 200  # neighbours tried for a repeat: 40 with one change, 40 with two, …
ATTEMPTS_A_CHANGE = 40


@dataclass(frozen=True)
class Proposal(Generic[Config]):
    """A configuration to train; `repeats` is the number of the trial that already trained it."""

    config: Config
    key: Hashable
    repeats: int | None = None
    mutated: bool = False


Seek = Callable[[optuna.Trial, int], Drawn[Config] | None]


def nothing_sought(_trial: optuna.Trial, _seed: int) -> None:
    """Seek nothing, so that the sampler is asked."""


class Proposer(Generic[Config]):
    """Propose one configuration per trial: found by `seek`, else answered by the study's sampler
    and, where it repeats a trained one, mutated.

    Parameters
    ----------
    draw
        Walks the space with a chooser.
    key
        Deduplication key: equal for configurations that are the same network and recipe.
    seen
        Trial numbers of the trained configurations by key; the caller adds to it.
    allowed
        Returns True for a configuration within the limits.
    every
        Lists a small space to its end.
    mutate
        False leaves repeats as they are.
    seek
        Looks for a new configuration by itself, before the sampler is asked.
    """

    def __init__(
        self,
        draw: Callable[[Pick], Drawn[Config]],
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
        """Propose a configuration for a trial that was just asked for, and store its parameters.

        Raises ValueError if the sampler's answers cannot be built; their parameters are stored all
        the same, so that the sampler learns from the failure.
        """
        draft = Draft(trial)
        if (sought := self.seek(trial, seed)) is not None:
            draft.write(sought.chosen)
            return Proposal(sought.config, self.key(sought.config))
        try:
            drawn = self.draw(asking(trial))
            key = self.key(drawn.config)
        except ValueError:
            draft.write()
            raise
        repeats = self.seen.get(key)
        found = None
        if repeats is not None and self.mutate and self.allowed(drawn.config):
            found = self._unseen(drawn.chosen, random.Random(seed))
        if found is None:
            draft.write(drawn.chosen)
            return Proposal(drawn.config, key, repeats)
        draft.write(found.chosen)
        return Proposal(found.config, self.key(found.config), mutated=True)

    def _unseen(self, chosen: Mapping[str, Chosen], rng: random.Random) -> Drawn[Config] | None:
        """Return an untrained neighbour within the limits, with as few changes as can be found."""
        tried: set[tuple[tuple[str, Scalar], ...]] = set()
        for attempt in range(ATTEMPTS):
            pick = neighbour(chosen, rng, 1 + attempt // ATTEMPTS_A_CHANGE)
            try:
                drawn = self.draw(pick)
            except ValueError:  # not a valid configuration
                continue
            flat = tuple(sorted((name, one.value) for name, one in drawn.chosen.items()))
            if flat not in tried and self._new(drawn.config):
                return drawn
            tried.add(flat)
        new = (drawn for drawn in self._left() if self._new(drawn.config))
        return min(new, key=lambda drawn: distance(drawn.chosen, chosen), default=None)

    def exhausted(self) -> bool:
        """Return True if every configuration of a small space was trained or is refused."""
        return self.every is not None and not self._left()

    def _left(self) -> deque[Drawn[Config]]:
        """List a small space from its first new configuration on; earlier ones stay trained."""
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


SMALL_SPACE = 1000  # configurations; a space up to this size is listed, to notice its exhaustion
Pair = tuple[Arch, Recipe]


def proposer(
    config: StudyConfig,
    networks: Networks,
    believer: Believer[Pair],
    seen: dict[Hashable, int],
) -> Proposer[Pair]:
    """Build the proposer of a study; `seen` has its trial numbers by deduplication key."""

    def key(pair: Pair) -> Hashable:
        return key_of(networks.identity(pair[0]), encode(pair[1]))

    def allowed(pair: Pair) -> bool:
        return not networks.over(networks.cost(pair[0]))

    size = config.arch_space.size() * config.recipe_space.size()
    seek: Seek[Pair] = nothing_sought
    if config.sampler == "gp":
        seek = Seeker(believer, key, seen=seen, allowed=allowed)
    return Proposer(
        believer.draw,
        key,
        seen=seen,
        allowed=allowed,
        every=partial(joint_space.every, config) if size <= SMALL_SPACE else None,
        mutate=config.repeats == "mutate",
        seek=seek,
    )


def believer(config: StudyConfig, networks: Networks) -> Believer[Pair]:
    """Make the believer of a study, which its sampler and its pruner share.

    Latency is measured, which takes too long for candidates.
    """
    limited = (name for name in config.limits if name not in config.costs)
    names = (*config.costs, *limited)

    def count(pair: Pair) -> dict[str, float]:
        cost = networks.cost(pair[0])
        return {name: cost.of(name) for name in names}

    counting = Counting(
        names,
        len(config.costs),
        config.limits,
        None if "latency_ms" in names else count,
        lambda name: not name.startswith(joint_space.RECIPE),
    )
    draw = partial(joint_space.drawn, config)
    running = not config.deterministic
    return Believer(draw, counting, epochs=config.epochs, seed=config.seed, running=running)


def key_of(identity: str, recipe: Mapping[str, Scalar]) -> Hashable:
    """Deduplication key: network identity and recipe."""
    return identity, json.dumps(recipe, sort_keys=True)


def seen(trials: Iterable[FrozenTrial]) -> dict[Hashable, int]:
    """Map the deduplication key of each trained network, imported ones too, to its trial number."""
    records = {t.number: TrialRecord.of(t) for t in trials if is_trained(t)}
    return {
        key_of(record[TrialRecord.identity], record[TrialRecord.recipe]): number
        for number, record in records.items()
    }
