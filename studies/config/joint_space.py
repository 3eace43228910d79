"""Architecture and recipe as one space: its parameters, draws, hash and seeds."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters import odometer
from skipsearch.searchspace.parameters.course import Pick
from skipsearch.searchspace.parameters.domains import Choice, Domain, Scalar, size_of
from skipsearch.searchspace.parameters.neighbours import Drawn
from skipsearch.searchspace.parameters.space import Space
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.recipe.recipe import Recipe

RECIPE = "recipe."  # prefix of the recipe's parameters, in one table with the architecture's


def drawn(config: StudyConfig, pick: Pick) -> Drawn[tuple[Arch, Recipe]]:
    """Draw a network and its recipe. Raises ValueError for an invalid combination."""

    def ask_recipe(name: str, domain: Domain, default: Scalar) -> Scalar:
        return pick(RECIPE + name, domain, default)

    arch, recipe = config.arch_space.drawn(pick), config.recipe_space.drawn(ask_recipe)
    named = {RECIPE + name: one for name, one in recipe.chosen.items()}
    return Drawn((arch.config, recipe.config), {**arch.chosen, **named})


def every(config: StudyConfig) -> Iterator[Drawn[tuple[Arch, Recipe]]]:
    """Enumerate every pair of network and recipe of a finite space."""
    return odometer.every(partial(drawn, config))


def preset_recipe(config: StudyConfig, given: Mapping[str, Scalar] | None = None) -> Recipe:
    """Return the recipe of a baseline.

    A parameter has its value in `given`, else in the study's recipe preset; where the study allows
    neither, the first value of its domain.
    """
    preset = encode(RECIPES[config.recipe.get("preset", "short")])

    def pick(name: str, domain: Domain, default: Scalar) -> Scalar:
        for wanted in ((given or {}).get(name), preset.get(name, default)):
            if wanted in domain:
                assert wanted is not None
                return wanted
        return domain.values[0] if isinstance(domain, Choice) else domain.low

    return config.recipe_space.draw(pick)


def known(config: StudyConfig, arch: Arch, recipe: Recipe) -> Iterator[tuple[str, Domain, Scalar]]:
    """Yield (name, domain, value) of the searched parameters of a network and its recipe whose
    values lie in the study's domains: what a sampler can learn from them.
    """
    parts = ("", config.arch_space, encode(arch)), (RECIPE, config.recipe_space, encode(recipe))
    for prefix, own_space, given in parts:
        for name, value in given.items():
            domain = own_space.domain(name)
            if value in domain and size_of(domain) != 1:
                yield prefix + name, domain, value


def domains(config: StudyConfig) -> dict[str, tuple[Domain, str]]:
    """Return domain and condition of every parameter, searched or pinned, by its name."""
    spaces: tuple[tuple[str, Space[Any]], ...] = (
        ("", config.arch_space),
        (RECIPE, config.recipe_space),
    )
    return {
        prefix + row["name"]: (own.domain(row["name"]), row["condition"])
        for prefix, own in spaces
        for row in own.table()
    }


def inside(own: Space[Any], given: Mapping[str, Scalar]) -> bool:
    """Return True if a space has a flat configuration. Raises KeyError for unknown parameters."""
    return all(value in own.domain(name) for name, value in given.items())


def space_hash(config: StudyConfig) -> str:
    """Hash the names, domains and conditions of all parameters, to detect a changed space."""
    tables = [config.arch_space.table(), config.recipe_space.table()]
    rows = [[row["name"], row["domain"], row["condition"]] for table in tables for row in table]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def derived_seed(*parts: object) -> int:
    """Derive a seed of 32 bits from all parts, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
