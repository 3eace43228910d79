"""Rows of DIA's tables: a backbone with a gate, one in every block or one for each stage."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skipsearch.searchspace.arch.gate_places import Placed
from skipsearch.searchspace.arch.gates import Gate
from skipsearch.searchspace.presets.preset import Preset, Result, variant


@dataclass(frozen=True)
class Row:
    """A gate on a backbone, and its parameters for the first data set of the backbone."""

    label: str
    gate: Gate
    params: int
    shared: int = 0  # with one gate for each stage; 0 where no table has such a row
    printed: tuple[str, ...] = ()  # of `params`, then for the backbone's other data sets
    note: str = ""
    why: str = ""
    table: str = ""  # of the paper, "" if not known
    alternative: bool = False
    results: tuple[Result, ...] = ()


def systems(base: Preset, *rows: Row, shared_table: str = "") -> Iterator[Preset]:
    """Make the preset `base-label` of each row, and `base-label-shared` if it has a shared count.

    The latter has one gate for each stage, and stands in the table `shared_table`.
    """
    for row in rows:
        name = f"{base.name}-{row.label}"
        yield variant(
            base,
            name,
            replace(base.arch, gate=row.gate),
            row.params,
            *row.printed,
            table=row.table,
            note=row.note,
            why=row.why,
            alternative=row.alternative,
            results=row.results,
        )
        if row.shared:
            assert isinstance(row.gate, Placed)
            arch = replace(base.arch, gate=replace(row.gate, sharing="stage"))
            shared = f"{name}-shared"
            yield variant(base, shared, arch, row.shared, table=shared_table, note=row.note)
