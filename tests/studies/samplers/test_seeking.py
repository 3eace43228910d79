"""The sampler `gp` on a conditional space with a formula for its errors."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from skipsearch.searchspace import encode, parse_space
from skipsearch.searchspace.parameters.domains import choice, integer, one_of, real
from skipsearch.searchspace.parameters.neighbours import Drawn, uniformly
from skipsearch.studies.config.distributions import distribution
from skipsearch.studies.pareto import hypervolume
from skipsearch.studies.samplers.coverage import forcing
from skipsearch.studies.samplers.seeker import EXPLORE, SHORT, STARTUP, Seeker
from skipsearch.studies.surrogate.believer import COUNTED, Believer, Counting
from skipsearch.studies.surrogate.observations import observed
from tests.support.recorded import recorded


@dataclass(frozen=True)
class Plain:
    label: ClassVar[str] = "plain"


@dataclass(frozen=True)
class Attention:
    label: ClassVar[str] = "attention"
    heads: int = choice(1, 2, 4, 8, doc="how many")
    drop: float = real(0.1, 0.01, 0.5, doc="how much")


@dataclass(frozen=True)
class Net:
    shortcut: Plain | Attention = one_of(Plain, Attention, doc="which")
    wide: int = integer(16, 4, 64, doc="channels")
    deep: int = integer(2, 1, 6, doc="blocks")
    norm: str = choice("batch", "layer", "none", doc="which")


DRAW = partial(recorded, parse_space(Net, {}).draw)
LIMIT = 15_000.0
COUNTING = Counting[Net](("params",), 1, {"params": LIMIT}, lambda net: {"params": params(net)})


def params(net: Net) -> float:
    attends = isinstance(net.shortcut, Attention)
    return float(net.wide**2 * net.deep * (1.5 if attends else 1) + 10 * net.wide)


def error(net: Net) -> float:
    gain = 0.0
    if isinstance(net.shortcut, Attention):
        gain = 0.1 * math.log2(2 * net.shortcut.heads) - 2 * (net.shortcut.drop - 0.1) ** 2
    return math.exp(-0.15 * math.log(params(net)) - gain + 0.3 * (net.norm == "none")) * 0.9


def key(net: Net) -> str:
    return json.dumps(encode(net))


def trial(number: int, drawn: Drawn[Net], **facts: object) -> FrozenTrial:
    given: dict[str, object] = {
        "state": TrialState.COMPLETE,
        "values": [error(drawn.config), params(drawn.config)],
        "user_attrs": {"params": params(drawn.config), "charged": True},
    }
    made = create_trial(
        params={name: one.value for name, one in drawn.chosen.items()},
        distributions={name: distribution(one.domain) for name, one in drawn.chosen.items()},
        **given | facts,  # type: ignore[arg-type]
    )
    made.number = number
    return made


def some(number: int, seed: int = 0, **facts: object) -> list[FrozenTrial]:
    rng = random.Random(seed)
    return [trial(n, DRAW(uniformly(rng)), **facts) for n in range(number)]


def seeker(
    counting: Counting[Net] = COUNTING,
    seen: Mapping[str, int] | None = None,
    allowed: Callable[[Net], bool] = lambda net: params(net) <= LIMIT,
) -> Seeker[Net]:
    return Seeker(believer(counting), key, seen=seen or {}, allowed=allowed)


def believer(counting: Counting[Net] = COUNTING) -> Believer[Net]:
    return Believer(DRAW, counting, epochs=2, seed=3)


def test_the_start_covers_the_alternatives_of_the_main_choices() -> None:
    trials: list[FrozenTrial] = []
    for number in range(STARTUP):
        found = seeker().seek(trials, number)
        assert found is not None
        trials.append(trial(number, found))
    norms = Counter(t.params["norm"] for t in trials)
    assert max(norms.values()) - min(norms.values()) <= 1
    assert Counter(t.params["shortcut"] for t in trials) == {"plain": 5, "attention": 5}


def test_later_proposals_come_back_to_what_few_have() -> None:
    """Even where the model does not want it: attention was three times as bad in all trials."""
    rng, trials = random.Random(0), list[FrozenTrial]()
    for number in range(5 * EXPLORE):
        drawn = DRAW(uniformly(rng))
        bad = isinstance(drawn.config.shortcut, Attention)
        if bad and number > EXPLORE:
            drawn = DRAW(forcing(uniformly(rng), {"shortcut": "plain"}))
            bad = False
        values = [0.6 if bad else 0.2, params(drawn.config)]
        trials.append(trial(number, drawn, values=values))
    found = seeker().seek(trials, 0)
    assert found is not None and isinstance(found.config.shortcut, Attention)
    found = seeker().seek(trials[:-1], 0)
    assert found is not None and not isinstance(found.config.shortcut, Attention)


def test_what_was_trained_or_is_over_a_limit_is_not_proposed() -> None:
    trials, seen = some(20), dict[str, int]()
    for seed in range(12):
        found = seeker(seen=seen).seek(trials, seed)
        assert found is not None and key(found.config) not in seen
        assert params(found.config) <= LIMIT
        seen[key(found.config)] = seed


def test_where_nothing_is_new_nothing_is_found() -> None:
    assert seeker(allowed=lambda _net: False).seek(some(20), 0) is None


def test_another_driver_proposes_the_same() -> None:
    first = seeker()
    for number in (12, 14, 15):
        told = first.seek(some(number), 5)
    again = seeker().seek(some(15), 5)
    assert told is not None and again is not None and told.config == again.config


def test_who_is_in_training_is_not_proposed_a_neighbour_at_once() -> None:
    trials = some(20)
    first = seeker().seek(trials, 1)
    assert first is not None
    running = trial(20, first, state=TrialState.RUNNING, values=None)
    second = seeker(seen={key(first.config): 20}).seek([*trials, running], 1)
    assert second is not None and key(second.config) != key(first.config)
    assert observed([running], ["params"], 2, {})[0].error is None


def test_costs_are_counted_for_few_candidates_only() -> None:
    asked: list[Net] = []

    def count(net: Net) -> dict[str, float]:
        asked.append(net)
        return {"params": params(net)}

    own = seeker(Counting(("params",), 1, {"params": LIMIT}, count))
    own.seek(some(20), 0)
    assert COUNTED < len(asked) <= COUNTED + SHORT
    own.seek(some(20), 1)
    assert len(asked) <= COUNTED + 2 * SHORT, "the random ones are counted once a driver"


def test_costs_that_are_measured_are_predicted_from_the_trials() -> None:
    found = seeker(Counting(("params",), 1, {}, None)).seek(some(30), 0)
    assert found is not None and params(found.config) <= LIMIT


@pytest.mark.parametrize("names", [(), ("params",), ("params", "macs")])
def test_it_moves_the_front_more_than_random_networks_do(names: tuple[str, ...]) -> None:
    """With none, one and two costs: after 30 evaluations more than after 60 random ones."""

    def costs(net: Net) -> dict[str, float]:
        return {"params": params(net), "macs": params(net) * (1 + net.deep)}

    def point(net: Net) -> tuple[float, ...]:
        own = costs(net)
        return (math.log(error(net)), *(math.log(own[name]) for name in names))

    def volume(nets: list[Net]) -> float:
        corner = (math.log(0.8), *(math.log(LIMIT * (6 if n == "macs" else 1)) for n in names))
        return hypervolume([point(net) for net in nets if params(net) <= LIMIT], corner)

    counting = Counting[Net]((*names, *{"params"} - {*names}), len(names), {"params": LIMIT}, costs)
    rng, nets, trials, seen = random.Random(0), list[Net](), list[FrozenTrial](), dict[str, int]()
    within_limits = {"seen": seen, "allowed": lambda net: params(net) <= LIMIT}
    own = Seeker(Believer(DRAW, counting, epochs=2, seed=0), key, **within_limits)  # type: ignore[arg-type]
    while len(nets) < 30:
        drawn = own.seek(trials, len(trials)) or DRAW(uniformly(rng))
        net = drawn.config
        if params(net) > LIMIT or key(net) in seen:
            continue
        seen[key(net)] = len(nets)
        nets.append(net)
        values = [error(net), *(costs(net)[name] for name in names)]
        trials.append(trial(len(trials), drawn, values=values, user_attrs=costs(net)))
    random_nets = [DRAW(uniformly(rng)).config for _ in range(300)]
    within = [net for net in random_nets if params(net) <= LIMIT][:60]
    assert len(within) == 60
    assert volume(nets) > volume(within)


def test_a_stopped_trial_counts_as_what_others_made_of_its_error() -> None:
    nets = some(4)
    full = [
        trial(n, drawn_of(one), intermediate_values={1: 2 * one.values[0], 2: one.values[0]})
        for n, one in enumerate(nets[:2])
    ]
    stopped = trial(
        2,
        drawn_of(nets[2]),
        state=TrialState.PRUNED,
        values=None,
        intermediate_values={1: 0.5},
    )
    failed = trial(3, drawn_of(nets[3]), state=TrialState.FAIL, values=None)
    over = trial(4, drawn_of(nets[3]), state=TrialState.PRUNED, values=None)
    costs = {"params": failed.user_attrs["params"]}  # of a proposal whose driver died
    left = trial(5, drawn_of(nets[3]), state=TrialState.FAIL, values=None, user_attrs=costs)
    found = observed([*full, stopped, failed, over, left], ["params"], 2, {})
    assert [one.trial.number for one in found] == [0, 1, 2, 3]
    assert found[2].error == pytest.approx(math.log10(0.25), abs=0.05)
    assert found[2].variance > 0 == found[0].variance
    assert found[3].error == max(found[k].error or -9 for k in range(3))
    assert [one.full for one in found] == [True, True, False, False]


def drawn_of(made: FrozenTrial) -> Drawn[Net]:
    return DRAW(lambda name, _domain, _default: made.params[name])


def test_a_proposal_of_a_study_is_written_as_its_parameters() -> None:
    from skipsearch.studies.samplers.proposer import Proposer

    study = optuna.create_study(directions=["minimize"] * 2)
    for one in some(15):
        study.add_trial(one)
    own = seeker()
    proposer = Proposer(DRAW, key, seen={}, seek=own)
    asked = study.ask()
    proposal = proposer.propose(asked, 4)
    found = own.seek(some(15), 4)
    assert found is not None and proposal.config == found.config
    written = study.get_trials()[asked.number].params
    assert written == {name: one.value for name, one in found.chosen.items()}
