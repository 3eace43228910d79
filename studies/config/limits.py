"""What a network of a study costs, whether that is within its limits, and how many are."""

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
    identity: str
    params: int
    macs: int
    latency_ms: float | None = None

    def of(self, name: str) -> float:
        value: float | None = getattr(self, name)
        assert value is not None, name
        return value


@dataclass(frozen=True)
class Networks:
    """The networks of a study on the images that they are for."""

    config: StudyConfig
    classes: int
    shape: tuple[int, int, int]
    _identity: dict[Arch, str] = field(default_factory=dict)
    _cost: dict[str, Cost] = field(default_factory=dict)

    def identity(self, arch: Arch) -> str:
        """Raises ValueError with the reason where the network does not fit the images."""
        from skipsearch.searchspace.assembly.assemble import assemble
        from skipsearch.searchspace.assembly.plan import identity

        if arch not in self._identity:
            plan = assemble(arch, classes=self.classes, shape=self.shape)
            self._identity[arch] = identity(plan)
        return self._identity[arch]

    def cost(self, arch: Arch) -> Cost:
        """As `identity`; each network is counted once."""
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
        """Of one image, measured once a network on the driver's machine, beside the workers."""
        from skipsearch.searchspace.assembly.cost import latency_ms

        device = "cuda" if self.config.gpus_per_trial else "cpu"
        return latency_ms(arch, classes=self.classes, shape=self.shape, batch=1, device=device)

    def violations(self, cost: Cost) -> list[float]:
        """By which part of it each limit is exceeded; ≤ 0 where it is kept."""
        return [cost.of(name) / limit - 1 for name, limit in self.config.limits.items()]

    def over(self, cost: Cost) -> str:
        """`over limit: params 412,000 > 300,000`, or "" within all limits."""
        broken = [
            f"{name} {cost.of(name):,} > {limit:,}"
            for name, limit in self.config.limits.items()
            if cost.of(name) > limit
        ]
        return f"over limit: {', '.join(broken)}" if broken else ""


@dataclass(frozen=True)
class Sampled:
    """What random networks of a space came to."""

    drawn: int
    costs: tuple[Cost, ...]  # of those that fit the images
    within: int
    reasons: Counter[str]  # of those that do not, and of those over a limit


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
    """Raise Infeasible where none of 200 samples may be trained."""
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
