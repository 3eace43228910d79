"""Who is silent for too long, by a clock that the tests turn."""

import math

import pytest

from skipsearch.studies.executors import watchdog
from skipsearch.studies.executors.watchdog import Watchdog


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    """It has seen three epochs of 1 s of trial `a`, and allows 10 of them."""
    monkeypatch.setattr(watchdog, "AT_LEAST", 2.0)
    dog = Watchdog(10)
    dog.started("a", 0, 0.0)
    for epoch in (1, 2, 3):
        dog.reported("a", epoch, float(epoch))
    return dog


def looked(dog: Watchdog, begin: float, end: float) -> list[tuple[str, float]]:
    """Looks ten times a second from begin to end."""
    looks = range(int(10 * begin), int(10 * end) + 1)
    return [found for tenth in looks for found in dog.look(tenth / 10)]


def test_a_trial_that_is_silent_for_ten_of_its_epochs_is_named_once(dog: Watchdog) -> None:
    dog.started("b", 0, 3.0)
    assert looked(dog, 3.0, 12.9) == []
    dog.reported("b", 1, 12.9)
    ((trial_id, seconds),) = looked(dog, 13.0, 20.0)
    assert trial_id == "a" and seconds == pytest.approx(10, abs=0.2)


def test_nobody_is_judged_before_three_epochs_or_below_the_least_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dog = Watchdog(10)
    dog.started("a", 0, 0.0)
    dog.reported("a", 1, 0.1)
    dog.reported("a", 2, 0.2)
    assert dog.patience("a") == math.inf
    dog.reported("a", 3, 0.3)
    assert dog.patience("a") == watchdog.AT_LEAST == 60
    assert looked(dog, 0.3, 59.0) == [] and len(looked(dog, 59.1, 62.0)) == 1


def test_what_is_reported_again_after_a_death_is_no_epoch(dog: Watchdog) -> None:
    dog.started("b", 5, 3.0)
    dog.reported("b", 5, 3.001)
    assert dog.pace.epochs == 3 and "b" not in dog.slowest
    dog.reported("b", 6, 4.001)
    assert dog.pace.epochs == 4 and dog.slowest["b"] == pytest.approx(1)


def test_a_slow_network_is_judged_by_its_own_epochs(dog: Watchdog) -> None:
    dog.started("b", 0, 3.0)
    dog.reported("b", 1, 11.0)
    assert dog.patience("b") == pytest.approx(80) and dog.patience("a") == pytest.approx(10)


def test_before_its_first_epoch_it_is_judged_by_the_slowest_and_its_size(dog: Watchdog) -> None:
    """Epochs of 1 s, of 1 M multiply-accumulates, and one of 4 s, of 2 M."""
    dog.macs["a"] = 10**6
    dog.started("b", 0, 3.0, macs=2 * 10**6)
    dog.reported("b", 1, 7.0)
    for macs, seconds in ((10**5, 40), (2 * 10**6, 40), (10**7, 200)):
        dog.started("c", 0, 7.0, macs=macs)
        assert dog.patience("c") == pytest.approx(seconds)


def test_who_was_ended_has_twice_the_time_until_it_is_over(dog: Watchdog) -> None:
    for seconds in (10, 20, 40):
        dog.started("b", 0, 3.0)
        assert dog.patience("b") == pytest.approx(seconds)
        ((trial_id, silent),) = [
            found for found in looked(dog, 3.0, 4.0 + seconds) if found[0] == "b"
        ]
        assert trial_id == "b" and silent == pytest.approx(seconds, abs=0.2)
        dog.looked = None
    dog.forget("b")
    dog.started("b", 0, 3.0)
    assert dog.patience("b") == pytest.approx(10)


def test_while_the_driver_is_busy_nobody_is_silent(dog: Watchdog) -> None:
    assert looked(dog, 3.0, 4.0) == []
    assert list(dog.look(500.0)) == []  # a storage was locked for minutes
    dog.reported("a", 4, 500.1)
    assert looked(dog, 500.2, 505.0) == []


def test_it_may_be_switched_off(dog: Watchdog) -> None:
    dog.multiple = 0
    assert looked(dog, 3.0, 300.0) == []
