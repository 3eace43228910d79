"""The console, the tables and the JSON that all commands print."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def console(*, stderr: bool = False) -> Console:
    """Return a console that honours NO_COLOR and COLUMNS, and writes plain text into files and
    pipes, 100 columns wide.
    """
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else 100
    return Console(file=stream, highlight=False, soft_wrap=False, width=wide)


@dataclass(frozen=True)
class Column:
    """A column of a table. In a narrow table the columns of the highest `rank` are dropped first;
    rank 0 always stays.
    """

    title: str
    cells: Sequence[str]
    rank: int = 0
    left: bool = False

    @property
    def width(self) -> int:
        """The number of characters of the longest text."""
        return max(len(text) for text in (self.title, *self.cells))


def table(
    columns: Sequence[Column], width: int, *, rest: Column | None = None, title: str = ""
) -> Table:
    """Return a table of the columns that fit; `rest` takes the remaining width and is cut with an
    ellipsis.
    """
    kept = list(columns)
    least = min(rest.width, 28) + 2 if rest else 0
    while sum(c.width + 2 for c in kept) + least > width + 2 and any(c.rank for c in kept):
        kept.remove(max(kept, key=lambda c: c.rank))
    drawn = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        title=title,
        title_justify="left",
        title_style="bold",
    )
    for c in kept:
        drawn.add_column(c.title, justify="left" if c.left else "right", min_width=c.width)
    if rest:
        left = max(8, width - sum(c.width + 2 for c in kept) - 1)
        drawn.add_column(rest.title, no_wrap=True, overflow="ellipsis", max_width=left)
        kept.append(rest)
    for cells in zip(*(c.cells for c in kept), strict=True):
        drawn.add_row(*map(escape, cells))
    return drawn


def print_json(document: object) -> None:
    """Print to stdout as JSON."""
    print(json_text(document))


def json_text(document: object) -> str:
    """Format as indented JSON; nan and infinity become null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
