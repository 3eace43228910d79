"""Measure time and memory of depth attention against the two usual ways to write it.

    python benchmarks/depth_attention.py [--json] [--default-heap] [--threads 1] [--bfloat16]

Timed are forward and backward, with gradients for the query and every key and value. Every
contender gets the same list of NCHW maps in channels_last, the layout of training. Ours runs as it
is, and without its compiled loops (as in an exported model, or on other systems than Linux). Each
rival runs twice: in the fastest of several arrangements we tried, on views (pixels, heads, width of
a head), which need no copy; and "as written", on the five axes of the stacked maps, as in published
code.

All contenders take turns within one run, in an order that rotates; figures are medians. Each runs
in a process of its own, as in use: in one process they would share the heap, whose thresholds one
contender's frees change for all. The heap of every contender is set as in a worker of a study
(trainers/loop/memory.py: freed memory is kept, but for blocks above the 32 MiB that glibc documents
as its limit); `--default-heap` leaves glibc's defaults, which return more memory to the system and
fault it in again. Page faults are shown beside each time.

Memory is the peak of the bytes alive, from the allocator's own events (torch.profiler), less the
inputs, the returned gradients, and the weights (one number per source, pixel and head).
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from skipsearch.searchspace.layers.depth_attention import FASTER, depth_attention
from skipsearch.trainers.loop.memory import keep_freed

BATCH, CHANNELS, SIZE, HEADS = 16, 128, 32, 4
SOURCES = (1, 2, 4, 8, 16)
Attention = Callable[[Tensor, list[Tensor], list[Tensor]], Tensor]


def rows(map_BCHW: Tensor) -> Tensor:
    """View a map in channels_last as (pixels, heads, width of a head)."""
    return map_BCHW.permute(0, 2, 3, 1).view(BATCH * SIZE * SIZE, HEADS, CHANNELS // HEADS)


def maps(rows_PGD: Tensor) -> Tensor:
    return rows_PGD.reshape(BATCH, SIZE, SIZE, CHANNELS).permute(0, 3, 1, 2)


def ours(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    return depth_attention(query, keys, values, HEADS)


def ours_uncompiled(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    FASTER.clear()  # in this process
    return depth_attention(query, keys, values, HEADS)


def stack_einsum(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Stack along a new first axis, which beats one in the middle (medians 164 against 246 ms)."""
    keys_NPGD = torch.stack([rows(key) for key in keys])
    values_NPGD = torch.stack([rows(value) for value in values])
    scores = torch.einsum("pgd,npgd->pgn", rows(query), keys_NPGD)
    weights = torch.softmax(scores * (CHANNELS // HEADS) ** -0.5, -1)
    return maps(torch.einsum("pgn,npgd->pgd", weights, values_NPGD))


def stack_einsum_as_written(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    query_BGDHW = query.unflatten(1, (HEADS, -1))
    keys_NBGDHW = torch.stack(keys).unflatten(2, (HEADS, -1))
    values_NBGDHW = torch.stack(values).unflatten(2, (HEADS, -1))
    scores = torch.einsum("bgdhw,nbgdhw->nbghw", query_BGDHW, keys_NBGDHW)
    weights = torch.softmax(scores * (CHANNELS // HEADS) ** -0.5, 0)
    return torch.einsum("nbghw,nbgdhw->bgdhw", weights, values_NBGDHW).flatten(1, 2)


def cat_sdpa(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Concatenate behind the heads, which beats stacking before them (180 against 186 ms)."""
    keys_PGND = torch.cat([rows(key).unsqueeze(2) for key in keys], 2)
    values_PGND = torch.cat([rows(value).unsqueeze(2) for value in values], 2)
    return maps(F.scaled_dot_product_attention(rows(query).unsqueeze(2), keys_PGND, values_PGND))


def cat_sdpa_as_written(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    def sequences(stacked_BNCHW: Tensor) -> Tensor:
        stacked_BNGDHW = stacked_BNCHW.unflatten(2, (HEADS, -1))
        return stacked_BNGDHW.permute(0, 4, 5, 2, 1, 3).flatten(0, 2)

    keys_PGND, values_PGND = sequences(torch.stack(keys, 1)), sequences(torch.stack(values, 1))
    query_PGND = sequences(query.unsqueeze(1))
    return maps(F.scaled_dot_product_attention(query_PGND, keys_PGND, values_PGND))


CONTENDERS: dict[str, Attention] = {
    "ours": ours,
    "ours, torch's operations": ours_uncompiled,
    "stack + einsum": stack_einsum,
    "stack + einsum, as written": stack_einsum_as_written,
    "cat + sdpa": cat_sdpa,
    "cat + sdpa, as written": cat_sdpa_as_written,
}


@dataclass(frozen=True)
class Setting:
    threads: int
    heap: str  # "worker" | "default"
    dtype: torch.dtype
    repetitions: int


@dataclass
class Row:
    """One contender at one number of sources; `times_ours` is the median of the ratios by round."""

    contender: str
    sources: int
    median_ms: float
    fastest_ms: float
    times_ours: float
    page_faults: int
    peak_mib: float


@dataclass(frozen=True)
class Problem:
    query: Tensor
    keys: list[Tensor]
    values: list[Tensor]
    grad: Tensor

    def run(self, attention: Attention) -> tuple[float, int]:
        """Return milliseconds and page faults of one forward and backward; drop the gradients."""
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        output = attention(self.query, self.keys, self.values)
        gradients = torch.autograd.grad(output, self.inputs, self.grad)
        elapsed = (time.perf_counter() - start) * 1e3
        del gradients
        return elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults

    @property
    def inputs(self) -> list[Tensor]:
        return [self.query, *self.keys, *self.values]


def problem(sources: int, dtype: torch.dtype) -> Problem:
    torch.manual_seed(sources)
    shape = BATCH, CHANNELS, SIZE, SIZE
    drawn = [
        torch.randn(shape).to(dtype, memory_format=torch.channels_last)
        for _ in range(2 + 2 * sources)
    ]
    inputs = [map_.requires_grad_() for map_ in drawn[1:]]
    return Problem(inputs[0], inputs[1 : 1 + sources], inputs[1 + sources :], drawn[0])


def peak_mib(attention: Attention, given: Problem) -> float:
    """Return the peak MiB that one forward and backward allocate, less gradients and weights."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        given.run(attention)
    events = profiler.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    gradients = sum(map_.nbytes for map_ in given.inputs)
    weights = len(given.keys) * given.query[:, :HEADS].numel() * torch.float32.itemsize
    return (peak - gradients - weights) / 2**20


def serve(pipe: Connection, name: str, sources: int, setting: Setting) -> None:
    """Warm up with three runs, do one run per request, and send the peak memory at the end."""
    if setting.heap == "worker":
        keep_freed()
    torch.set_num_threads(setting.threads)
    given, attention = problem(sources, setting.dtype), CONTENDERS[name]
    for _ in range(3):
        given.run(attention)
    while pipe.recv():
        pipe.send(given.run(attention))
    pipe.send(peak_mib(attention, given))


def rounds(
    sources: int, setting: Setting
) -> tuple[dict[str, list[tuple[float, int]]], dict[str, float]]:
    """Return milliseconds and page faults of every run, and the peak MiB, by contender."""
    context, names = multiprocessing.get_context("spawn"), list(CONTENDERS)
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(theirs, name, sources, setting)))
        processes[-1].start()
    runs: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    for repetition in range(1 + setting.repetitions):
        shift = repetition % len(names)
        for name in names[shift:] + names[:shift]:
            pipes[name].send(True)
            run = pipes[name].recv()
            if repetition:  # the first round ends when the last contender has started
                runs[name].append(run)
    peaks = {}
    for name in names:
        pipes[name].send(False)
        peaks[name] = pipes[name].recv()
    for process in processes:
        process.join()
    return runs, peaks


def measure(sources: int, setting: Setting) -> list[Row]:
    runs, peaks = rounds(sources, setting)
    our_times = [elapsed for elapsed, _ in runs["ours"]]
    rows_ = []
    for name in CONTENDERS:
        times = [elapsed for elapsed, _ in runs[name]]
        ratios = [theirs / our for theirs, our in zip(times, our_times, strict=True)]
        faults = int(statistics.median(fault for _, fault in runs[name]))
        median = statistics.median
        rows_.append(
            Row(name, sources, median(times), min(times), median(ratios), faults, peaks[name])
        )
    return rows_


def table(measured: list[Row], setting: str) -> Table:
    shown = Table(title="Depth attention, forward + backward", caption=setting)
    for column in ("contender", "sources", "median ms", "fastest ms", "× ours", "page faults"):
        shown.add_column(column, justify="left" if column == "contender" else "right")
    shown.add_column("peak MiB", justify="right")
    for row in measured:
        shown.add_row(
            row.contender,
            str(row.sources),
            f"{row.median_ms:.1f}",
            f"{row.fastest_ms:.1f}",
            f"{row.times_ours:.1f}",
            f"{row.page_faults:,}",
            f"{row.peak_mib:.1f}",
            end_section=row.contender == list(CONTENDERS)[-1],
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--default-heap", action="store_true", help="keep glibc's defaults")
    parser.add_argument("--repetitions", type=int, default=12, help="rounds of all contenders")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--bfloat16", action="store_true", help="maps in bfloat16, not float32")
    arguments = parser.parse_args()
    dtype = torch.bfloat16 if arguments.bfloat16 else torch.float32
    heap = "default" if arguments.default_heap else "worker"
    setting = Setting(arguments.threads, heap, dtype, arguments.repetitions)
    measured = [row for sources in SOURCES for row in measure(sources, setting)]
    ours_peak = {row.sources: row.peak_mib for row in measured if row.contender == "ours"}
    growth = ours_peak[16] / ours_peak[2] - 1
    caption = (
        f"batch {BATCH}, {CHANNELS} channels, {SIZE}×{SIZE}, {HEADS} heads, {str(dtype)[6:]}, "
        f"{arguments.threads} threads, channels_last, {heap} heap, torch {torch.__version__}; "
        "peak beyond inputs, gradients and weights, "
        f"ours grows by {growth:.1%} from 2 to 16 sources"
    )
    if arguments.json:
        print(json.dumps({"setting": caption, "rows": [asdict(row) for row in measured]}, indent=2))
    else:
        Console().print(table(measured, caption))


if __name__ == "__main__":
    main()
