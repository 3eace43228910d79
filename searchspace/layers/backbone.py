"""A network without its head: the features of its stages, for detectors and other readers."""

from collections.abc import Sequence

from torch import Tensor, nn


class Backbone(nn.Module):
    """The feature maps of some stages by name, {"1": map, "2": map, …}; stage 0 is the stem.

    Takes the network's head off. `channels` are those of the maps in the same order, as
    torchvision's `FeaturePyramidNetwork` expects; `out_channels` are the last map's, as its
    detectors expect of a backbone with one map.
    """

    def __init__(self, network: nn.Module, stages: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        network.head = nn.Identity()
        self.network, self.stages = network, tuple(stages)
        self.channels, self.out_channels = list(channels), channels[-1]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features: list[Tensor] = self.network.forward_features(x)  # type: ignore[operator]
        return {str(stage): features[stage] for stage in self.stages}
