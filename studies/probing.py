"""What the largest networks of a study take on a GPU: one step of each, before the first trial."""

import random
from collections.abc import Callable
from dataclasses import replace

import ray

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Choice
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import SAMPLES, Networks
from skipsearch.studies.sharing import Sharing
from skipsearch.trainers.data.arrays import Data
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job

Probe = Callable[[Job, Data], tuple[int, int]]  # bytes at most, bytes of the device


def largest(networks: Networks, samples: int = SAMPLES) -> list[Arch]:
    """Of random networks within the limits and of the baselines: that of most parameters, and that
    of most multiply-accumulates, which stand for activations."""
    study, rng = networks.study, random.Random(networks.study.seed)
    found = list(study.baselines.values())
    for _ in range(samples):
        found.append(study.arch_space.sample(rng))
    costs = {}
    for arch in found:
        try:
            cost = networks.cost(arch)
        except ValueError:  # does not fit the images
            continue
        if not networks.over(cost):
            costs[arch] = cost
    by = (lambda arch: costs[arch].params), (lambda arch: costs[arch].macs)
    return list(dict.fromkeys(max(costs, key=key) for key in by))


def largest_batch(networks: Networks) -> Recipe:
    recipe = joint_space.preset_recipe(networks.study)
    domain = networks.study.recipe_space.domain("batch_size")
    top = max(domain.values) if isinstance(domain, Choice) else domain.high
    return replace(recipe, batch_size=int(top))


def measure(sharing: Sharing, networks: Networks, data: Data, probe: Probe) -> None:
    """On a GPU of the Ray that runs, in a process that then ends and gives its memory back."""
    recipe, images = encode(largest_batch(networks)), ray.put(data)
    remote = ray.remote(num_gpus=1, num_cpus=1, max_calls=1)(probe)
    peaks = []
    for arch in largest(networks):
        job = Job(-1, encode(arch), recipe, 0, 1, "", networks.study.cpus_per_trial, "cuda")
        peaks.append(ray.get(remote.remote(job, images)))
    sharing.measured(max(peak for peak, _ in peaks), min(memory for _, memory in peaks))
