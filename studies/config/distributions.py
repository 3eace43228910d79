"""Domains of parameters as Optuna stores them, and back."""

import optuna
from optuna.distributions import BaseDistribution

from skipsearch.searchspace.parameters.domains import Choice, Domain, Floats, Integers


def distribution(domain: Domain) -> BaseDistribution:
    """Convert a domain to Optuna's distribution."""
    match domain:
        case Choice(values):
            return optuna.distributions.CategoricalDistribution(values)
        case Integers(low, high, step):
            return optuna.distributions.IntDistribution(low, high, step=step)
        case Floats(low, high, log):
            return optuna.distributions.FloatDistribution(low, high, log=log)


def domain(kind: BaseDistribution) -> Domain:
    """Convert Optuna's distribution to a domain, the inverse of `distribution`."""
    match kind:
        case optuna.distributions.CategoricalDistribution():
            return Choice(tuple(one for one in kind.choices if one is not None))
        case optuna.distributions.IntDistribution():
            return Integers(kind.low, kind.high, kind.step)
        case optuna.distributions.FloatDistribution():
            return Floats(kind.low, kind.high, kind.log)
    raise AssertionError(kind)
