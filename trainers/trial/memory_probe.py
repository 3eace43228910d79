"""Measure the memory that one step of a network takes of its device."""

from dataclasses import replace

import psutil
import torch

from skipsearch.searchspace import build
from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode
from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.loop.device import peak_memory_bytes
from skipsearch.trainers.loop.evaluate import batch_size
from skipsearch.trainers.loop.fit import fit
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job


def step_memory(job: Job, data: Data) -> tuple[int, int]:
    """Return the peak bytes of one training step and one validation batch, with all images in
    memory, and the bytes of the device.

    Memory that other processes hold of a GPU counts as ours, because it cannot be told from that of
    the libraries in this process.
    """
    torch.set_num_threads(job.threads)
    recipe = decode(Recipe, job.recipe)
    device = torch.device(job.device)
    first = replace(
        data,
        train=_first(data.train, recipe.batch_size),
        validation=_first(data.validation, batch_size(data.validation, device)),
    )
    model = build(decode(Arch, job.arch), classes=data.num_classes, shape=data.shape)
    next(fit(model, first, recipe, seed=job.seed, device=job.device))
    if device.type != "cuda":
        return peak_memory_bytes(device), psutil.virtual_memory().total
    free, memory = torch.cuda.mem_get_info(device)
    others = memory - free - torch.cuda.memory_reserved(device)
    rest = data.nbytes - first.nbytes
    return torch.cuda.max_memory_reserved(device) + others + rest, memory


def _first(images: Images, count: int) -> Images:
    return Images(images.images[:count], images.labels[:count])
