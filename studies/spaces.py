"""`skipsearch space`: the table of every parameter, as text that fits a terminal."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.space import Space
from skipsearch.searchspace.parameters.walk import every_stage

Row = dict[str, str]


def tables(study_file: Path | None, changes: Sequence[str]) -> dict[str, list[Row]]:
    """The parameters of the architecture and of the recipe: of a study, or all there are."""
    if study_file is not None:
        from skipsearch.studies.config.study_config import Study

        study = Study.from_file(study_file, list(changes))
        return {"space": study.arch_space.table(), "recipe": study.recipe_space.table()}
    if changes:
        raise ValueError("--set needs a study file to change: skipsearch space STUDY.toml --set …")
    from skipsearch.trainers.recipe.recipe import Recipe

    return {"space": Space(Arch, {}).table(), "recipe": Space(Recipe, {}).table()}


def space_lines(found: dict[str, list[Row]]) -> list[str]:
    """A paragraph a parameter: `name = domain`, meaning, default; indented as it depends."""
    width = max(60, min(shutil.get_terminal_size((80, 24)).columns, 110))
    lines: list[str] = []
    for section, rows in found.items():
        lines += [f"[{section}]", ""]
        for row in _stages_as_one(rows):
            lines += _paragraph(row, width)
        lines.append("")
    return lines[:-1]


def print_trees(found: dict[str, list[Row]]) -> None:
    from rich.console import Console

    from skipsearch.studies.tree import tree_of

    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    for section, rows in found.items():
        console.print(tree_of(section, _stages_as_one(rows)))


def _paragraph(row: Row, width: int) -> list[str]:
    indent = "  " * (row["name"].count(".") // 2)
    head = textwrap.wrap(
        f"{row['name']} = {row['domain']}",
        width,
        initial_indent=indent,
        subsequent_indent=indent + " " * (len(row["name"]) + 3),
    )
    words = row["doc"]
    if row["default"] != row["domain"]:
        words += f" (default {row['default']})"
    if row["condition"].startswith("stages"):
        words += f"; for {row['condition']}"
    pad = indent + "    "
    return [*head, *textwrap.wrap(words, width, initial_indent=pad, subsequent_indent=pad)]


def _stages_as_one(rows: list[Row]) -> list[Row]:
    """`blocks.1` … `blocks.4` with the same domain are one row `blocks.1…4`."""
    found: list[Row] = []
    for row in rows:
        stem = every_stage(row["name"])
        before: dict[str, Any] = found[-1] if found else {}
        same = before.get("stem") == stem != row["name"] and before["domain"] == row["domain"]
        if same:
            before["name"] = f"{stem}.1…{row['name'].rpartition('.')[2]}"
        else:
            found.append(row | {"stem": stem} | ({"condition": ""} if stem != row["name"] else {}))
    return found
