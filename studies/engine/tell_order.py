"""Order in which results of trials are told to Optuna.

`AsTheyCome` tells each at once. `InOrder` tells them in the order of the proposals, so that a seed
gives the same proposals whatever the speed of the workers: proposal k is asked for when exactly
k − lag earlier ones are told.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

Tell = Callable[[], None]


class AsTheyCome:
    """Tell every result at once; a proposal may always be asked for."""

    def asked(self, number: int) -> None:
        """Do nothing: no order is kept."""

    def ended(self, number: int, tell: Tell) -> None:
        """Tell the result of an ended trial."""
        tell()

    def may_ask(self) -> bool:
        """Return True: no result is waited for."""
        return True

    def below(self, _number: int) -> int | None:
        """Return None: a trial is compared with all that reported at its rung."""
        return None

    def flush(self) -> None:
        """Do nothing: no result is held back."""


class InOrder:
    """Hold results back until a proposal needs them, or until nothing more is asked for."""

    def __init__(self, lag: int, asked: Iterable[int] = ()) -> None:
        """`asked` are the trials that earlier drivers proposed."""
        self.lag = lag
        self.numbers = sorted(asked)
        self.untold: list[int] = []  # in the order of the proposals
        self.held: dict[int, Tell] = {}

    def asked(self, number: int) -> None:
        """Enter a proposed trial, or one taken over from a dead driver, into the order."""
        self.untold.append(number)
        at = bisect_left(self.numbers, number)
        if number not in self.numbers[at : at + 1]:
            self.numbers.insert(at, number)

    def below(self, number: int) -> int | None:
        """Return the number below which trials were told when this one was proposed; it is compared
        with these only.
        """
        earlier = bisect_left(self.numbers, number)
        told = max(0, earlier - self.lag)
        return self.numbers[told] if told < earlier else number

    def ended(self, number: int, tell: Tell) -> None:
        """Hold the result of an ended trial until its turn."""
        self.held[number] = tell

    def may_ask(self) -> bool:
        """Tell Optuna every result due before the next proposal; return False while one of them
        still trains.
        """
        while len(self.untold) > self.lag:
            if not self._tell_next():
                return False
        return True

    def flush(self) -> None:
        """Tell in order what has ended, as nothing more is asked for."""
        while self.untold and self._tell_next():
            pass

    def _tell_next(self) -> bool:
        if self.untold[0] not in self.held:
            return False
        self.held.pop(self.untold.pop(0))()
        return True


Order = AsTheyCome | InOrder
