"""The stage that plans of its parts refer to: its number, its widths, its shared layers."""

from dataclasses import dataclass, field

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.gate_places import SomeStages
from skipsearch.searchspace.arch.gates import NoGate
from skipsearch.searchspace.assembly.plan import Call


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of `arch`; `outputs` are the channels that its blocks put out.

    `shared` holds the calls that its blocks have in common: one object is one shared module.
    """

    arch: Arch
    number: int  # from 0
    outputs: int
    shared: dict[tuple[object, ...], Call] = field(default_factory=dict)

    @property
    def inner(self) -> int:
        """Channels inside the blocks."""
        return self.arch.inner_widths[self.number]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.arch.blocks[self.number]

    @property
    def gated(self) -> bool:
        """True if the stage has the gate, at any place."""
        gate = self.arch.gate
        if isinstance(gate, NoGate):
            return False
        return not isinstance(gate.stages, SomeStages) or gate.stages.gated[self.number]

    def depth(self, block: int) -> float:
        """Return the block's relative depth in the network: above 0, and 1 for the last block."""
        before = sum(self.arch.blocks[: self.number])
        return (before + block + 1) / sum(self.arch.blocks)


def stages(arch: Arch, outputs: tuple[int, ...]) -> list[Stage]:
    """List the stages of `arch`, whose blocks have these output channels."""
    return [Stage(arch, number, width) for number, width in enumerate(outputs)]
