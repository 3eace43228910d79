"""In which order ends of trials are told to the sampler.

As they come; or, so that the same seed gives the same proposals however fast the workers are, in
the order of asking: the proposal number k is asked for when exactly k − lag earlier ones are told.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

Tell = Callable[[], None]


class AsTheyCome:
    """Told at once; a proposal may always be asked for."""

    def asked(self, number: int) -> None: ...

    def ended(self, number: int, tell: Tell) -> None:
        tell()

    def may_ask(self) -> bool:
        return True

    def below(self, _number: int) -> int | None:
        """A trial is judged beside all that reported."""
        return None

    def flush(self) -> None: ...


class InOrder:
    """Ends are held back until a proposal needs them told, or nothing more is asked for."""

    def __init__(self, lag: int, asked: Iterable[int] = ()) -> None:
        """`asked` are the trials that were asked for before this driver came."""
        self.lag = lag
        self.numbers = sorted(asked)
        self.untold: list[int] = []  # in the order of asking
        self.held: dict[int, Tell] = {}

    def asked(self, number: int) -> None:
        self.untold.append(number)
        at = bisect_left(self.numbers, number)
        if number not in self.numbers[at : at + 1]:
            self.numbers.insert(at, number)

    def below(self, number: int) -> int | None:
        """A trial is judged beside those told when it was asked for: with numbers below this."""
        earlier = bisect_left(self.numbers, number)
        told = max(0, earlier - self.lag)
        return self.numbers[told] if told < earlier else number

    def ended(self, number: int, tell: Tell) -> None:
        self.held[number] = tell

    def may_ask(self) -> bool:
        """Tells what is due; False while that has not ended."""
        while len(self.untold) > self.lag:
            if not self._tell_next():
                return False
        return True

    def flush(self) -> None:
        """Nothing more is asked for: tell what has ended, in order."""
        while self.untold and self._tell_next():
            pass

    def _tell_next(self) -> bool:
        if self.untold[0] not in self.held:
            return False
        self.held.pop(self.untold.pop(0))()
        return True


Order = AsTheyCome | InOrder
