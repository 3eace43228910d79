"""From the sampler's answers to a configuration that was not there before.

Nothing of a proposal is written before it is known what it becomes: a repeat is first mutated to
an unseen neighbour. On NAS-Bench-201 that is worth more than the choice of the sampler
(`benchmarks/search_quality.py`).
"""

import copy
import random
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import optuna
from optuna.distributions import BaseDistribution

from skipsearch.searchspace.parameters.domains import Choice, Domain, Floats, Integers, Scalar
from skipsearch.searchspace.parameters.neighbours import (
    Chosen,
    Drawn,
    distance,
    neighbour,
    recorded,
)
from skipsearch.searchspace.parameters.walk import Config, Pick
from skipsearch.studies.storage.bulk_writes import write_params
from skipsearch.studies.storage.write_through import Mirror

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
    a new configuration by itself, before the sampler is asked."""

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


class Draft:
    """Stands before a trial's storage and keeps parameters back until it is told which they are.

    Optuna's trial writes what it suggests into the storage and into its own copy of the record,
    which storages in memory hand out without copying: both are kept apart.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self._storage = trial, trial.storage
        self._kept: dict[str, tuple[float, BaseDistribution]] = {}
        record = copy.copy(trial._cached_frozen_trial)
        record.params, record.distributions = {**record.params}, {**record.distributions}
        trial._cached_frozen_trial = record
        trial.storage = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_param(
        self, _trial_id: int, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        self._kept[name] = value, distribution

    def write(self, instead: Mapping[str, Chosen] | None = None) -> None:
        """What was kept, or other values; the trial then has its own storage again."""
        if instead is not None:
            kinds = {name: distribution(one.domain) for name, one in instead.items()}
            self._kept = {
                name: (kind.to_internal_repr(instead[name].value), kind)
                for name, kind in kinds.items()
            }
        storage, trial_id = self._storage, self._trial._trial_id
        if isinstance(storage, Mirror):
            storage.set_trial_params(trial_id, self._kept)
        else:
            write_params(storage, trial_id, self._kept)
        self._trial.storage = storage
        self._trial._cached_frozen_trial = storage.get_trial(trial_id)


def asking(trial: optuna.Trial) -> Pick:
    """The sampler as the one who answers a walk."""

    def pick(name: str, domain: Domain, _default: Scalar) -> Scalar:
        match domain:
            case Choice(values):
                answer = trial.suggest_categorical(name, values)
                assert answer is not None
                return answer
            case Integers():
                return trial.suggest_int(name, domain.low, domain.high, step=domain.step)
            case Floats(low, high, log):
                return trial.suggest_float(name, low, high, log=log)

    return pick


def distribution(domain: Domain) -> BaseDistribution:
    """A domain in Optuna's words."""
    match domain:
        case Choice(values):
            return optuna.distributions.CategoricalDistribution(values)
        case Integers(low, high, step):
            return optuna.distributions.IntDistribution(low, high, step=step)
        case Floats(low, high, log):
            return optuna.distributions.FloatDistribution(low, high, log=log)


def domain(kind: BaseDistribution) -> Domain:
    """The other way round."""
    match kind:
        case optuna.distributions.CategoricalDistribution():
            return Choice(tuple(one for one in kind.choices if one is not None))
        case optuna.distributions.IntDistribution():
            return Integers(kind.low, kind.high, kind.step)
        case optuna.distributions.FloatDistribution():
            return Floats(kind.low, kind.high, kind.log)
    raise AssertionError(kind)
