"""In which order ends of trials are told to the sampler.

As they come; or, so that the same seed gives the same proposals however fast the workers are, in
the order of asking: the proposal number k is asked for when exactly k − lag earlier ones are told.
"""

from collections.abc import Callable, Iterable

from optuna.trial import FrozenTrial

Tell = Callable[[], None]


class AsTheyCome:
    """Told at once; a proposal may always be asked for."""

    lag: int | None = None

    def asked(self, number: int) -> None: ...

    def ended(self, number: int, tell: Tell) -> None:
        tell()

    def may_ask(self) -> bool:
        return True

    def flush(self) -> None: ...


class InOrder:
    """Ends are held back until a proposal needs them told, or nothing more is asked for."""

    def __init__(self, lag: int) -> None:
        self.lag = lag
        self.untold: list[int] = []  # in the order of asking
        self.held: dict[int, Tell] = {}

    def asked(self, number: int) -> None:
        self.untold.append(number)

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


def judged_below(lag: int | None, before: Iterable[FrozenTrial], number: int) -> int | None:
    """In a deterministic study (with a lag) a trial is judged beside those of lower numbers than
    this only: beside those told when it was asked for, of all asked for `before` it."""
    if lag is None:
        return None
    earlier = [t.number for t in before if "charged" in t.user_attrs]
    told = max(0, len(earlier) - lag)
    return earlier[told] if told < len(earlier) else number
