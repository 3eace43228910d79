"""What each block reads of each earlier output, for every kind of shortcut.

- attention and pseudo-query: the softmax weights at each pixel and head, computed again from
  queries and keys in float32, mean over images and pixels
- weighted: the mean of |w| over the channels; the newest output has weight 1
- concat: the mean of |w| of the part of the next layer's weights that reads the output's channels
  (figure 5 of DenseNet, https://arxiv.org/abs/1608.06993), which leaves out norms in between
- sum: see `carried.py`

All as shares: they sum to 1 over the sources. `raw` are the weights as they were.

Shapes: N sources, B images, G heads, D channels of a head, H, W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.blocks import Transition
from skipsearch.searchspace.layers.merge import (
    AttentionMerge,
    ConcatMerge,
    Entry,
    PseudoQueryMerge,
    WeightedMerge,
)
from skipsearch.studies.analysis.depth.consumers import Consumer
from skipsearch.studies.analysis.preserved import Handles

Shares = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Entropies are parts of log N: 1 is uniform. `entropy` is the mean over images, pixels and
    heads where there are such weights, else that of the shares.
    """

    consumer: str
    sources: tuple[str, ...]  # oldest first
    weights: Shares
    raw: tuple[float, ...]
    entropy: float
    heads: tuple[Shares, ...] = ()
    head_sds: tuple[Shares, ...] = ()  # over images and pixels: 0 where nothing depends on them
    head_entropies: tuple[float, ...] = ()

    @property
    def entropy_of_mean(self) -> float:
        return entropy(self.weights)

    @property
    def distance(self) -> float:
        """How many outputs back it reads in the mean: 1 is the newest."""
        count = len(self.weights)
        return sum((count - place) * weight for place, weight in enumerate(self.weights))

    @property
    def newest(self) -> float:
        return self.weights[-1]

    @property
    def most(self) -> int:
        """The place of the source that it reads most."""
        return self.weights.index(max(self.weights))


class Watch(Protocol):
    """A hook on what merges; `found` once batches went through."""

    def __call__(self, merge: Any, inputs: Any, output: Any, /) -> None: ...
    def found(self) -> Reading: ...


def watch(consumer: Consumer, handles: Handles) -> Watch:
    """Lays the hook."""
    made: Watch
    if isinstance(consumer.merge, AttentionMerge | PseudoQueryMerge):
        made = PixelWatch(consumer)
    else:
        made = WeightWatch(consumer)
    handles.append(consumer.merge.register_forward_hook(made))
    return made


def pixel_weights(
    merge: AttentionMerge | PseudoQueryMerge, x_BCHW: Tensor, memory: Sequence[Entry]
) -> Tensor:
    """The softmax over the sources, (N, B, G, H, W)."""
    if isinstance(merge, PseudoQueryMerge):
        return torch.stack([merge.score(entry[0].float()) for entry in memory]).softmax(0)
    q_BGDHW = torch.unflatten(merge.query(x_BCHW).float(), 1, (merge.heads, -1))
    keys = (torch.unflatten(key.float(), 1, (merge.heads, -1)) for key, _ in memory)
    scores_NBGHW = torch.stack([(q_BGDHW * k_BGDHW).sum(2) for k_BGDHW in keys])
    return torch.softmax(scores_NBGHW * q_BGDHW.shape[2] ** -0.5, 0)


def entropy(weights: Sequence[float]) -> float:
    """Of shares, as a part of the entropy of equal ones."""
    return sum(w * math.log(1 / w) for w in weights if w > 0) / math.log(len(weights))


def shares(raw: Sequence[float]) -> Shares:
    total = math.fsum(raw)
    return tuple(one / total if total else 1 / len(raw) for one in raw)


class PixelWatch:
    """Sums over images and pixels, for each head."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer, self.count = consumer, 0
        self.sums_NG: Tensor | float = 0.0
        self.squares_NG: Tensor | float = 0.0
        self.entropy_G: Tensor | float = 0.0

    def __call__(self, merge: Any, inputs: Any, _output: Any) -> None:
        x_BCHW, memory = inputs
        weights_NBGHW = pixel_weights(merge, x_BCHW, memory)
        each_BGHW = torch.special.entr(weights_NBGHW).sum(0)
        self.sums_NG = self.sums_NG + weights_NBGHW.sum((1, 3, 4), dtype=torch.float64)
        squares_NBGHW = weights_NBGHW.square()
        self.squares_NG = self.squares_NG + squares_NBGHW.sum((1, 3, 4), dtype=torch.float64)
        self.entropy_G = self.entropy_G + each_BGHW.sum((0, 2, 3), dtype=torch.float64)
        self.count += each_BGHW[:, 0].numel()

    def found(self) -> Reading:
        assert isinstance(self.sums_NG, Tensor) and isinstance(self.squares_NG, Tensor)
        assert isinstance(self.entropy_G, Tensor)
        mean_NG = self.sums_NG / self.count
        sd_NG = (self.squares_NG / self.count - mean_NG.square()).clamp(min=0).sqrt()
        entropies = (self.entropy_G / self.count / math.log(len(mean_NG))).tolist()
        weights = tuple(mean_NG.mean(1).tolist())
        return Reading(
            consumer=self.consumer.name,
            sources=self.consumer.sources,
            weights=weights,
            raw=weights,
            entropy=math.fsum(entropies) / len(entropies),
            heads=tuple(map(tuple, mean_NG.T.tolist())),
            head_sds=tuple(map(tuple, sd_NG.T.tolist())),
            head_entropies=tuple(entropies),
        )


class WeightWatch:
    """Weights that are the same for all images; only the maps' widths come with a batch."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.raw: tuple[float, ...] = ()

    def __call__(self, merge: Any, inputs: Any, _output: Any) -> None:
        if self.raw:
            return
        match merge:
            case WeightedMerge():
                self.raw = (*merge.weight.abs().mean(1).tolist(), 1.0)
            case ConcatMerge():
                self.raw = slice_means(self.consumer.next, [one[0].shape[1] for one in inputs[1]])
            case Transition():
                self.raw = slice_means(self.consumer.next, [one.shape[1] for one in inputs[0]])
            case _:
                raise AssertionError(f"{type(merge).__name__} merges in a way that has no weights")

    def found(self) -> Reading:
        weights = shares(self.raw)
        return Reading(
            consumer=self.consumer.name,
            sources=self.consumer.sources,
            weights=weights,
            raw=self.raw,
            entropy=entropy(weights),
        )


def slice_means(layer: nn.Module, widths: Sequence[int]) -> tuple[float, ...]:
    """Mean |w| of the parts of a layer's weights that read maps of `widths` channels, one after the
    other. Where space went to depth, a channel became several in its place.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    several = weight.shape[1] // sum(widths)
    parts = torch.split(weight.abs(), [several * width for width in widths], dim=1)
    return tuple(float(part.mean()) for part in parts)
