"""Whole networks: stem, stages, head. Images (B, C, H, W) in, logits (B, classes) out."""

from torch import Tensor, nn

from searchspace.layers.merge import Entry


class PoolHead(nn.Module):
    """A linear layer on the mean over all positions of the last features."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, features: list[Tensor]) -> Tensor:
        logits: Tensor = self.classifier(features[-1].mean((2, 3)))
        return logits


class Network(nn.Module):
    """Stages one after the other. Every convolution and linear layer starts Kaiming-normal."""

    def __init__(self, stem: nn.Module, stages: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.stages, self.head = stem, nn.ModuleList(stages), head
        self.apply(initialise)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The output of the stem and of each stage."""
        features = [self.stem(x)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(x))
        return logits


class MergeNetwork(nn.Module):
    """Stages of steps that read a merge of everything before; `read` is what the head sees.

    Every convolution and linear layer starts Kaiming-normal.
    """

    def __init__(
        self, stem: nn.Module, stages: list[nn.ModuleList], read: nn.Module, head: nn.Module
    ) -> None:
        super().__init__()
        self.stem, self.stages, self.read, self.head = stem, nn.ModuleList(stages), read, head
        self.apply(initialise)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The output of the stem and of each stage; the last one as the head reads it."""
        memory: list[Entry] = []
        features = [x := self.stem(x)]
        for stage in self.stages:
            for step in stage:  # type: ignore[attr-defined]
                x, memory = step(x, memory)
            features.append(x)
        features[-1], _ = self.read(x, memory)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(x))
        return logits


def initialise(module: nn.Module) -> None:
    """Weights N(0, 2/fan_out) (https://arxiv.org/abs/1502.01852); biases as torch has them.

    Weights on the meta device hold nothing to draw; to try took a quarter of the time of a count.
    """
    if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.is_meta:
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
