"""Evaluate a model: loss and error over one part of the data."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.loop.augment import normalise
from skipsearch.trainers.loop.device import Batches, autocast

# Pixels of a batch on a GPU (512 images of 32×32) and on a CPU (128 such images, as in training,
# whose memory then is enough: with 512, 25 networks took up to 2.2 GiB where training had taken
# 1.3, and 29 % more time).
PIXELS, PIXELS_CPU = 2**19, 2**17
Prepare = Callable[[Tensor], Tensor]  # uint8 (B, H, W, C) → what the network sees


def evaluate(
    model: nn.Module, data: Data, part: Literal["train", "validation", "test"], *, bf16: bool
) -> tuple[float, float]:
    """Evaluate a model on one part of the data, without augmentation, on the model's device.

    Returns
    -------
    tuple of float
        Mean cross-entropy, and the fraction of wrong answers, 0 to 1.

    Examples
    --------
    >>> loss, error = evaluate(model, data, "validation", bf16=False)
    """

    def plain(images_BHWC: Tensor) -> Tensor:
        return normalise(images_BHWC, data.mean, data.std)

    return evaluate_as(plain, model, getattr(data, part), bf16=bf16)


def evaluate_as(
    prepare: Prepare, model: nn.Module, images: Images, *, bf16: bool
) -> tuple[float, float]:
    """Evaluate as `evaluate` does, on images that `prepare` turns into what the model sees."""
    device = next(model.parameters()).device
    loss = torch.zeros((), device=device)
    wrong = torch.zeros((), device=device, dtype=torch.int64)
    for logits_BK, label_B in answers(prepare, model, images, bf16=bf16):
        loss += F.cross_entropy(logits_BK, label_B, reduction="sum")
        wrong += (logits_BK.argmax(1) != label_B).sum()
    return float(loss) / len(images), int(wrong) / len(images)


def answers(
    prepare: Prepare, model: nn.Module, images: Images, *, bf16: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits (B, K) in float32 and labels (B,), batch by batch in the order of the images."""
    device = next(model.parameters()).device
    batches = Batches(images, device)
    count = batch_size(images, device)
    model.eval()
    for start in range(0, len(images), count):
        index = np.arange(start, min(start + count, len(images)))
        # not inference_mode: a table that a layer caches there could not be trained with afterwards
        with torch.no_grad():
            images_BHWC, label_B = batches(index)
            x_BCHW = prepare(images_BHWC)
            with autocast(device, bf16):
                logits_BK = model(x_BCHW)
            yield logits_BK.float(), label_B


def batch_size(images: Images, device: torch.device) -> int:
    """Return the batch size of evaluation, bounded by the pixels of a batch."""
    height, width = images.images.shape[1:3]
    pixels = PIXELS_CPU if device.type == "cpu" else PIXELS
    return max(1, pixels // int(height * width))
