"""Measure the epochs that successive halving saves: studies replayed on real learning curves.

    python benchmarks/pruning.py [--seeds 20] [--trials N] [--clock macs] [--json]
    python benchmarks/pruning.py --make runs/NAME   # the curves of a finished, unpruned study

A replayed study trains nothing: simulated workers read the curves of the table, in epochs whose
duration is proportional to the network's multiply-accumulates (or uniform), and the code that runs
studies, `studies.pruning.rungs` and `studies.executors.scheduler`, decides which trials go on. No
network is proposed twice:

- random: the networks of the table in random order;
- tpe, gp: a sampler of studies proposes in the space of the study that made the table; its proposal
  is replaced by the nearest network of the table that was not proposed yet, and it is told the
  parameters of that one. A stopped trial is told as the engine does: pruned, with the share of
  epochs that it lacks as a violation. A paused trial counts as running.

The figure is the hypervolume of (error, log params) of results at full fidelity, the last points of
whole curves; nothing else counts. It is divided by that of the whole table, and computed for two
references, because the reference decides which mode is best: 1.1 times the worst error on the front
of the whole table (each network of that front counts), and the median error of the table (the
smallest networks do not count, which favours `asha`); both with 1.1 times the most parameters on
that front. The unpruned study trains N trials (a third of the table) to their end; a pruned one
gets the same epochs for any number of trials and is cut off there. Bar, for the first reference:
the best mode reaches the unpruned study's final hypervolume (both are means over the seeds) after
at most half of its epochs; aim: a third. With the 160 curves of `curves/data/` it takes a minute on
two cores (`--jobs 2`), `--samplers gp` half a minute per study.
"""

import argparse
import json
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from curves.learning_curves import Curves, make, read
from curves.replay import Candidates, Replay, corner, front
from rich.console import Console
from rich.table import Table

from skipsearch.studies.pareto import Staircase

DATA = Path(__file__).parent / "curves" / "data" / "curves.parquet"
MODES: dict[str, dict[str, Any]] = {
    "none": {"pruner": "none"},
    "asha": {"pruner": "asha", "halving": "stop"},
    "pareto stop": {"pruner": "pareto-asha", "halving": "stop"},
    "pareto promote": {"pruner": "pareto-asha", "halving": "promote"},
    "gain": {"pruner": "expected-gain"},
}
SAMPLERS = ("random", "tpe", "gp")
PARTS = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 1.0)  # of the epochs, at which the hypervolume is shown
BAR, AIM = 1 / 2, 1 / 3
WIDTH = 148  # of the printed table
SETTINGS = ("seeds", "trials", "workers", "clock", "references", "eta", "grace")


def measured(curves: Curves, given: argparse.Namespace, run: tuple[str, str, int]) -> np.ndarray:
    """Return the hypervolumes of one study as shares of the table's, (references, epochs + 2); the
    last column is the number of trials begun.
    """
    sampler, mode, seed = run
    settings = {**MODES[mode], "eta": given.eta, "grace": given.grace}
    replay = Replay(
        curves,
        Candidates(curves, seed, sampler, **settings),
        trials=given.trials if mode == "none" else len(curves.rows),
        epochs=given.trials * curves.config.epochs,
        references=given.references,
        uniform=given.clock == "uniform",
    )
    volumes = replay.run(given.workers)
    totals = [whole(curves, reference) for reference in given.references]
    parts = volumes / np.array(totals)[:, None]
    return np.column_stack([parts, np.full(len(parts), replay.begun)])


def whole(curves: Curves, reference: float) -> float:
    """Return the hypervolume of the whole table."""
    boundary = Staircase(corner(curves, reference))
    return sum(boundary.add(row.curve[-1], math.log(row.params)) for row in curves.rows)


def compared(curves: Curves, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row per reference, sampler and mode."""
    runs = list(product(given.samplers, given.modes, range(given.seeds)))
    job = partial(measured, curves, given)
    if given.jobs > 1:
        with ProcessPoolExecutor(given.jobs) as pool:
            found = list(pool.map(job, runs, chunksize=4))
    else:
        found = list(map(job, runs))
    rows = []
    for (index, reference), sampler in product(enumerate(given.references), given.samplers):
        target = math.inf
        for mode in given.modes:
            own = np.array(
                [f[index] for r, f in zip(runs, found, strict=True) if r[:2] == (sampler, mode)]
            )
            target = own[:, -2].mean() if mode == "none" else target
            rows.append(
                {"reference": reference, "sampler": sampler, "mode": mode} | row(own, target)
            )
    return rows


def row(own: np.ndarray, target: float) -> dict[str, Any]:
    """Return the figures of one mode from `own`, (seeds, epochs + 2)."""
    volumes, begun = own[:, :-1], own[:, -1]
    mean, error = volumes.mean(0), volumes.std(0, ddof=1) / math.sqrt(len(own))
    there = np.flatnonzero(mean >= target - 1e-12)
    epochs = int(there[0]) if len(there) else None
    budget = len(mean) - 1
    at = [round(part * budget) for part in PARTS]
    return {
        "hypervolume": {k: [float(mean[k]), float(error[k])] for k in at},
        "trials": float(begun.mean()),
        "epochs_to_unpruned": epochs,
        "part_of_epochs": None if epochs is None else epochs / budget,
    }


def verdict(rows: list[dict[str, Any]], reference: float, sampler: str) -> dict[str, Any]:
    """Compare the best pruned mode of a sampler with the bar."""
    there = [r for r in rows if (r["reference"], r["sampler"]) == (reference, sampler)]
    own = [r for r in there if r["mode"] != "none"]
    best = min(own, key=lambda r: math.inf if r["part_of_epochs"] is None else r["part_of_epochs"])
    part = best["part_of_epochs"]
    met = part is not None and part <= BAR
    return {
        "reference": reference,
        "sampler": sampler,
        "best": best["mode"],
        "part_of_epochs": part,
        "bar_met": met,
        "aim_met": met and part <= AIM,
    }


def shown(figures: dict[str, Any]) -> None:
    console, rows = Console(), figures["rows"]
    console.width = max(console.width, WIDTH)
    table = Table(title="hypervolume after so many epochs, mean ± standard error")
    for name in ("reference", "sampler", "mode", *map(str, rows[0]["hypervolume"])):
        table.add_column(name, justify="left" if name in ("sampler", "mode") else "right")
    for name in ("trials", "to unpruned", "part"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = [f"{mean:.3f}±{error:.3f}" for mean, error in row["hypervolume"].values()]
        part, epochs = row["part_of_epochs"], row["epochs_to_unpruned"]
        reached = ["never", ""] if epochs is None else [str(epochs), f"{part:.2f}"]
        first = f"{row['reference']:.3f}", row["sampler"], row["mode"]
        table.add_row(*first, *cells, f"{row['trials']:.0f}", *reached)
    console.print(table)
    for one in figures["verdicts"]:
        part = "never" if one["part_of_epochs"] is None else f"{one['part_of_epochs']:.2f}"
        console.print(
            f"inside {one['reference']:.3f}, {one['sampler']}: "
            f"best {one['best']}, {part} of the epochs; "
            f"bar {BAR:.2f} {'met' if one['bar_met'] else 'not met'}, "
            f"aim {AIM:.2f} {'met' if one['aim_met'] else 'not met'}"
        )
    rest = {k: v for k, v in figures.items() if k not in ("rows", "verdicts")}
    console.print(", ".join(f"{name} {value}" for name, value in rest.items()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--make", type=Path, metavar="FOLDER", help="write the table and end")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samplers", choices=SAMPLERS, nargs="+", default=("random", "tpe"))
    parser.add_argument("--modes", choices=MODES, nargs="+", default=tuple(MODES))
    parser.add_argument("--trials", type=int, help="of the unpruned study; a third of the table")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--clock", choices=("macs", "uniform"), default="macs")
    parser.add_argument("--references", type=float, nargs="+", metavar="ERROR")
    parser.add_argument("--eta", type=int, default=3)
    parser.add_argument("--grace", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.make is not None:
        print(f"{make(given.make, given.data)} curves in {given.data}")
        return
    started, curves = time.perf_counter(), read(given.data)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    given.trials = given.trials or len(curves.rows) // 3
    if given.references is None:
        worst = 1.1 * max(row.curve[-1] for row in front(curves))
        median = statistics.median(row.curve[-1] for row in curves.rows)
        given.references = [round(worst, 4), round(median, 4)]
    rows = compared(curves, given)
    figures: dict[str, Any] = {name: getattr(given, name) for name in SETTINGS}
    figures |= {"curves": len(curves.rows), "epochs": curves.config.epochs}
    kinds = product(given.references, given.samplers)
    figures |= {"rows": rows, "verdicts": [verdict(rows, *kind) for kind in kinds]}
    figures["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(figures)) if given.json else shown(figures)


if __name__ == "__main__":
    main()
