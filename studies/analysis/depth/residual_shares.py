"""Estimate the share of each earlier output in the input of a residual block, from its sums.

At each block, output = s + b, with the skip s and the branch b. The branch's share is
f = mean over images and pixels of |b| / (|b| + |s|), L2 over channels. The share of block i in the
input of a later block is then f_i · Π_j (1 − f_j), with j running over the blocks in between, and
that of the stem Π_j (1 − f_j). These sum to 1.

`raw` holds f of each block, and 1 for the stem.

It is an estimate: norms add up only if the parts do not cancel, and activations, projections and
gates after a block are assumed to keep the shares. The weights of an attention shortcut are the
counterpart, so that the two can be compared side by side.
"""

from typing import Any

import torch
from torch import Tensor, nn

from skipsearch.studies.analysis.depth.consumers import CLASSIFIER
from skipsearch.studies.analysis.depth.read_weights import Reading, Shares, entropy
from skipsearch.studies.analysis.preserved import Handles


class JoinWatch:
    """A forward hook on `add(skip, branch)` of a block that accumulates the branch's share."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count: Tensor | int = 0

    def __call__(self, add: nn.Module, inputs: Any, output: Tensor) -> None:
        """Add the shares of one batch."""
        skip, branch = inputs
        skipped = add.forward(skip, torch.zeros_like(branch))  # without this hook
        b_BHW, s_BHW = (x.float().norm(dim=1) for x in (output - skipped, skipped))
        both_BHW = b_BHW + s_BHW
        some_BHW = both_BHW > 0
        share_BHW = torch.where(some_BHW, b_BHW / both_BHW.clamp(min=1e-30), 0.0)
        self.total = self.total + share_BHW.sum(dtype=torch.float64)
        self.count = self.count + some_BHW.sum()

    @property
    def share(self) -> float:
        """The mean share f; 0 if skip and branch were zero everywhere."""
        return float(self.total) / max(1, int(self.count))


class Carried:
    """Hooks on all blocks, by name and in order; a block without a skip has f = 1."""

    def __init__(self, blocks: dict[str, nn.Module], handles: Handles) -> None:
        self.joins: dict[str, JoinWatch | None] = {}
        for name, block in blocks.items():
            add = getattr(block, "add", None)
            self.joins[name] = None if add is None else JoinWatch()
            if add is not None:
                handles.append(add.register_forward_hook(self.joins[name]))

    def found(self) -> tuple[Reading, ...]:
        """Return the readings of every block and of the classifier, but for the first block, which
        reads the stem alone.
        """
        branches = [1.0 if one is None else one.share for one in self.joins.values()]
        names, readings = [*self.joins, CLASSIFIER], list[Reading]()
        for count in range(1, len(names)):
            weights = carried(branches[:count])
            reading = Reading(
                consumer=names[count],
                sources=("stem", *names[:count]),
                weights=weights,
                raw=(1.0, *branches[:count]),
                entropy=entropy(weights),
            )
            readings.append(reading)
        return tuple(readings)


def carried(branches: list[float]) -> Shares:
    """Return the shares of the stem and of each block in the last block's output, given f of each
    block.
    """
    found, rest = [], 1.0
    for share in reversed(branches):
        found.append(rest * share)
        rest *= 1 - share
    return (rest, *reversed(found))
