"""Devices: batches on them, bf16 where the hardware has it, the memory that was used."""

import resource
import sys
from contextlib import AbstractContextManager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from skipsearch.trainers.data.arrays import STEP, Array, Images

# One copy on a GPU for all trials of a process; it is freed with its Images.
_resident: WeakKeyDictionary[Images, dict[torch.device, tuple[Tensor, Tensor]]]
_resident = WeakKeyDictionary()


class Batches:
    """Batches by their indices: uint8 images (B, H, W, C) and labels (B,), on the device.

    On the CPU numpy gathers, so that read-only arrays stay where they are and torch sees only
    the batch. A GPU holds the whole set as uint8 and gathers there.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.device = images, device
        self.resident = None if device.type == "cpu" else resident(images, device)

    def __call__(self, index: Array) -> tuple[Tensor, Tensor]:
        """Return the images and labels with these indices."""
        if self.resident is None:
            pixels, labels = self.images.images[index], self.images.labels[index]
            return torch.from_numpy(pixels), torch.from_numpy(labels)
        on_device = torch.from_numpy(index).to(self.device, non_blocking=True)
        return self.resident[0][on_device], self.resident[1][on_device]


def resident(images: Images, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images and labels on the device, copied there once in a process."""
    by_device = _resident.setdefault(images, {})
    if device not in by_device:
        by_device[device] = (_moved(images.images, device), _moved(images.labels, device))
    return by_device[device]


def _moved(array: Array, device: torch.device) -> Tensor:
    """Copy in parts: torch warns of read-only arrays, and a whole writable copy may not fit."""
    parts = (array[start : start + STEP].copy() for start in range(0, len(array), STEP))
    return torch.cat([torch.from_numpy(part).to(device) for part in parts])


def bf16_chosen(precision: str, device: torch.device) -> bool:
    """Return True if training is to run in bf16; `auto` asks the hardware.

    Emulated bf16 only adds casts. ResNet-20 at 32×32 on two AVX512-bf16 cores: 1,186 → 1,624
    images/s, channels_last both (benchmarks/training.py).
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[object]:
    """Return torch's autocast to bfloat16, which does nothing unless `bf16`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def peak_memory_bytes(device: torch.device) -> int:
    """Return torch's peak allocation on a GPU, else the peak resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
