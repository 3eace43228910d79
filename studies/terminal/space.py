"""`skipsearch space`: every parameter, as text that fits a terminal or as an indented tree.

In the tree, parameters that most alternatives of a union share (the place of a gate) are listed
once before them, under `any`, or `any but` the alternatives that lack them. An alternative whose
parameter differs lists its own.
"""

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.space import Space
from skipsearch.searchspace.parameters.walk import every_stage

Row = dict[str, str]


@dataclass
class Node:
    """A parameter with its alternatives below it, or an alternative with its parameters."""

    name: str
    domain: str = ""
    doc: str = ""
    children: dict[str, "Node"] = field(default_factory=dict)

    def written(self) -> str:
        """Return the whole subtree as text; equal texts mean equal subtrees."""
        children = [child.written() for child in self.children.values()]
        return f"{self.name} {self.domain} {self.doc} {children}"


def tree_of(title: str, rows: list[Row]) -> Tree:
    """Build the tree of the rows of `Space.table()`, each parameter under its alternative."""
    root = Node(title)
    for row in rows:
        *path, last = row["name"].split(".")
        node = root
        for part in path:
            node = node.children.setdefault(part, Node(part))
        node.children[last] = Node(last, row["domain"], row["doc"])
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    for child in root.children.values():
        _add(tree, child)
    return tree


def _add(tree: Tree, node: Node) -> None:
    line = Text(node.name, style="bold")
    if node.domain:
        line.append(f"  {node.domain}", style="not bold cyan")
    if node.doc:
        line.append(f"  {node.doc}", style="not bold dim")
    branch = tree.add(line)
    common = _common(node) if node.domain else {}
    for lacking, parameters in _by_lacking(node, common).items():
        but = f" but {', '.join(lacking)}" if lacking else ""
        any_of = branch.add(Text(f"any{but}", style="italic"))
        for child in parameters:
            _add(any_of, child)
    for child in node.children.values():
        own = {k: c for k, c in child.children.items() if not _is(common.get(k), c)}
        if own or not common:
            _add(branch, Node(child.name, child.domain, child.doc, own))


def _common(node: Node) -> dict[str, Node]:
    """Return the parameters that most alternatives of a union share exactly."""
    alternatives = [c for c in node.children.values() if c.children]
    times = Counter(c.written() for one in alternatives for c in one.children.values())
    found: dict[str, Node] = {}
    for one in alternatives:
        for name, child in one.children.items():
            if len(alternatives) > 2 and times[child.written()] > len(alternatives) / 2:
                found.setdefault(name, child)
    return found


def _by_lacking(node: Node, common: dict[str, Node]) -> dict[tuple[str, ...], list[Node]]:
    """Group the common parameters by the alternatives that lack one of that name."""
    groups: dict[tuple[str, ...], list[Node]] = {}
    for name, child in common.items():
        alternatives = {label: node.children.get(label) for label in node.domain.split(" | ")}
        lacking = [
            label for label, one in alternatives.items() if not one or name not in one.children
        ]
        groups.setdefault(tuple(lacking), []).append(child)
    return groups


def _is(common: Node | None, child: Node) -> bool:
    return common is not None and common.written() == child.written()


def tables(study_file: Path | None, changes: Sequence[str]) -> dict[str, list[Row]]:
    """Return the rows of the architecture's and the recipe's parameters, of a study or all.

    Raises ValueError for `changes` without a study file.
    """
    if study_file is not None:
        from skipsearch.studies.config.study_config import StudyConfig

        config = StudyConfig.from_file(study_file, list(changes))
        return {"space": config.arch_space.table(), "recipe": config.recipe_space.table()}
    if changes:
        raise ValueError("--set needs a study file to change: skipsearch space STUDY.toml --set …")
    from skipsearch.trainers.recipe.recipe import Recipe

    return {"space": Space(Arch, {}).table(), "recipe": Space(Recipe, {}).table()}


def space_lines(found: dict[str, list[Row]]) -> list[str]:
    """Return one paragraph per parameter: `name = domain`, meaning, default; conditional ones are
    indented.
    """
    width = max(60, min(shutil.get_terminal_size((80, 24)).columns, 110))
    lines: list[str] = []
    for section, rows in found.items():
        lines += [f"[{section}]", ""]
        for row in _stages_as_one(rows):
            lines += _paragraph(row, width)
        lines.append("")
    return lines[:-1]


def print_trees(found: dict[str, list[Row]]) -> None:
    """Print one tree per section; 100 columns wide into a file or pipe."""
    from rich.console import Console

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
    """Merge `blocks.1` … `blocks.4` of the same domain into one row `blocks.1…4`."""
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
