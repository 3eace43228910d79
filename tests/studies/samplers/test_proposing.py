"""From the sampler's answers to a configuration that was not there before."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

from skipsearch.searchspace import encode, parse_space
from skipsearch.searchspace.parameters.course import Pick
from skipsearch.searchspace.parameters.domains import Choice, Scalar, choice, integer, one_of, real
from skipsearch.searchspace.parameters.odometer import every
from skipsearch.searchspace.parameters.space import Space
from skipsearch.studies.config import joint_space
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.optuna_walk import Draft, asking
from skipsearch.studies.samplers.proposer import Proposal, Proposer
from skipsearch.studies.storage.write_through import Mirror
from tests.support.recorded import recorded


@dataclass(frozen=True)
class Plain:
    label: ClassVar[str] = "plain"


@dataclass(frozen=True)
class Deep:
    label: ClassVar[str] = "deep"
    by: int = integer(2, 1, 3, doc="how deep")
    rate: float = real(0.1, 0.01, 1.0, log=True, doc="how fast")


@dataclass(frozen=True)
class Net:
    body: Plain | Deep = one_of(Plain, Deep, doc="what")
    wide: int = choice(1, 2, 4, doc="how wide")


SMALL = {"body.deep.rate": 0.1}  # leaves (1 + 3) · 3 configurations
NET, SMALL_NET = parse_space(Net, {}), parse_space(Net, SMALL)
KINDS: dict[str, BaseDistribution] = {
    "body": CategoricalDistribution(("plain", "deep")),
    "body.deep.by": IntDistribution(1, 3),
    "body.deep.rate": FloatDistribution(0.01, 1.0, log=True),
    "wide": CategoricalDistribution((1, 2, 4)),
}
SAMPLERS = ["tpe", "nsga2", "nsga3", "gp", "random", "quasi-random"]


@pytest.fixture(params=["memory", "sqlite", "mirror"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    if request.param == "memory":
        yield InMemoryStorage()
        return
    durable = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    yield Mirror(durable) if request.param == "mirror" else durable
    durable.engine.dispose()


def study_in(storage: BaseStorage | None = None, name: str = "random") -> optuna.Study:
    sampler = optuna_samplers.sampler(name, 0, study_seed=0)
    return optuna.create_study(storage=storage, sampler=sampler, directions=["minimize"] * 2)


def proposer(space: Space[Net] = SMALL_NET, **given: Any) -> Proposer[Net]:
    return Proposer(partial(recorded, space.draw), encode_key, **{"seen": {}, **given})


def encode_key(net: Net) -> str:
    return str(sorted(encode(net).items()))


def values(net: Net) -> tuple[float, float]:
    depth = net.body.by if isinstance(net.body, Deep) else 0
    return 1 / (1 + depth + net.wide), float(depth * net.wide)


def run(study: optuna.Study, source: Proposer[Net], trials: int, name: str) -> Iterator[Proposal]:
    for number in range(trials):
        seed = joint_space.derived_seed(7, number)
        study.sampler = optuna_samplers.sampler(name, seed, study_seed=7)
        trial = study.ask()
        proposal = source.propose(trial, seed)
        yield proposal
        if proposal.repeats is None:
            source.seen[proposal.key] = trial.number
            study.tell(trial, values(proposal.config))
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def searched(net: Net, names: Collection[str]) -> dict[str, object]:
    return {name: value for name, value in encode(net).items() if name in names}


def test_a_draft_writes_nothing_before_the_decision(storage: BaseStorage) -> None:
    study = study_in(storage)
    trial = study.ask()
    draft = Draft(trial)
    net = NET.draw(asking(trial))
    assert trial.params == searched(net, KINDS)
    there = storage.get_trial(trial._trial_id)
    assert there.params == {} and there.distributions == {}
    assert study.get_trials()[0].params == {}
    draft.write()
    assert storage.get_trial(trial._trial_id).params == searched(net, KINDS) == trial.params
    trial.suggest_float("later", 0.0, 1.0)
    assert "later" in study.get_trials()[0].params


def test_a_draft_answers_a_name_that_is_asked_twice_alike(storage: BaseStorage) -> None:
    trial = study_in(storage).ask()
    draft = Draft(trial)
    first, second = NET.draw(asking(trial)), NET.draw(asking(trial))
    draft.write()
    assert first == second


def test_what_is_written_of_a_mutated_proposal_is_its_configuration(storage: BaseStorage) -> None:
    """With a switch of variant, too: no parameter of the repeat is left."""
    study, switches = study_in(storage), 0
    for seed in range(12):
        trial = study.ask()
        source = proposer(NET)
        source.seen = AllBut(random.Random(seed))  # type: ignore[assignment]
        proposal = source.propose(trial, seed)
        assert proposal.mutated and proposal.repeats is None
        switches += isinstance(proposal.config.body, Plain) != source.seen.plain  # type: ignore[attr-defined]
        expected = searched(proposal.config, KINDS)
        for record in (
            storage.get_trial(trial._trial_id),
            study.get_trials(deepcopy=False)[trial.number],
            trial,
        ):
            assert record.params == expected
            assert record.distributions == {name: KINDS[name] for name in expected}
    assert switches > 2


class AllBut(dict[str, int]):
    """Seen is the first configuration that is asked for, and now and then further ones."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.plain, self.asked = rng, False, 0

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.plain = "'plain'" in key
        return 0

    def __contains__(self, key: object) -> bool:
        return self.rng.random() < 0.5


def test_the_durable_storage_and_its_mirror_agree_on_mutated_trials(tmp_path: Path) -> None:
    durable = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    mirror = Mirror(durable)
    study = study_in(mirror)
    mutated = [p.mutated for p in run(study, proposer(), 12, "tpe")]
    assert any(mutated)
    written = durable.get_all_trials(mirror.get_study_id_from_name(study.study_name))
    assert [t.params for t in written] == [t.params for t in study.get_trials()]
    assert [t.distributions for t in written] == [t.distributions for t in study.get_trials()]
    durable.engine.dispose()


def test_a_sampler_sees_the_mutated_configuration_while_it_trains() -> None:
    study, seen = study_in(), []

    class Watching(optuna.samplers.RandomSampler):
        def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            seen.append([t.params for t in study.get_trials()[: trial.number]])

    source, proposed = proposer(), []
    for seed in range(9):
        study.sampler = Watching(seed=0)  # the same answer every time
        proposal = source.propose(study.ask(), seed)
        source.seen[proposal.key] = seed
        assert seen[-1] == proposed
        assert proposal.mutated == (seed > 0)
        proposed.append(searched(proposal.config, SMALL_PARAMS))


SMALL_PARAMS = {"body", "body.deep.by", "wide"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_proposal_repeats_before_the_space_is_exhausted(name: str) -> None:
    source = proposer(every=partial(every, partial(recorded, SMALL_NET.draw)))
    found = []
    for proposal in run(study_in(name=name), source, 14, name):
        assert source.exhausted() == (len(found) >= 12)
        found.append(proposal)
    assert len({p.key for p in found[:12]}) == 12
    assert all(p.repeats is None for p in found[:12])
    assert all(p.repeats is not None and not p.mutated for p in found[12:])
    assert {p.config for p in found} == set(SMALL_NET.every())


def test_the_last_of_a_space_is_found_however_far_away() -> None:
    """Among 2^12 configurations chance would need long."""
    fields = [f"op{i}" for i in range(12)]

    def draw(pick: Pick) -> tuple[Scalar, ...]:
        return tuple(pick(name, Choice((0, 1)), 0) for name in fields)

    whole = list(every(draw))
    seen = {bits: 0 for bits in whole if bits != (1,) * 12}
    drawn = partial(recorded, draw, flat=lambda bits: dict(zip(fields, bits, strict=True)))
    listed = partial(every, drawn)
    source = Proposer(drawn, lambda bits: bits, seen=seen, every=listed)
    trial = study_in().ask()
    assert source.propose(trial, 0).config == (1,) * 12


def test_nothing_is_exhausted_while_one_is_left_and_what_is_refused_does_not_count() -> None:
    allowed = lambda net: net.wide != 4  # noqa: E731
    source = proposer(every=partial(every, partial(recorded, SMALL_NET.draw)), allowed=allowed)
    trained = set()
    for proposal in run(study_in(), source, 60, "random"):
        trained |= {proposal.config} if proposal.config.wide != 4 else set()
        if source.exhausted():
            break
    assert trained == {net for net in SMALL_NET.every() if net.wide != 4}


def test_a_space_that_is_not_listed_is_never_said_to_be_exhausted() -> None:
    source = proposer()
    found = list(run(study_in(), source, 14, "random"))
    assert (
        len(source.seen) == 12 and [p.repeats is None for p in found] == [True] * 12 + [False] * 2
    )
    assert not source.exhausted()


def test_a_repeat_is_told_as_one_where_it_is_not_to_be_mutated() -> None:
    source = proposer(mutate=False)
    found = list(run(study_in(), source, 30, "random"))
    assert not any(p.mutated for p in found)
    for number, proposal in enumerate(found):
        first = next(n for n, p in enumerate(found) if p.key == proposal.key)
        assert proposal.repeats == (None if first == number else first)


def test_a_mutated_proposal_is_within_the_limits() -> None:
    source = proposer(NET, allowed=lambda net: values(net)[1] <= 3)
    for proposal in run(study_in(name="tpe"), source, 60, "tpe"):
        assert not proposal.mutated or values(proposal.config)[1] <= 3


def test_what_cannot_be_built_is_written_for_the_sampler_to_learn_from(
    storage: BaseStorage,
) -> None:
    def key(net: Net) -> str:
        raise ValueError("does not fit")

    trial = study_in(storage).ask()
    with pytest.raises(ValueError, match="does not fit"):
        Proposer(partial(recorded, NET.draw), key, seen={}).propose(trial, 0)
    assert {"body", "wide"} <= storage.get_trial(trial._trial_id).params.keys()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_seed_proposes_the_same(name: str) -> None:
    one, other = (
        [p.config for p in run(study_in(name=name), proposer(NET), 25, name)] for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_study_that_is_opened_again_proposes_as_if_it_never_ended(
    name: str, tmp_path: Path
) -> None:
    def proposals(cuts: set[int], file: str) -> list[Net]:
        found, source = list[Net](), proposer(NET)
        for number in range(24):
            if number == 0 or number in cuts:
                durable = RDBStorage(f"sqlite:///{tmp_path / file}")
                study = optuna.create_study(
                    storage=Mirror(durable),
                    study_name="s",
                    load_if_exists=True,
                    directions=["minimize"] * 2,
                )
            seed = joint_space.derived_seed(7, number)
            study.sampler = optuna_samplers.sampler(name, seed, study_seed=7)
            trial = study.ask()
            proposal = source.propose(trial, seed)
            source.seen[proposal.key] = number
            study.tell(trial, values(proposal.config))
            found.append(proposal.config)
            if number + 1 in cuts or number == 23:
                durable.engine.dispose()
        return found

    assert proposals(set(), "whole.db") == proposals({5, 12, 13, 20}, "cut.db")
