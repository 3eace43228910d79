"""Convert images to uint8 arrays of the wanted size and number of channels."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from skipsearch.trainers.data.arrays import STEP, Array

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, what Pillow's convert("L") takes
GREY_MODES = ("1", "L", "LA")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


@dataclass(frozen=True)
class Wanted:
    """The size (of a square, in pixels) and channels of the result; None keeps the images' own."""

    image_size: int | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.image_size is not None and not 1 <= self.image_size <= 4096:
            raise ValueError(f"image_size must be 1 … 4096, got {self.image_size}")
        if self.channels not in (None, 1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {self.channels}")


def converted(images: Array, wanted: Wanted) -> Array:
    """Convert uint8 images (N, H, W, C): shorter side scaled (antialiased), middle cut out."""
    size, channels = wanted.image_size, wanted.channels or images.shape[3]
    if images.shape[1:] == (size or images.shape[1], size or images.shape[2], channels):
        return np.ascontiguousarray(images)
    height, width = (size, size) if size else images.shape[1:3]
    out = np.empty((len(images), height, width, channels), np.uint8)
    for start in range(0, len(images), STEP):
        part = _recoloured(images[start : start + STEP], channels)
        out[start : start + STEP] = _resized(part, size) if size else part
    return out


def _recoloured(images: Array, channels: int) -> Array:
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return images.repeat(3, axis=3)
    return np.rint(images @ LUMA).astype(np.uint8)[..., None]


def _resized(images: Array, size: int) -> Array:
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[:, top : top + side, left : left + side].copy()  # torch warns of read-only
    x_BCHW = torch.from_numpy(square).permute(0, 3, 1, 2)
    resized = F.interpolate(x_BCHW, (size, size), mode="bilinear", antialias=True)
    result: Array = resized.permute(0, 2, 3, 1).numpy()
    return result


def from_pil(image: Image.Image, wanted: Wanted) -> Array:
    """Convert a decoded image to (H, W, C); raise ValueError for more than 8 bits per channel."""
    if image.mode in DEEP_MODES:  # Pillow would clip them at 255
        raise ValueError(f"it has mode {image.mode}: convert it to 8 bits a channel")
    channels = wanted.channels or (1 if image.mode in GREY_MODES else 3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Palette images with Transparency")
        image = image.convert("L" if channels == 1 else "RGB")
    if wanted.image_size:
        size = (wanted.image_size, wanted.image_size)
        image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    pixels: Array = np.asarray(image, np.uint8)
    return pixels.reshape(image.height, image.width, channels)


def from_tensor(image: torch.Tensor) -> Array:
    """Convert a uint8 or float (0 to 1) tensor of shape (C, H, W) or (H, W) to (H, W, C).

    Raises ValueError for another shape, type or range.
    """
    if image.ndim not in (2, 3):
        raise ValueError(f"its shape must be (C, H, W) or (H, W), got {tuple(image.shape)}")
    if image.is_floating_point():
        if not 0 <= float(image.min()) <= float(image.max()) <= 1:
            got = f"{float(image.min()):g} … {float(image.max()):g}"
            raise ValueError(f"floats must be 0 … 1, got {got}: leave out the normalisation")
        image = (image * 255).round().to(torch.uint8)
    if image.dtype != torch.uint8:
        raise ValueError(f"its type must be uint8 or float, got {image.dtype}")
    pixels: Array = image.reshape(-1, *image.shape[-2:]).permute(1, 2, 0).numpy()
    return pixels


def pixels_of(image: Any, wanted: Wanted) -> Array:
    """Convert a PIL image or a tensor to (H, W, C); raise ValueError for anything else."""
    match image:
        case Image.Image():
            return from_pil(image, wanted)
        case torch.Tensor():
            return from_tensor(image)
        case _:
            raise ValueError(f"it must be a PIL image or a tensor, got {type(image).__name__}")
