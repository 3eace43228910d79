"""A network without its head: the features of its stages, for detectors and other readers."""

from collections.abc import Sequence

from torch import Tensor, nn


class Backbone(nn.Module):
    """Feature maps by name, {"1": map, "2": map, …}: of these stages, 0 being the stem.

    Takes the network's head off. `channels` are those of the maps in the same order, as
    torchvision's `FeaturePyramidNetwork` asks for; `out_channels` are the last one's, as its
    detectors ask for of a backbone with one map.
    """

    def __init__(self, network: nn.Module, stages: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        network.head = nn.Identity()
        self.network, self.stages = network, tuple(stages)
        self.channels, self.out_channels = list(channels), channels[-1]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features: list[Tensor] = self.network.forward_features(x)  # type: ignore[operator]
        return {str(stage): features[stage] for stage in self.stages}
