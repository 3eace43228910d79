"""What training asks of its device: batches on it, bf16 where it has it, the memory it used."""

import resource
import sys
from contextlib import AbstractContextManager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from skipsearch.trainers.data.arrays import STEP, Array, Images

# One copy on a GPU for all trials of a process; it goes when its Images go.
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
        if self.resident is None:
            pixels, labels = self.images.images[index], self.images.labels[index]
            return torch.from_numpy(pixels), torch.from_numpy(labels)
        on_device = torch.from_numpy(index).to(self.device, non_blocking=True)
        return self.resident[0][on_device], self.resident[1][on_device]


def resident(images: Images, device: torch.device) -> tuple[Tensor, Tensor]:
    by_device = _resident.setdefault(images, {})
    if device not in by_device:
        by_device[device] = (_moved(images.images, device), _moved(images.labels, device))
    return by_device[device]


def _moved(array: Array, device: torch.device) -> Tensor:
    """In parts: torch warns of read-only arrays, and a whole writable copy may not fit."""
    parts = (array[start : start + STEP].copy() for start in range(0, len(array), STEP))
    return torch.cat([torch.from_numpy(part).to(device) for part in parts])


def bf16_chosen(precision: str, device: torch.device) -> bool:
    """ResNet-20 at 32×32 on two AVX512-bf16 cores: 1,186 → 1,624 images/s, channels_last both
    (benchmarks/training.py). Emulated bf16 only adds casts, so `auto` asks the hardware."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def peak_memory_bytes(device: torch.device) -> int:
    """On a GPU what torch allocated at most, else the most this process ever had resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
