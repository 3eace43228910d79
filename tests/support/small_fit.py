"""Short trainings of a small network on few images."""

from dataclasses import replace

from torch import Tensor, nn

from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.loop.fit import Epoch, seeded
from skipsearch.trainers.recipe.presets import RECIPES

SHORT = replace(RECIPES["short"], epochs=4, batch_size=64, precision="fp32")


def network(data: Data, seed: int = 0) -> nn.Module:
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(data.channels, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(128, data.num_classes),
        )


def timeless(epoch: Epoch) -> Epoch:
    return replace(epoch, seconds=0.0, images_per_second=0.0, peak_memory_bytes=0)


class Exploding(nn.Module):
    """A network whose logits become `value` in the `at`-th forward pass of its training."""

    def __init__(self, model: nn.Module, at: int, value: float) -> None:
        super().__init__()
        self.model, self.at, self.value, self.seen = model, at, value, 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += self.training
        logits: Tensor = self.model(x)
        return logits * self.value if self.training and self.seen == self.at else logits
