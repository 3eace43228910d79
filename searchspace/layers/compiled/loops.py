"""Loops over pixels for depth attention: the scores, the output, all gradients.

Each source is read once forward and once backward. `attention.py` decides when, and fills the
job. Any number of threads may work on one job at a time: each takes the next pixels until none is
left. A row is one head of one pixel; maps lie in channels_last, so that their rows follow each
other.
"""

import math
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numba import carray, cfunc, from_dtype, njit, types

from skipsearch.searchspace.layers.compiled.rows import (
    FAST,
    add,
    dot,
    fetch,
    finish,
    keep,
    pointer,
    scale,
    take,
)

JOB = np.dtype(
    [
        ("next", np.int64),  # first pixel that no thread has taken
        ("part", np.int64),  # SCORES, OUTPUT or GRADS
        ("pixels", np.int64),  # of all images
        ("share", np.int64),  # pixels taken at a time
        ("block", np.int64),  # pixels whose sums stay in a core's own cache
        ("heads", np.int64),
        ("width", np.int64),  # of a head
        ("count", np.int64),  # of sources
        ("query", np.uint64),  # addresses, of maps in one type
        ("output", np.uint64),  # of the output, or its gradient
        ("weights", np.uint64),  # of float32 (rows, count); at first the scores
        ("sources", np.uint64),  # of the addresses of all keys, then of all values
        ("grads", np.uint64),  # of those for the gradients of query, keys, values: 0 for none
    ]
)
SCORES, OUTPUT, GRADS = range(3)
FLOAT32, BFLOAT16, ADDRESSES = (np.empty(0, kind) for kind in (np.float32, np.uint16, np.uint64))
AHEAD = 4_096  # bytes; among 16 sources in 16 places the processor foresees too little by itself
LINE = 64  # bytes of the processor's caches
compiled_loop = partial(njit, error_model="numpy", fastmath=set(FAST))


@compiled_loop
def _addresses(list_: Any, count: Any) -> Any:
    return carray(pointer(list_, ADDRESSES), count)


@compiled_loop
def _row(map_: Any, row: Any, job: Any, like: Any) -> Any:
    """Return the address of a row from the address of its map."""
    return map_ + np.uint64(row * job.width * like.itemsize)


@compiled_loop
def _fetch_behind(row: Any, job: Any, like: Any) -> None:
    """Prefetch what lies AHEAD bytes behind a row: it is read soon or, at a map's end, never."""
    for byte in range(AHEAD, AHEAD + job.width * like.itemsize, LINE):
        fetch(row + np.uint64(byte))


@compiled_loop
def _softmax_backward(weights: Any, grads: Any, factor: Any) -> None:
    """Turn the gradients of the weights into those of the scores, in place."""
    rows, count = weights.shape
    for row in range(rows):
        mean = np.float32(0)
        for source in range(count):
            mean += weights[row, source] * grads[row, source]
        for source in range(count):
            grads[row, source] = factor * weights[row, source] * (grads[row, source] - mean)


@compiled_loop
def _scores(job: Any, first: Any, weights: Any, like: Any) -> None:
    """Write the scores query · key / √D in the place of the weights."""
    width, factor = job.width, np.float32(1 / math.sqrt(job.width))
    query, sources = _row(job.query, first, job, like), _addresses(job.sources, 2 * job.count)
    for source in range(job.count):
        keys = _row(sources[source], first, job, like)
        for row in range(len(weights)):
            key = _row(keys, row, job, like)
            _fetch_behind(key, job, like)
            weights[row, source] = factor * dot(_row(query, row, job, like), key, width, like)


@compiled_loop
def _output(job: Any, first: Any, weights: Any, like: Any) -> None:
    """Write the weighted sum of the values."""
    width, sources = job.width, _addresses(job.sources, 2 * job.count)
    sums = np.zeros((len(weights), width), np.float32)
    total = np.uint64(sums.ctypes.data)
    for source in range(job.count):
        values = _row(sources[job.count + source], first, job, like)
        for row in range(len(weights)):
            value = _row(values, row, job, like)
            _fetch_behind(value, job, like)
            add(_row(total, row, job, FLOAT32), weights[row, source], value, width, like)
    keep(_row(job.output, first, job, like), total, sums.size, like)


@compiled_loop
def _grads(job: Any, first: Any, weights: Any, like: Any) -> None:
    """Write the gradients of query, keys and values."""
    (rows, count), width = weights.shape, job.width
    sources, grads = _addresses(job.sources, 2 * count), _addresses(job.grads, 1 + 2 * count)
    query, grad = _row(job.query, first, job, like), _row(job.output, first, job, like)
    grad_scores = np.empty((rows, count), np.float32)
    for source in range(count):
        values, wanted = _row(sources[count + source], first, job, like), grads[1 + count + source]
        targets = _row(wanted, first, job, like)
        for row in range(rows):
            own, value = _row(grad, row, job, like), _row(values, row, job, like)
            _fetch_behind(value, job, like)
            grad_scores[row, source] = dot(own, value, width, like)
            if wanted:
                scale(_row(targets, row, job, like), weights[row, source], own, width, like)
    _softmax_backward(weights, grad_scores, np.float32(1 / math.sqrt(width)))
    sums = np.zeros((rows, width), np.float32)
    total = np.uint64(sums.ctypes.data)
    for source in range(count):
        keys, wanted = _row(sources[source], first, job, like), grads[1 + source]
        targets = _row(wanted, first, job, like)
        for row in range(rows):
            own, key = _row(query, row, job, like), _row(keys, row, job, like)
            _fetch_behind(key, job, like)
            add(_row(total, row, job, FLOAT32), grad_scores[row, source], key, width, like)
            if wanted:
                scale(_row(targets, row, job, like), grad_scores[row, source], own, width, like)
    if grads[0]:
        keep(_row(grads[0], first, job, like), total, sums.size, like)


@compiled_loop
def _work(jobs: Any, like: Any) -> None:
    """Take pixels and work on them, block by block, until all are taken."""
    job = carray(jobs, 1)[0]
    weights = carray(pointer(job.weights, FLOAT32), (job.pixels * job.heads, job.count))
    taken = take(jobs, job.share)
    while taken < job.pixels:
        end = min(taken + job.share, job.pixels)
        for pixel in range(taken, end, job.block):
            first, last = pixel * job.heads, min(pixel + job.block, end) * job.heads
            if job.part == SCORES:
                _scores(job, first, weights[first:last], like)
            elif job.part == OUTPUT:
                _output(job, first, weights[first:last], like)
            else:
                _grads(job, first, weights[first:last], like)
        taken = take(jobs, job.share)
    finish()


def _in_float32(jobs: Any) -> None:
    _work(jobs, FLOAT32)


def _in_bfloat16(jobs: Any) -> None:
    _work(jobs, BFLOAT16)


@cache
def compiled(dtype: torch.dtype) -> Any:
    """Compile a C function `void work(JOB *)` for maps of a type; it has an `address`.

    Compiling takes some seconds. The result is kept beside this file, or in the user's cache, for
    later processes; if neither can be written, each process compiles anew.
    """
    function = {torch.float32: _in_float32, torch.bfloat16: _in_bfloat16}[dtype]
    signature = types.void(types.CPointer(from_dtype(JOB)))
    try:
        return cfunc(signature, cache=True)(function)
    except RuntimeError:
        return cfunc(signature)(function)
