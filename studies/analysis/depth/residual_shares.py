"""What a block of a residual network reads of each earlier output: shares carried by its sums.

At each block, output = s + b, the skip's part s and the branch's part b. The branch's share is
f = mean over images and pixels of |b| / (|b| + |s|), L2 over channels. What comes to a block then
consists of the output of block i to f_i · Π_j (1 − f_j), j being the blocks between, and of the
stem's to Π_j (1 − f_j). These sum to 1.

`raw` has f of each block, and 1 for the stem.

An estimate: norms add up only where parts do not cancel; activations, projections and gates after
a block are taken to leave the shares as they are. The twin of this in an attention shortcut are its
weights, so that both can be laid side by side.
"""

from typing import Any

import torch
from torch import Tensor, nn

from skipsearch.studies.analysis.depth.consumers import CLASSIFIER
from skipsearch.studies.analysis.depth.read_weights import Reading, Shares, entropy
from skipsearch.studies.analysis.preserved import Handles


class JoinWatch:
    """A hook on `add(skip, branch)` of a block, of which the branch's share is summed."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count: Tensor | int = 0

    def __call__(self, add: nn.Module, inputs: Any, output: Tensor) -> None:
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
        """0 where both parts were zero everywhere."""
        return float(self.total) / max(1, int(self.count))


class Carried:
    """Hooks on all blocks, by name in their order; one without a skip passes its branch alone."""

    def __init__(self, blocks: dict[str, nn.Module], handles: Handles) -> None:
        self.joins: dict[str, JoinWatch | None] = {}
        for name, block in blocks.items():
            add = getattr(block, "add", None)
            self.joins[name] = None if add is None else JoinWatch()
            if add is not None:
                handles.append(add.register_forward_hook(self.joins[name]))

    def found(self) -> tuple[Reading, ...]:
        """Of every block but the first, which reads the stem alone, and of the classifier."""
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
    """The shares of the stem and of each block in the last one's output, from the branches' shares
    f.
    """
    found, rest = [], 1.0
    for share in reversed(branches):
        found.append(rest * share)
        rest *= 1 - share
    return (rest, *reversed(found))
