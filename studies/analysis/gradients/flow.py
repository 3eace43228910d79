"""Measure the gradient of the loss at every layer and stage of a network in training mode.

For every layer with parameters of its own: the gradient of the mean cross-entropy with respect to
the layer's *output*, over n batches, without any update (GradAttn, arXiv 2603.26756, gradient flow;
the figures depend on the batch size). For every stage: the distribution of |dL/d(output)| over all
elements (DIA, arXiv 2210.16101, figure 9).

What differs from GradAttn: norms and gates count as layers, not only convolutions and linear ones
(`kind` tells them apart); full backward pre-hooks, which no fused or in-place operation evades and
which also fire for layers whose input needs no gradient. The outputs of a layer that is used more
than once are pooled.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipsearch.searchspace.assembly.parts import count_params
from skipsearch.studies.analysis.preserved import Handles, undisturbed
from skipsearch.studies.analysis.progress_bar import Track, untracked
from skipsearch.studies.analysis.subject import Subject
from skipsearch.trainers.loop.fit import seeded

Kind = Literal["convolution", "linear", "norm", "other"]
LOWEST, HIGHEST, PER_DECADE = -14, 4, 5  # bins of log10 |g|
BINS = (HIGHEST - LOWEST) * PER_DECADE


@dataclass(frozen=True, kw_only=True)
class LayerGradient:
    """The gradient at one layer's output.

    Norms are L2 norms over all elements of a batch; mean and deviation are over the batches. `norm`
    is None if no gradient reached the layer.
    """

    name: str
    kind: Kind
    params: int
    batches: int  # in which a gradient reached the layer
    norm: float | None
    norm_sd: float = math.nan
    norm_min: float = math.nan
    norm_max: float = math.nan
    mean_abs: float = math.nan  # mean over the batches of mean |g|; so are sd of g and max |g|
    sd: float = math.nan
    max_abs: float = math.nan

    @property
    def spread(self) -> float:
        """norm_max / (norm_min + 1e-8), as in the paper."""
        return self.norm_max / (self.norm_min + 1e-8)


@dataclass(frozen=True, kw_only=True)
class StageGradient:
    """The distribution of |dL/d(output)| of a stage over all elements that are not zero: `counts`
    in bins of log10 from LOWEST to HIGHEST; the first and last bin include what lies beyond.
    """

    name: str
    elements: int
    zeros: int
    mean_abs: float
    counts: tuple[int, ...]

    def quantile(self, q: float) -> float:
        """Return the q-quantile of the elements that are not zero, to a bin's width; nan if all are
        zero.
        """
        reached, wanted = 0, q * sum(self.counts)
        for number, count in enumerate(self.counts):
            reached += count
            if count and reached >= wanted:
                return float(10 ** (LOWEST + (number + 0.5) / PER_DECADE))
        return math.nan


@dataclass(frozen=True, kw_only=True)
class GradientFlow:
    """The gradients of a network's layers and stages, and how they were measured."""

    target: str
    trained: bool
    params: int
    dataset: str
    part: str
    batches: int
    images: int
    seed: int
    loss: float  # mean over the batches, in training mode
    layers: tuple[LayerGradient, ...]
    stages: tuple[StageGradient, ...]


@dataclass
class _Batch:
    """Accumulates the gradient at one layer's outputs within one batch."""

    squares: float = 0.0
    absolute: float = 0.0
    total: float = 0.0
    count: int = 0
    largest: float = 0.0

    def add(self, gradient: Tensor) -> None:
        g = gradient.detach().double() if gradient.device.type == "cpu" else gradient.float()
        size = g.abs()
        sums = torch.stack([g.square().sum(), size.sum(), g.sum(), size.amax()]).tolist()
        self.squares += sums[0]
        self.absolute += sums[1]
        self.total += sums[2]
        self.largest = max(self.largest, sums[3])
        self.count += g.numel()

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """(norm, mean |g|, standard deviation of g, max |g|)."""
        mean = self.total / self.count
        variance = max(0.0, self.squares / self.count - mean**2)
        return math.sqrt(self.squares), self.absolute / self.count, variance**0.5, self.largest


@dataclass
class _Running:
    """Accumulates one layer's `_Batch.figures` over the batches."""

    batches: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)
    squares: float = 0.0
    least: float = math.inf
    most: float = 0.0

    def add(self, batch: _Batch) -> None:
        figures = batch.figures
        self.batches += 1
        self.sums = [a + b for a, b in zip(self.sums, figures, strict=True)]
        self.squares += figures[0] ** 2
        self.least, self.most = min(self.least, figures[0]), max(self.most, figures[0])


class Recorder:
    """Hooks on all layers and stages of a network that accumulate gradients; call `end` after each
    batch.
    """

    def __init__(self, network: nn.Module, handles: Handles) -> None:
        self.layers = parametric_layers(network)
        self._batch: dict[str, _Batch] = {}
        self._running = {name: _Running() for name in self.layers}
        stages: Any = network.stages
        self.stages = {f"stage {number + 1}": _Stage() for number in range(len(stages))}
        for name, layer in self.layers.items():
            handles.append(layer.register_full_backward_pre_hook(partial(self._came, name)))
        for stage, own in zip(stages, self.stages.values(), strict=True):
            handles.append(stage.register_forward_hook(own.watch))

    def _came(self, name: str, _layer: nn.Module, outputs: Any) -> None:
        for gradient in outputs if isinstance(outputs, tuple) else (outputs,):
            if gradient is not None:
                self._batch.setdefault(name, _Batch()).add(gradient)

    def end(self) -> None:
        """Close the batch: add its figures to the running ones."""
        for name, batch in self._batch.items():
            self._running[name].add(batch)
        self._batch.clear()

    def found(self) -> tuple[LayerGradient, ...]:
        """Return the figures of every layer, in the order of the modules."""
        return tuple(
            _layer(name, self.layers[name], running) for name, running in self._running.items()
        )


class _Stage:
    """Accumulates the distribution of the gradient at a stage's output."""

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.int64)
        self.elements = self.zeros = 0
        self.absolute = 0.0

    def watch(self, _stage: nn.Module, _inputs: Any, output: Any) -> None:
        """Forward hook: watch the output, not the memory that a stage may return beside it."""
        x = output[0] if isinstance(output, tuple) else output
        if x.requires_grad:
            x.register_hook(self.add)

    def add(self, gradient: Tensor) -> None:
        size = gradient.detach().float().abs().flatten()
        some = size[size > 0]
        place = ((some.log10() - LOWEST) * PER_DECADE).floor().clamp(0, BINS - 1).long()
        self.counts += torch.bincount(place, minlength=BINS).cpu()
        self.elements += size.numel()
        self.zeros += size.numel() - some.numel()
        self.absolute += float(size.sum(dtype=torch.float64))

    def found(self, name: str) -> StageGradient:
        mean = self.absolute / self.elements if self.elements else math.nan
        counts = tuple(map(int, self.counts))
        return StageGradient(
            name=name, elements=self.elements, zeros=self.zeros, mean_abs=mean, counts=counts
        )


def parametric_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules with trainable parameters of their own, each once, by name, in order."""
    return {
        name: module
        for name, module in network.named_modules()
        if any(p.requires_grad for p in module.parameters(recurse=False))
    }


@contextmanager
def hooks_on_constants() -> Iterator[None]:
    """Silence the warning of torch up to 2.12 about hooks on a layer that gets constants alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
        yield


def gradient_flow(
    subject: Subject,
    *,
    batches: int = 20,
    batch_size: int = 128,
    seed: int = 0,
    track: Track = untracked,
) -> GradientFlow:
    """Measure the gradients over `batches` random batches of the subject's images.

    `seed` determines the batches and every dropout. The network is left as it was.
    """
    drawn = subject.batches(batch_size, batches, seed)
    network, losses = subject.network, []
    with (
        undisturbed(network) as handles,
        seeded(seed, subject.device),
        torch.enable_grad(),
        hooks_on_constants(),
    ):
        recorder = Recorder(network.train(), handles)
        for x_BCHW, label_B in track(drawn, f"gradients of {subject.name}"):
            loss = F.cross_entropy(network(x_BCHW), label_B)
            loss.backward()  # type: ignore[no-untyped-call]
            recorder.end()
            losses.append(loss.item())
        found, stages = recorder.found(), recorder.stages
    return GradientFlow(
        target=subject.name,
        trained=subject.trained,
        params=count_params(network),
        dataset=subject.dataset,
        part=subject.part,
        batches=len(losses),
        images=drawn.images,
        seed=seed,
        loss=math.fsum(losses) / len(losses),
        layers=found,
        stages=tuple(own.found(name) for name, own in stages.items()),
    )


def _layer(name: str, layer: nn.Module, running: _Running) -> LayerGradient:
    n = running.batches
    params = sum(p.numel() for p in layer.parameters(recurse=False))
    about: Mapping[str, Any] = {"name": name, "kind": kind(layer), "params": params, "batches": n}
    if not n:
        return LayerGradient(**about, norm=None)
    norm, mean_abs, sd, largest = (one / n for one in running.sums)
    return LayerGradient(
        **about,
        norm=norm,
        norm_sd=math.sqrt(max(0.0, running.squares / n - norm**2)),
        norm_min=running.least,
        norm_max=running.most,
        mean_abs=mean_abs,
        sd=sd,
        max_abs=largest,
    )


def kind(layer: nn.Module) -> Kind:
    """Classify a layer; "other" are gates, merges and other modules of our own."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return "convolution"
    if isinstance(layer, nn.Linear):
        return "linear"
    return "norm" if "Norm" in type(layer).__name__ else "other"
