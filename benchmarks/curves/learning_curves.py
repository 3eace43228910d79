"""A table of learning curves of our own space: the networks of one finished, unpruned study.

A parquet file with one row per trial and epoch: `trial`, `epoch`, `val_error`, `params`, `macs`,
and the parameters of the architecture under their own names, empty if the network lacks one. The
metadata `json` names the parameters that have values of several types and are stored as JSON;
`study` and `command` hold the study file and the command that made the table.
"""

import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skipsearch.searchspace.parameters.domains import Choice, Domain, Floats, Integers, Scalar
from skipsearch.searchspace.parameters.neighbours import Chosen
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.storage import store
from skipsearch.studies.storage.connect import sqlite_url
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.storage.trial_record import TrialRecord, is_full

OWN = ("trial", "epoch", "val_error", "params", "macs")  # the other columns are the architecture


@dataclass(frozen=True)
class Row:
    """A network of the table."""

    flat: Mapping[str, Scalar]
    params: int
    macs: int
    curve: tuple[float, ...]

    def answer(self, name: str, _domain: Domain, _default: Scalar) -> Scalar:
        """Return this network's value of a parameter; a chooser that answers a walk."""
        return self.flat[name]


@dataclass(frozen=True)
class Curves:
    """The table, and the study that made it."""

    config: StudyConfig
    rows: Sequence[Row]

    @cached_property
    def chosen(self) -> list[dict[str, Chosen]]:
        """The choices, by parameter, by which a sampler would have proposed each row."""
        space = self.config.arch_space
        return [dict(space.drawn(row.answer).chosen) for row in self.rows]

    @cached_property
    def domains(self) -> dict[str, Any]:
        return {name: one.domain for chosen in self.chosen for name, one in chosen.items()}

    @cached_property
    def codes(self) -> np.ndarray:
        return np.array([self.coded(chosen) for chosen in self.chosen])

    def coded(self, chosen: Mapping[str, Chosen]) -> list[float]:
        return [code(chosen[name]) if name in chosen else math.nan for name in self.domains]

    def distances(self, said: Mapping[str, Chosen]) -> np.ndarray:
        """Return the distance of every row from a proposal.

        It sums the difference of each number as a part of its range, 1 for each choice that
        differs, and 1 for each parameter that only one of the two has.
        """
        own = np.array(self.coded(said))
        apart = np.abs(self.codes - own)
        ordered = [not isinstance(domain, Choice) for domain in self.domains.values()]
        apart = np.where(ordered, apart, apart > 0)
        absent, lacks = np.isnan(self.codes), np.isnan(own)
        distances: np.ndarray = np.where(absent | lacks, absent != lacks, apart).sum(1)
        return distances


def code(one: Chosen) -> float:
    match one.domain:
        case Choice(values):
            return float(values.index(one.value))
        case Integers(low, high):
            return (float(one.value) - low) / max(1, high - low)
        case Floats():
            return float(one.domain.part(float(one.value)))


def make(folder: Path, path: Path) -> int:
    """Write the table of the only study in a folder; return the number of curves.

    Baselines, which need not lie in the space, and trials that were not trained to the end are left
    out.
    """
    study = store.load(folder.name, storage=sqlite_url(folder.resolve() / "study.db"))
    trials = [
        t
        for t in study.get_trials(deepcopy=False)
        if is_full(t) and TrialRecord.of(t).charged and TrialRecord.of(t).baseline is None
    ]
    points = [
        {"trial": t.number, "epoch": epoch, "val_error": val_error}
        | {"params": record.params, "macs": record.macs}
        | record[TrialRecord.arch]
        for t, record in ((t, TrialRecord.of(t)) for t in trials)
        for epoch, val_error in sorted(t.intermediate_values.items())
    ]
    names = list(dict.fromkeys(name for point in points for name in point))
    columns = {name: [point.get(name) for point in points] for name in names}
    mixed = [name for name in names if len({type(v) for v in columns[name]} - {type(None)}) > 1]
    for name in mixed:  # such as 3 and "adaptive"
        columns[name] = [None if v is None else json.dumps(v) for v in columns[name]]
    settings, command = portable(StudyRecord.of(study)[StudyRecord.study]), shlex.join(sys.argv)
    told = {"study": settings, "command": command, "json": mixed}
    table = pa.table(columns, metadata={name: json.dumps(value) for name, value in told.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    return len(trials)


def portable(study: dict[str, Any]) -> dict[str, Any]:
    """Drop local paths from a study's settings."""
    keys = {key: value for key, value in study["study"].items() if key != "data_dir"}
    return {**study, "study": keys}


def read(path: Path) -> Curves:
    table = pq.read_table(path)
    study, mixed = (json.loads(table.schema.metadata[name]) for name in (b"study", b"json"))
    study.pop("baselines", None)  # their files need not be here
    rows = []
    for _, group in groupby(table.to_pylist(), lambda point: point["trial"]):
        points = list(group)
        assert [p["epoch"] for p in points] == list(range(1, len(points) + 1)), "a curve has a gap"
        first, curve = points[0], tuple(point["val_error"] for point in points)
        flat = {k: v for k, v in first.items() if k not in OWN and v is not None}
        flat |= {name: json.loads(flat[name]) for name in mixed if name in flat}
        rows.append(Row(flat, first["params"], first["macs"], curve))
    return Curves(StudyConfig.from_dict(study, where=path.name), rows)
