"""See to it that every alternative of the main choices is tried.

Main choices are those that lie in no other: shortcut, norm, gate, body, downsampling. A start of
random networks leaves some of their alternatives out, and a model that never saw one cannot want
it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import Choice, Domain, Scalar
from skipsearch.searchspace.parameters.neighbours import Chosen, Drawn
from skipsearch.studies.surrogate.embedding import coordinate

Alternative = tuple[str, Scalar]  # a choice and one of its values
Used = Counter[Alternative]


def alternatives(drawn: Iterable[Drawn[Config]]) -> list[Alternative]:
    """List the alternatives of the main choices of a space, of which some networks were drawn."""
    domains: dict[str, Choice] = {}
    for one in drawn:
        for name, chosen in one.chosen.items():
            if _is_main(name, chosen) and isinstance(chosen.domain, Choice):
                domains[name] = chosen.domain
    return [(name, value) for name, domain in domains.items() for value in domain.values]


def _is_main(name: str, chosen: Chosen) -> bool:
    return "." not in name and coordinate(chosen.domain, chosen.value) is None


def used(trials: Sequence[FrozenTrial], of: Sequence[Alternative]) -> Used:
    """Count the trials that have each alternative."""
    count: Used = Counter()
    for name, value in of:
        count[name, value] = sum(t.params.get(name) == value for t in trials)
    return count


def most_even(candidates: Sequence[Drawn[Config]], count: Used) -> Drawn[Config]:
    """Return the candidate whose alternatives were used least; of several the first."""

    def total(drawn: Drawn[Config]) -> int:
        there = ((name, chosen.value) for name, chosen in drawn.chosen.items())
        return sum(count[one] for one in there if one in count)

    return min(candidates, key=total)


def rarest(count: Used) -> Alternative:
    """Return the alternative that the fewest trials have; of several the first."""
    return min(count, key=count.__getitem__)


def forcing(pick: Pick, forced: Mapping[str, Scalar]) -> Pick:
    """Wrap a chooser so that it takes the `forced` values where they are allowed."""

    def answer(name: str, domain: Domain, default: Scalar) -> Scalar:
        if name in forced and forced[name] in domain:
            return forced[name]
        return pick(name, domain, default)

    return answer
