"""Any draw with its answers: the slow twin of `Space.drawn`, which keeps them on the way."""

from collections.abc import Callable, Mapping

from skipsearch.searchspace import encode
from skipsearch.searchspace.parameters.course import Config, Pick
from skipsearch.searchspace.parameters.domains import Scalar
from skipsearch.searchspace.parameters.neighbours import Chosen, Drawn, held, recording


def recorded(
    draw: Callable[[Pick], Config],
    pick: Pick,
    flat: Callable[[Config], Mapping[str, Scalar]] = encode,
) -> Drawn[Config]:
    """Draw a configuration with the answers of `pick`, and keep those that are part of it.

    `flat` gives the parameters of a configuration, to which the answers are held.
    """
    asked: dict[str, Chosen] = {}
    config = draw(recording(pick, asked))
    return Drawn(config, held(asked, flat(config)))
