"""Write image folders, MNIST files and a module with a data set for a test."""

import struct
from pathlib import Path

from PIL import Image


def write_folder(
    root: Path, counts: dict[str, int], size: tuple[int, int] = (12, 10), mode: str = "RGB"
) -> Path:
    """Write `counts` images into each sub-folder, of (width, height) `size` and distinct greys."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image = Image.new("RGB", size, (i, number, 7)).convert(mode)
            image.save(root / name / f"{i:03}.png")
    return root


def write_mnist(root: Path, train: int, test: int) -> Path:
    """Write the four files of MNIST, in which all images are the same."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", test)):
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(count * 784))
        labels = bytes(i % 10 for i in range(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels)
    return root


MODULE = """
import torch
from torch.utils.data import TensorDataset

def images(n=40, shape=(1, 6, 5)):
    return (torch.arange(n).reshape(n, 1, 1, 1) % 200).expand(n, *shape).to(torch.uint8)

def labels(n=40):
    return torch.arange(n) % 4

test = TensorDataset(images(8), labels(8))
def good(): return TensorDataset(images(), labels()), test
def floats(): return TensorDataset(images() / 255, labels()), test
def normalised(): return TensorDataset(images() - 0.5, labels()), test
def gaps(): return TensorDataset(images(), labels() + 1), test
def negative(): return TensorDataset(images(), labels() - 1), test
def beyond(): return TensorDataset(images(), labels()), TensorDataset(images(8), labels(8) + 2)
def empty(): return TensorDataset(images(0), labels(0)), test
def halves(): return TensorDataset(images(), labels() / 2), test
def shapes(): return [(images()[0], 0), (images(shape=(1, 5, 5))[0], 1)], test
def alone(): return TensorDataset(images(), labels())
def lists(): return [("no image", 0)], test
"""
