"""Whole networks: stem, stages, head. Images (B, C, H, W) in, logits (B, classes) out."""

from torch import Tensor, nn

from skipsearch.searchspace.layers.initialise import INITIALISATIONS
from skipsearch.searchspace.layers.merge import Entry
from skipsearch.searchspace.layers.pooling import spatial_mean


class PoolHead(nn.Module):
    """classifier(mean(pool(x))): x the last features, the mean over all positions."""

    def __init__(self, channels: int, classes: int, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool
        self.classifier = nn.Linear(channels, classes)

    def forward(self, features: list[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(spatial_mean(self.pool(features[-1])))
        return logits


class Network(nn.Module):
    """head(stages(stem(x))); `init` names the initial weights."""

    def __init__(
        self, stem: nn.Module, stages: list[nn.Module], head: nn.Module, init: str
    ) -> None:
        super().__init__()
        self.stem, self.stages, self.head = stem, nn.ModuleList(stages), head
        INITIALISATIONS[init](self)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the output of the stem and of each stage."""
        features = [self.stem(x)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(x))
        return logits


class MergeNetwork(nn.Module):
    """A network whose steps read a merge of all earlier outputs.

    `read` makes what the head reads; `init` names the initial weights.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: list[nn.Module],
        read: nn.Module,
        head: nn.Module,
        init: str,
    ) -> None:
        super().__init__()
        self.stem, self.stages, self.read, self.head = stem, nn.ModuleList(stages), read, head
        INITIALISATIONS[init](self)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the output of the stem and of each stage; the last one as the head reads it."""
        memory: list[Entry] = []
        features = [x := self.stem(x)]
        for stage in self.stages:
            x, memory = stage(x, memory)
            features.append(x)
        features[-1], _ = self.read(x, memory)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(x))
        return logits
