"""The faster TPE beside Optuna's own, and what it remembers."""

import random
import warnings
from collections.abc import Iterator

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace
from optuna.trial import TrialState, create_trial

from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.tpe import GroupedTPE, Past

KINDS: dict[str, BaseDistribution] = {
    "a": CategoricalDistribution(["x", "y", "z"]),
    "a.y.depth": IntDistribution(1, 9),
    "a.y.rate": optuna.distributions.FloatDistribution(1e-4, 1, log=True),
    "a.z.wide": CategoricalDistribution([8, 16, 32]),
    "b": IntDistribution(1, 3),
    "only": CategoricalDistribution([5]),
}
ACTIVE = {"x": [], "y": ["a.y.depth", "a.y.rate"], "z": ["a.z.wide"]}


def drawn(rng: random.Random) -> dict[str, object]:
    names = ["a", "b", "only"]
    chosen: dict[str, object] = {"a": rng.choice("xyz"), "b": rng.randint(1, 3), "only": 5}
    for name in ACTIVE[str(chosen["a"])]:
        names.append(name)
        values = {"a.y.depth": rng.randint(1, 9), "a.y.rate": 10 ** rng.uniform(-4, 0)}
        chosen[name] = values.get(name, rng.choice([8, 16, 32]))
    return {name: chosen[name] for name in names}


def study_of(trials: int, seed: int = 0) -> optuna.Study:
    """Finished, stopped, refused, failed and running trials of a conditional space."""
    rng, study = random.Random(seed), optuna.create_study(directions=["minimize"] * 2)
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
    for state in rng.choices(states, weights=(6, 3, 1, 1), k=trials):
        params = drawn(rng)
        violation = 0.0 if state == TrialState.COMPLETE else rng.random() + 0.1
        done = state == TrialState.COMPLETE
        study.add_trial(
            create_trial(
                state=state,
                params=params,
                distributions={name: KINDS[name] for name in params},
                values=[rng.random(), rng.random()] if done else None,
                system_attrs={"constraints": [violation]} if state.is_finished() else {},
            )
        )
    return study


def optunas(seed: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


@pytest.mark.parametrize("trials", [15, 60])
def test_parameters_that_come_together_are_those_that_optuna_finds(trials: int) -> None:
    config, past = study_of(trials), Past()
    theirs = _GroupDecomposedSearchSpace(True).calculate(config).search_spaces
    past.look(config.trials)
    assert {frozenset(group) for group in past.groups} == {frozenset(space) for space in theirs}
    assert len(past.groups) == 3 and past.group("new") == ["new"]


@pytest.mark.parametrize("trials", [15, 60, 200])
def test_a_group_is_sampled_as_optuna_samples_it(trials: int) -> None:
    """With the same random numbers the same values, whichever group is asked for first."""
    for seed, first in enumerate(["a", "b", "a.y.depth", "a.y.rate", "a.z.wide"]):
        config = study_of(trials, seed)
        config.sampler = fast(seed)
        trial = config.ask()
        mine = config.sampler.sample_independent(
            config, trial._cached_frozen_trial, first, KINDS[first]
        )
        group = [n for n in config.sampler._past.group(first) if not KINDS[n].single()]
        space = {name: KINDS[name] for name in sorted(group)}
        theirs = optunas(seed)._sample(config, trial._cached_frozen_trial, space)
        assert mine == theirs[first]
        assert config.sampler._answers == theirs


def ask(trial: optuna.Trial) -> None:
    names = ["a", "b"]
    for name in names:
        value = trial._suggest(name, KINDS[name])
        names += ACTIVE.get(value, [])


def fast(seed: int, past: Past | None = None) -> GroupedTPE:
    sampler = optuna_samplers.sampler("tpe", seed, study_seed=0, past=past)
    assert isinstance(sampler, GroupedTPE)
    return sampler


def proposals(study: optuna.Study, past: Past | None) -> Iterator[dict[str, object]]:
    """Each by a sampler of its own, told in another order than they were asked for."""
    waiting: list[optuna.Trial] = []
    for number in range(40):
        study.sampler = fast(number, past)
        trial = study.ask()
        ask(trial)
        waiting.append(trial)
        yield trial.params
        if number % 2:
            study.tell(waiting.pop(), [number % 7, number % 5])


def test_what_was_read_before_changes_no_proposal() -> None:
    """A driver that was started anew knows as much as one that led the study from the first."""
    kept, anew = (optuna.create_study(directions=["minimize"] * 2) for _ in range(2))
    assert list(proposals(kept, Past())) == list(proposals(anew, None))


def test_a_range_that_grew_is_searched_to_its_end() -> None:
    study, past = optuna.create_study(directions=["minimize"] * 2), Past()
    for number in range(40):
        study.sampler = fast(number, past)
        trial = study.ask()
        wide = trial.suggest_int("wide", 1, 3 if number < 20 else 100)
        study.tell(trial, [-wide, 1.0])
    assert max(t.params["wide"] for t in study.trials) > 50


def test_the_past_grows_with_the_numbers_of_its_trials() -> None:
    config, past = study_of(30), Past()
    late = create_trial(params={"b": 2}, distributions={"b": KINDS["b"]}, values=[0, 0])
    late.number = 5000
    past.look([late, *config.trials])
    assert past.values(["b"], [late])["b"].tolist() == [2]
    assert past.values(["a", "b"], [late])["b"].size == 0
    every = past.values(["a.y.depth", "a.y.rate"], config.trials)
    assert len(every["a.y.depth"]) == sum(t.params["a"] == "y" for t in config.trials)
