"""The proposer of a study: which of its networks are the same, what they cost, which may be."""

from collections.abc import Hashable
from functools import partial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Networks
from skipsearch.studies.config.study_config import Study
from skipsearch.studies.jobs import key_of
from skipsearch.studies.proposing import Proposer, Seek, nothing_sought
from skipsearch.studies.seeking import Counting, Seeker
from skipsearch.trainers.recipe.recipe import Recipe

SMALL_SPACE = 1000  # configurations up to which a space is listed to say that it is exhausted
Pair = tuple[Arch, Recipe]


def proposer(study: Study, networks: Networks, seen: dict[Hashable, int]) -> Proposer[Pair]:
    """`seen` are the networks that were trained, each with its recipe."""

    def key(pair: Pair) -> Hashable:
        return key_of(networks.identity(pair[0]), encode(pair[1]))

    def allowed(pair: Pair) -> bool:
        return not networks.over(networks.cost(pair[0]))

    draw = partial(joint_space.draw, study)
    size = study.arch_space.size() * study.recipe_space.size()
    seek: Seek[Pair] = nothing_sought
    if study.sampler == "gp":
        counting = _counting(study, networks)
        seek = Seeker(draw, key, seen=seen, allowed=allowed, counting=counting, seed=study.seed)
    return Proposer(
        draw,
        key,
        seen=seen,
        allowed=allowed,
        every=partial(joint_space.every, study) if size <= SMALL_SPACE else None,
        mutate=study.repeats == "mutate",
        seek=seek,
    )


def _counting(study: Study, networks: Networks) -> Counting[Pair]:
    """A latency is measured, which takes too long for candidates."""
    limited = (name for name in study.limits if name not in study.costs)
    names = (*study.costs, *limited)

    def count(pair: Pair) -> dict[str, float]:
        cost = networks.cost(pair[0])
        return {name: cost.of(name) for name in names}

    return Counting(
        names,
        len(study.costs),
        study.limits,
        None if "latency_ms" in names else count,
        lambda name: not name.startswith(joint_space.RECIPE),
    )
