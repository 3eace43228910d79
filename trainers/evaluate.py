"""Loss and error of a model over one part of the data, without augmentation."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from trainers.augment import normalise
from trainers.data import Data, Images
from trainers.device import Batches, autocast

PIXELS = 2**19  # of a batch, 512 images of 32×32


def evaluate(
    model: nn.Module, data: Data, part: Literal["train", "validation", "test"], *, bf16: bool
) -> tuple[float, float]:
    """(cross-entropy, part of the images that are wrong), on the device of the model."""
    images: Images = getattr(data, part)
    device = next(model.parameters()).device
    batches = Batches(images, device)
    height, width = data.image_size
    count = max(1, PIXELS // (height * width))
    loss = torch.zeros((), device=device)
    wrong = torch.zeros((), device=device, dtype=torch.int64)
    model.eval()
    # not inference_mode: a table that a layer caches there could not be trained with afterwards
    with torch.no_grad():
        for start in range(0, len(images), count):
            index = np.arange(start, min(start + count, len(images)))
            images_BHWC, label_B = batches(index)
            with autocast(device, bf16):
                logits_BK = model(normalise(images_BHWC, data.mean, data.std))
            logits_BK = logits_BK.float()
            loss += F.cross_entropy(logits_BK, label_B, reduction="sum")
            wrong += (logits_BK.argmax(1) != label_B).sum()
    return float(loss) / len(images), int(wrong) / len(images)
