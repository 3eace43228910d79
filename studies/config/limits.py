"""Costs of a study's networks, its limits on them, and how many random networks keep these."""

import random
from collections import Counter
from dataclasses import dataclass, field

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.studies.config.study_config import StudyConfig

SAMPLES = 200


class Infeasible(Exception):
    """No network of the space is within the limits, as far as samples can tell."""


@dataclass(frozen=True)
class Cost:
    """The costs of a network; `latency_ms` only where an objective or a limit needs it."""

    identity: str
    params: int
    macs: int
    latency_ms: float | None = None

    def of(self, name: str) -> float:
        """Return the cost of this name, which must have been measured."""
        value: float | None = getattr(self, name)
        assert value is not None, name
        return value


@dataclass(frozen=True)
class Networks:
    """Identity and costs of a study's networks for its images; each network is counted once."""

    config: StudyConfig
    classes: int
    shape: tuple[int, int, int]
    _identity: dict[Arch, str] = field(default_factory=dict)
    _cost: dict[str, Cost] = field(default_factory=dict)

    def identity(self, arch: Arch) -> str:
        """Hash the network that is built. Raises ValueError where it does not fit the images."""
        from skipsearch.searchspace.assembly.assemble import assemble
        from skipsearch.searchspace.assembly.plan import identity

        if arch not in self._identity:
            plan = assemble(arch, classes=self.classes, shape=self.shape)
            self._identity[arch] = identity(plan)
        return self._identity[arch]

    def cost(self, arch: Arch) -> Cost:
        """Return the costs of a network. Raises ValueError where it does not fit the images."""
        key = self.identity(arch)
        if key not in self._cost:
            self._cost[key] = self._counted(arch)
        return self._cost[key]

    def _counted(self, arch: Arch) -> Cost:
        from skipsearch.searchspace.assembly.cost import describe

        described = describe(arch, classes=self.classes, shape=self.shape)
        timed = "latency_ms" in (*self.config.objectives, *self.config.limits)
        latency = self._latency_ms(arch) if timed else None
        return Cost(described.identity, described.params, described.macs, latency)

    def _latency_ms(self, arch: Arch) -> float:
        """Measure the latency of one image on the driver's machine, while workers train."""
        from skipsearch.searchspace.assembly.cost import latency_ms

        device = "cuda" if self.config.gpus_per_trial else "cpu"
        return latency_ms(arch, classes=self.classes, shape=self.shape, batch=1, device=device)

    def violations(self, cost: Cost) -> list[float]:
        """Return `cost / limit − 1` for each limit; ≤ 0 where the limit is kept."""
        return [cost.of(name) / limit - 1 for name, limit in self.config.limits.items()]

    def over(self, cost: Cost) -> str:
        """Return `over limit: params 412,000 > 300,000`, or "" within all limits."""
        broken = [
            f"{name} {cost.of(name):,} > {limit:,}"
            for name, limit in self.config.limits.items()
            if cost.of(name) > limit
        ]
        return f"over limit: {', '.join(broken)}" if broken else ""


@dataclass(frozen=True)
class Sampled:
    """Counts and costs of random networks of a space."""

    drawn: int
    costs: tuple[Cost, ...]  # of the networks that fit the images
    within: int  # networks that keep all limits
    reasons: Counter[str]  # why networks do not fit, and which limits they exceed


def sample(networks: Networks, *, samples: int = SAMPLES, enough: int | None = None) -> Sampled:
    """Draw networks with a fixed seed; stop early at `enough` of them within the limits."""
    rng = random.Random(networks.config.seed)
    costs: list[Cost] = []
    reasons: Counter[str] = Counter()
    within = drawn = 0
    for _ in range(samples):
        drawn += 1
        try:
            cost = networks.cost(networks.config.arch_space.sample(rng))
        except ValueError as error:
            reasons[f"does not fit: {error}"] += 1
            continue
        costs.append(cost)
        for name, limit in networks.config.limits.items():
            reasons[f"over {name} {limit:,}"] += cost.of(name) > limit
        within += not networks.over(cost)
        if within == enough:
            break
    return Sampled(drawn, tuple(costs), within, +reasons)


def require_feasible(networks: Networks) -> None:
    """Raise Infeasible if none of 200 sampled networks fits the images and keeps all limits."""
    sampled = sample(networks, enough=1)
    if sampled.within:
        return
    if not sampled.costs:
        reason = sampled.reasons.most_common(1)[0][0]
        raise Infeasible(f"none of {sampled.drawn} sampled networks fits the images: {reason}")
    least = ", ".join(
        f"{name} ≤ {limit:,} (least drawn: {min(c.of(name) for c in sampled.costs):,})"
        for name, limit in networks.config.limits.items()
    )
    raise Infeasible(
        f"{networks.config.where} [limits] none of {sampled.drawn} sampled networks keeps {least}: "
        "raise a limit or narrow [space] to smaller networks"
    )
