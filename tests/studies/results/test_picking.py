"""Picking a network of the front."""

import math
from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import create_trial

from skipsearch.studies.humanize import amount
from skipsearch.studies.results.front import front_trials, full_trials, knee
from skipsearch.studies.results.pick import pick, standard_error
from skipsearch.studies.results.retrained import Retrained, results
from tests.support.fake_study import make_study


def study_of(*values: Sequence[float], validation: int = 1000, **facts: object) -> optuna.Study:
    study = optuna.create_study(study_name="s", directions=["minimize"] * len(values[0]))
    study.set_user_attr("data", {"validation": validation})
    for value in values:
        given = {"params": int(value[1]), "macs": 50 * int(value[1])} | facts
        study.add_trial(create_trial(values=list(value), user_attrs=given))
    return study


def retrained(study: optuna.Study, number: int, errors: Sequence[float], epochs: int = 9) -> None:
    """As `retrain` leaves it."""
    name = f"{study.study_name}/retrain"
    beside = optuna.create_study(study_name=name, storage=study._storage, load_if_exists=True)
    for k, error in enumerate(errors):
        facts = {"system": str(number), "seed_number": k, "seed": 100 + k, "charged": True}
        facts |= {"epochs_asked": epochs}
        beside.add_trial(create_trial(values=[error], user_attrs=facts))


def test_the_knee_and_the_best_are_those_of_the_front() -> None:
    study = make_study()
    front = front_trials(study)
    assert pick(study) == knee(front)
    assert pick(study, "best") == front[0]
    assert front[0].values[0] == min(t.values[0] for t in full_trials(study))


def test_a_limit_is_kept_by_whatever_rule() -> None:
    study = make_study()
    params = sorted(t.user_attrs["params"] for t in full_trials(study))
    most = params[len(params) // 2]
    allowed = [t for t in full_trials(study) if t.user_attrs["params"] <= most]
    best = min(allowed, key=lambda t: t.values)
    assert pick(study, "best", {"params": most}) == best
    assert pick(study, "one-se", {"params": most}).user_attrs["params"] <= most
    config = study_of((0.5, 1.0), (0.1, 3.0), (0.09, 9.0), (0.01, 12.0), (0.009, 99.0))
    assert [pick(config, limits=limits).number for limits in ({}, {"params": 10})] == [3, 1]
    macs = {"macs": best.user_attrs["macs"]}
    assert pick(study, "best", macs).user_attrs["macs"] <= macs["macs"]


def test_what_nothing_keeps_is_refused_with_the_least_that_there_is() -> None:
    config = study_of((0.1, 500.0), (0.2, 200.0))
    with pytest.raises(ValueError, match=r"within params ≤ 100; the least of 2: params 200"):
        pick(config, "best", {"params": 100})
    with pytest.raises(ValueError, match="has not measured latency_ms"):
        pick(config, "best", {"latency_ms": 3})
    with pytest.raises(ValueError, match=r"pick kne is not a rule .*knee"):
        pick(config, "kne")
    with pytest.raises(ValueError, match=r"limit parms is not a cost .*params"):
        pick(config, "best", {"parms": 3})


def test_a_front_without_a_bend_has_no_knee_and_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"no knee.*pick best or one-se"):
        pick(study_of((0.1, 500.0), (0.2, 200.0)))
    config = study_of((0.1, 500.0))
    assert pick(config).number == 0


def test_one_standard_error_of_the_best_is_the_binomial_one_of_its_images() -> None:
    error = math.sqrt(0.1 * 0.9 / 1000)
    config = study_of((0.1, 500.0), (0.1 + 0.9 * error, 400.0), (0.1 + 1.1 * error, 10.0))
    assert standard_error(config, config.trials[0]).value == pytest.approx(error)
    assert pick(config, "one-se").number == 1


def test_the_spread_of_retrained_seeds_goes_before_the_binomial_error() -> None:
    config = study_of((0.1, 500.0), (0.12, 400.0), (0.135, 10.0))
    assert pick(config, "one-se").number == 0
    retrained(config, 0, (0.1, 0.16))  # a standard deviation of 0.042
    assert "2 retrained seeds" in standard_error(config, config.trials[0]).source
    assert pick(config, "one-se").number == 2


def test_the_seeds_of_a_trial_go_before_all() -> None:
    config = study_of((0.1, 500.0), val_errors=[0.09, 0.11], val_error_sd=0.014)
    assert standard_error(config, config.trials[0]).value == pytest.approx(0.014 / math.sqrt(2))


def test_retrained_results_are_of_the_newest_training_of_each_seed() -> None:
    config = study_of((0.1, 500.0))
    assert results(config) == {}
    retrained(config, 0, (0.3, 0.2, 0.4))
    assert results(config) == {0: Retrained(0, (100, 101, 102), (0.3, 0.2, 0.4), 9)}
    assert results(config)[0].sd == pytest.approx(0.1)
    retrained(config, 0, (0.15,), epochs=20)
    assert results(config) == {0: Retrained(0, (100,), (0.15,), 20)}
    assert math.isnan(results(config)[0].sd)


@pytest.mark.parametrize(
    ("text", "value"), [("300k", 3e5), ("1.5M", 1.5e6), ("20 M", 2e7), ("1e6", 1e6), ("7", 7.0)]
)
def test_amounts_are_read_as_people_write_them(text: str, value: float) -> None:
    assert amount(text, "--max-params") == value


@pytest.mark.parametrize("text", ["", "k", "0", "-3k", "300q", "nan", "inf"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--max-params must be a number above 0"):
        amount(text, "--max-params")
