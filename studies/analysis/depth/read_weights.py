"""Compute the weight with which a block reads each earlier output, for every kind of shortcut.

- attention and pseudo-query: the softmax weights at each pixel and head, recomputed from queries
  and keys in float32, mean over images and pixels
- weighted: the mean of |w| over the channels; the newest output has weight 1
- concat: the mean of |w| over the slice of the next layer's weights that reads the output's
  channels (figure 5 of DenseNet, https://arxiv.org/abs/1608.06993); norms in between are ignored
- sum: see `residual_shares.py`

Weights are given as shares, which sum to 1 over the sources; `raw` are the weights before that.

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
    """The weights with which one consumer reads its sources.

    Entropies are divided by log N, so that 1 is uniform. `entropy` is the mean of the entropies at
    each image, pixel and head if the weights differ there, else the entropy of `weights`.
    """

    consumer: str
    sources: tuple[str, ...]  # oldest first
    weights: Shares
    raw: tuple[float, ...]
    entropy: float
    heads: tuple[Shares, ...] = ()
    head_sds: tuple[Shares, ...] = ()  # over images and pixels; 0 if the weights are constant
    head_entropies: tuple[float, ...] = ()

    @property
    def entropy_of_mean(self) -> float:
        """The entropy of `weights`, the mean over images, pixels and heads."""
        return entropy(self.weights)

    @property
    def distance(self) -> float:
        """The mean number of outputs back, weighted by the shares; 1 is the newest output."""
        count = len(self.weights)
        return sum((count - place) * weight for place, weight in enumerate(self.weights))

    @property
    def newest(self) -> float:
        """The share of the newest output."""
        return self.weights[-1]

    @property
    def most(self) -> int:
        """The index of the source with the largest share."""
        return self.weights.index(max(self.weights))


class Watch(Protocol):
    """A forward hook on a merging module; call `found` after the last batch."""

    def __call__(self, merge: Any, inputs: Any, output: Any, /) -> None:
        """Record one forward pass."""
        ...

    def found(self) -> Reading:
        """Return the reading over all passes so far."""
        ...


def watch(consumer: Consumer, handles: Handles) -> Watch:
    """Register the hook for this kind of merge."""
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
    """Return the softmax over the sources, (N, B, G, H, W)."""
    if isinstance(merge, PseudoQueryMerge):
        return torch.stack([merge.score(entry[0].float()) for entry in memory]).softmax(0)
    q_BGDHW = torch.unflatten(merge.query(x_BCHW).float(), 1, (merge.heads, -1))
    keys = (torch.unflatten(key.float(), 1, (merge.heads, -1)) for key, _ in memory)
    scores_NBGHW = torch.stack([(q_BGDHW * k_BGDHW).sum(2) for k_BGDHW in keys])
    return torch.softmax(scores_NBGHW * q_BGDHW.shape[2] ** -0.5, 0)


def entropy(weights: Sequence[float]) -> float:
    """Σ w log(1/w) / log N of N shares: 1 if they are equal, 0 if one has all."""
    return sum(w * math.log(1 / w) for w in weights if w > 0) / math.log(len(weights))


def shares(raw: Sequence[float]) -> Shares:
    """Divide by the sum; equal shares if the sum is 0."""
    total = math.fsum(raw)
    return tuple(one / total if total else 1 / len(raw) for one in raw)


class PixelWatch:
    """Accumulate weights that differ by pixel: sums over images and pixels for each head."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer, self.count = consumer, 0
        self.sums_NG: Tensor | float = 0.0
        self.squares_NG: Tensor | float = 0.0
        self.entropy_G: Tensor | float = 0.0

    def __call__(self, merge: Any, inputs: Any, _output: Any) -> None:
        """Add the weights of one batch."""
        x_BCHW, memory = inputs
        weights_NBGHW = pixel_weights(merge, x_BCHW, memory)
        each_BGHW = torch.special.entr(weights_NBGHW).sum(0)
        self.sums_NG = self.sums_NG + weights_NBGHW.sum((1, 3, 4), dtype=torch.float64)
        squares_NBGHW = weights_NBGHW.square()
        self.squares_NG = self.squares_NG + squares_NBGHW.sum((1, 3, 4), dtype=torch.float64)
        self.entropy_G = self.entropy_G + each_BGHW.sum((0, 2, 3), dtype=torch.float64)
        self.count += each_BGHW[:, 0].numel()

    def found(self) -> Reading:
        """Return mean, deviation and entropy of the weights, by head and overall."""
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
    """Read weights that are the same for all images, at the first batch, which gives the widths of
    the merged maps.
    """

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.raw: tuple[float, ...] = ()

    def __call__(self, merge: Any, inputs: Any, _output: Any) -> None:
        """Read the weights at the first batch."""
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
        """Return the weights as shares."""
        weights = shares(self.raw)
        return Reading(
            consumer=self.consumer.name,
            sources=self.consumer.sources,
            weights=weights,
            raw=self.raw,
            entropy=entropy(weights),
        )


def slice_means(layer: nn.Module, widths: Sequence[int]) -> tuple[float, ...]:
    """Return the mean |w| of each slice of a layer's weights, the slices reading adjacent maps of
    `widths` channels. After space-to-depth, a channel counts several times in its place.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    several = weight.shape[1] // sum(widths)
    parts = torch.split(weight.abs(), [several * width for width in widths], dim=1)
    return tuple(float(part.mean()) for part in parts)
