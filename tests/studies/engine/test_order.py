"""In which order ends are told: as they come, or such that proposals depend on nothing else."""

from functools import partial

from hypothesis import given, strategies

from skipsearch.studies.engine.tell_order import AsTheyCome, InOrder


@given(strategies.integers(0, 5), strategies.integers(0, 30), strategies.data())
def test_in_order_a_proposal_sees_exactly_those_that_are_lag_before_it(
    lag: int, trials: int, data: strategies.DataObject
) -> None:
    """Whoever of the trials in training ends first: workers = lag + 1."""
    order, told, training, asked = InOrder(lag), list[int](), list[int](), 0
    while asked < trials or training:
        while asked < trials and len(training) <= lag and order.may_ask():
            assert told == list(range(max(0, asked - lag)))
            order.asked(asked)
            training.append(asked)
            asked += 1
        ended = training.pop(data.draw(strategies.integers(0, len(training) - 1)))
        order.ended(ended, partial(told.append, ended))
    order.flush()
    assert told == list(range(trials))


@given(strategies.permutations(range(8)), strategies.integers(0, 8))
def test_in_order_what_ended_is_told_at_the_end_up_to_the_first_that_did_not(
    ends: list[int], ended: int
) -> None:
    order, told = InOrder(8), list[int]()
    for number in range(8):
        order.asked(number)
    for number in ends[:ended]:
        order.ended(number, partial(told.append, number))
    assert told == []
    order.flush()
    unended = set(ends[ended:])
    assert told == list(range(min(unended, default=8)))


def test_in_order_nobody_is_asked_for_while_the_one_that_is_due_trains() -> None:
    order, told = InOrder(1), list[int]()
    for number in (0, 1):
        assert order.may_ask()
        order.asked(number)
    order.ended(1, partial(told.append, 1))
    assert not order.may_ask() and told == []
    order.ended(0, partial(told.append, 0))
    assert order.may_ask() and told == [0]
    assert order.may_ask() and told == [0], "asking whether does not tell more"


def test_numbers_of_answered_proposals_leave_no_hole() -> None:
    order, told = InOrder(0), list[int]()
    for number in (0, 3, 7):  # 1, 2, 4, 5 and 6 were repeats: told at once, never trained
        assert order.may_ask()
        order.asked(number)
        order.ended(number, partial(told.append, number))
    order.flush()
    assert told == [0, 3, 7]


@given(strategies.permutations(range(6)))
def test_as_they_come_each_is_told_when_it_ends_and_one_may_always_ask(ends: list[int]) -> None:
    order, told = AsTheyCome(), list[int]()
    for number in range(6):
        assert order.may_ask()
        order.asked(number)
    for number in ends:
        order.ended(number, partial(told.append, number))
    order.flush()
    assert told == list(ends)
