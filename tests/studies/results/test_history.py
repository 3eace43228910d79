"""The front as it stood earlier, and what had been spent by then."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from optuna.trial import TrialState

from skipsearch.studies.results.front import front_trials, members
from skipsearch.studies.results.history import front_at, history
from skipsearch.studies.results.summary import passed_seconds, summarize
from tests.support.command import Command
from tests.support.fake_study import START, make_study

STUDY = make_study()
TOTAL = list(history(STUDY))[-1][1]


def test_all_that_was_spent_is_what_the_trials_cost() -> None:
    assert TOTAL.epochs == sum(t.last_step or 0 for t in STUDY.trials)
    assert TOTAL.trials == summarize(STUDY).charged
    assert TOTAL.seconds == pytest.approx(passed_seconds(STUDY))
    assert TOTAL.worker_seconds == pytest.approx(sum(t.user_attrs["seconds"] for t in STUDY.trials))


@pytest.mark.parametrize("at", ["1e9epochs", "1000 trials", "9d", "100 worker-h"])
def test_when_all_was_spent_the_front_is_that_of_now(at: str) -> None:
    then = front_at(STUDY, at)
    assert then.front == front_trials(STUDY) and then.spent == then.all == TOTAL


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_an_earlier_front_is_that_of_the_trials_that_had_ended(share: float) -> None:
    ended = sorted(STUDY.trials, key=lambda t: (t.datetime_complete, t.number))
    count, epochs = 0, 0
    while count < share * len(ended):
        epochs += ended[count].last_step or 0
        count += 1
    while count < len(ended) and not ended[count].last_step:
        count += 1  # those cost no epochs
    then = front_at(STUDY, f"{epochs}epochs")
    assert then.front == members(ended[:count]) and then.spent.epochs == epochs


def test_wall_time_leaves_pauses_out() -> None:
    study = make_study(trials=6)
    before = [spent.seconds for _, spent in history(study)]
    for trial in (trials := study._storage._studies[0].trials)[3:]:
        for name in ("datetime_start", "datetime_complete"):
            setattr(trial, name, getattr(trial, name) + timedelta(days=3))
    assert trials[3].datetime_start > START + timedelta(days=2)
    after = [spent.seconds for _, spent in history(study)]
    assert after[-1] < 3600 and after[-1] == pytest.approx(passed_seconds(study))
    assert before[0] == after[0]


def test_a_stopped_trial_costs_its_epochs_and_a_refused_one_nothing() -> None:
    previous = None
    for trial, spent in history(STUDY):
        if previous is not None:
            assert spent.epochs - previous.epochs == (trial.last_step or 0)
            refused = trial.state == TrialState.PRUNED and not trial.intermediate_values
            assert spent.trials - previous.trials == (0 if refused else 1)
        previous = spent


def test_the_command_says_what_had_been_spent(here: Path, skipsearch: Command) -> None:
    status, out, _ = skipsearch("front", "fashion-mnist", "--at", "100epochs")
    assert status == 0 and "fashion-mnist at 100epochs: " in out and "by now: " in out
    document = json.loads(skipsearch("front", "fashion-mnist", "--at", "100epochs", "--json")[1])
    assert document["at"]["asked"] == "100epochs" and document["at"]["spent"]["epochs"] <= 100
    assert [r["trial"] for r in document["front"]] == [
        t.number for t in front_at(STUDY, "100epochs").front
    ]
    status, _, error = skipsearch("front", "fashion-mnist", "--at", "100")
    assert status == 2 and "--at must be a number and one of epochs, trials, s, min, h" in error


def test_pick_tells_what_to_do_next(here: Path, skipsearch: Command) -> None:
    status, out, _ = skipsearch("pick", "fashion-mnist")
    assert status == 0 and "best trade-off" in out and "skipsearch retrain fashion-mnist" in out
    record = json.loads(skipsearch("pick", "fashion-mnist", "--max-params", "500k", "--json")[1])
    assert record["rule"] == "best" and record["params"] <= 500_000
    assert record["limits"] == {"params": 500_000}
    status, _, error = skipsearch("pick", "fashion-mnist", "--max-params", "1")
    assert status == 2 and "no fully trained network within params ≤ 1" in error
