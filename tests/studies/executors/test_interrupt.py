"""Ctrl-C and SIGTERM: the first ends between two events, the second at once."""

import signal

import pytest

from skipsearch.studies.executors.interrupt import SIGNALS, Ending


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_first_signal_waits_for_the_next_event_and_the_second_does_not(
    first: signal.Signals, second: signal.Signals
) -> None:
    ending = Ending(hours=None)
    with ending.listening():
        assert not ending.due
        signal.raise_signal(first)
        assert ending.due and not ending.over
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_training_in_this_process_is_interrupted_by_the_first_signal(
    number: signal.Signals,
) -> None:
    ending = Ending(hours=None)
    with ending.listening():
        with pytest.raises(KeyboardInterrupt), ending.interrupting():
            signal.raise_signal(number)
        assert ending.due and not ending.at_once


def test_a_signal_before_a_training_in_this_process_keeps_it_from_beginning() -> None:
    ending, begun = Ending(hours=None), []
    with ending.listening():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), ending.interrupting():
            begun.append(True)
    assert not begun


def test_who_listened_before_listens_again() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Ending(hours=None).listening():
        assert all(isinstance(signal.getsignal(number), Ending) for number in SIGNALS)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_hours_that_are_over_end_like_a_signal() -> None:
    assert Ending(hours=0.0).due and Ending(hours=0.0).over
    assert not Ending(hours=1.0).due
