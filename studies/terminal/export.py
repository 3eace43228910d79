"""Print the progress and the result of an export."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from skipsearch.studies.exporting.export import Exported
from skipsearch.studies.exporting.formats import FORMATS, Format, Refused
from skipsearch.studies.terminal.tables import Column, console, table

WHAT = {
    "model.py": "the network's classes and build(), torch only",
    "model.safetensors": "the weights",
    "config.json": "for timm and skipsearch",
    "README.md": "model card",
}


def formats_of(text: str) -> tuple[Format, ...]:
    """Parse `--formats`: `onnx,pt2`, or `none`. Raises ValueError for an unknown name."""
    names = [name.strip() for name in text.split(",")]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in FORMATS:
            raise ValueError(
                f"--formats must be some of {', '.join(FORMATS)}, or none; got {name!r}"
            )
    return tuple(one for one in FORMATS if one in names)


@contextmanager
def watched(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the file being written, if stderr is a terminal."""
    terminal = console(stderr=True)
    if quiet or not terminal.is_terminal:
        yield lambda _file: None
        return
    with terminal.status("the weights …") as status:
        yield lambda file: status.update(f"{file} …")


def print_exported(done: Exported, terminal: Console) -> None:
    """Print one row per file with its size, and the reason for each format not written."""
    checked = {one.file: str(one) for one in done.outcomes}
    rows = {name: size_text(size) for name, size in done.files.items()}
    rows |= {one.file: "–" for one in done.refused}
    order = [*WHAT, *(name for name in rows if name not in WHAT)]
    names = [name for name in order if name in rows]
    what = [WHAT.get(name) or checked.get(name, "") for name in names]
    columns = [Column("file", names, left=True), Column("size", [rows[n] for n in names])]
    terminal.print(table(columns, terminal.width, rest=Column("what it is", what, left=True)))
    for one in done.refused:
        terminal.print(f"{one.file} {one}", soft_wrap=True, markup=False)
    terminal.print(f"exported to {done.folder}", soft_wrap=True, markup=False)


def exported_record(done: Exported) -> dict[str, Any]:
    """Return the record that `export --json` prints; sizes are in bytes."""
    formats = {
        one.file: {"reason": one.reason}
        if isinstance(one, Refused)
        else {"difference": one.difference, "by": one.by}
        for one in done.outcomes
    }
    return {"folder": str(done.folder), "files": done.files, "formats": formats}


def size_text(size: int) -> str:
    """`1234567` → `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
