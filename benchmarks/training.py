"""Measure images per second of `trainers.loop.fit` against the ordinary recipe.

    python benchmarks/training.py [--data folder:PATH] [--images 2560] [--rounds 5] [--json]

The ordinary recipe is that of most tutorials: a torchvision data set of PIL images, RandomCrop with
4 pixels of padding, flip, ToTensor, Normalize, a DataLoader (with 0 and with 2 workers; the better
of the two counts), fp32, contiguous memory, `loss.item()` after every step. Both train the preset
`cnntention/resnet20` with SGD on the same images in batches of 128.

Each contestant runs in a process of its own, as in use: in one process they would share the heap,
whose thresholds one contestant's frees change for all. In each round every contestant trains one
epoch in turn, so that other load on the machine affects all of them; figures are medians over the
rounds. The first round is warm-up.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from skipsearch import searchspace
from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.data.datasets import load
from skipsearch.trainers.loop.fit import fit, seeded
from skipsearch.trainers.loop.memory import keep_freed
from skipsearch.trainers.recipe.recipe import Recipe

BAR = 2.5  # on 2 CPU cores


class Pictures(Dataset[tuple[Tensor, int]]):
    """A data set like torchvision's CIFAR10: an array, a PIL image for each item, a transform."""

    def __init__(self, data: Data) -> None:
        self.images, self.labels = data.train.images, data.train.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(data.image_size, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(data.mean, data.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
        return self.transform(picture), self.labels[index]


def ordinary(data: Data, recipe: Recipe, workers: int) -> Iterator[float]:
    """Yield the images per second of one epoch after another, by the ordinary recipe."""
    model = made(data)
    loader = DataLoader(
        Pictures(data),
        recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    optimizer = torch.optim.SGD(model.parameters(), recipe.lr, 0.9, weight_decay=1e-4)
    model.train()
    while True:
        start, seen, total = time.perf_counter(), 0, 0.0
        for x, label in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), label)
            loss.backward()
            optimizer.step()
            total += loss.item()
            seen += len(x)
        yield seen / (time.perf_counter() - start)


def ours(data: Data, recipe: Recipe) -> Iterator[float]:
    """Yield the images per second of one epoch after another, as in a study's worker."""
    keep_freed()
    for epoch in fit(made(data), data, recipe, seed=0):
        assert not epoch.diverged
        yield epoch.images_per_second


def made(data: Data) -> nn.Module:
    with seeded(0):
        arch = searchspace.PRESETS["cnntention/resnet20"].arch
        return searchspace.build(arch, classes=data.num_classes, shape=data.shape)


def images(source: str, count: int) -> Data:
    if source == "random":
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        train = Images(pixels, rng.integers(0, 10, count))
        few = Images(pixels[:100], train.labels[:100])
        classes = tuple(map(str, range(10)))
        return Data("random", train, few, few, classes, (0.5,) * 3, (0.25,) * 3)
    return load(source, image_size=32, train_subset=count)


def ours_fp32(data: Data, recipe: Recipe) -> Iterator[float]:
    return ours(data, replace(recipe, precision="fp32"))


Contestant = Callable[[Data, Recipe], Iterator[float]]
CONTESTANTS: dict[str, Contestant] = {
    "ordinary, 0 workers": partial(ordinary, workers=0),
    "ordinary, 2 workers": partial(ordinary, workers=2),
    "ours, fp32": ours_fp32,
    "ours": ours,
}


def serve(pipe: Connection, contestant: Contestant, data: Data, recipe: Recipe) -> None:
    epochs = contestant(data, recipe)
    while pipe.recv():
        pipe.send(next(epochs))


def measured(data: Data, recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    spawn = torch.multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, contestant in CONTESTANTS.items():
        pipes[name], theirs = spawn.Pipe()
        processes.append(spawn.Process(target=serve, args=(theirs, contestant, data, recipe)))
        processes[-1].start()
    found: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(True)
            found[name].append(pipe.recv())
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(False)
        process.join()
    return {name: speeds[1:] for name, speeds in found.items()}


def report(speeds: dict[str, list[float]], as_json: bool) -> None:
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    best = max(value for name, value in medians.items() if name.startswith("ordinary"))
    ratio = medians["ours"] / best
    hardware = f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    if as_json:
        figures = {"images_per_second": speeds, "ratio": ratio, "bar": BAR}
        print(json.dumps(figures | {"torch": torch.__version__, "hardware": hardware}))
        return
    table = Table(title=f"ResNet-20, 32×32, batch 128 · torch {torch.__version__} · {hardware}")
    for column in ("", "images/s", "lowest … highest", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name, found in speeds.items():
        spread = f"{min(found):.0f} … {max(found):.0f}"
        table.add_row(name, f"{medians[name]:.0f}", spread, f"{medians[name] / best:.2f}")
    Console().print(table)
    Console().print(f"ours / the better ordinary: {ratio:.2f} (bar {BAR})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="random", help="random, or the name of a data set")
    parser.add_argument("--images", type=int, default=2560, help="of one epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    data = images(asked.data, asked.images)
    recipe = Recipe(epochs=asked.rounds + 1, crop=4, flip=True)
    speeds = measured(data, recipe, asked.rounds)
    report(speeds, asked.json)


if __name__ == "__main__":
    main()
