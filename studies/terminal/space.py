"""`skipsearch space`: every parameter, as text that fits a terminal or as an indented tree.

In the tree, what most alternatives of a union have alike (the place of a gate) is said once, before
them: of `any`, or of `any but` those that have no such parameter. An alternative that has it
otherwise lists its own.
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
    """A parameter with the alternatives under it, or an alternative with its parameters."""

    name: str
    domain: str = ""
    doc: str = ""
    children: dict[str, "Node"] = field(default_factory=dict)

    def written(self) -> str:
        """The whole subtree: two that are written alike are alike."""
        children = [child.written() for child in self.children.values()]
        return f"{self.name} {self.domain} {self.doc} {children}"


def tree_of(title: str, rows: list[Row]) -> Tree:
    """The parameters of `Space.table()`, each under the alternative that it belongs to."""
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
    """The parameters that most alternatives of a union have, exactly alike."""
    alternatives = [c for c in node.children.values() if c.children]
    times = Counter(c.written() for one in alternatives for c in one.children.values())
    found: dict[str, Node] = {}
    for one in alternatives:
        for name, child in one.children.items():
            if len(alternatives) > 2 and times[child.written()] > len(alternatives) / 2:
                found.setdefault(name, child)
    return found


def _by_lacking(node: Node, common: dict[str, Node]) -> dict[tuple[str, ...], list[Node]]:
    """The common parameters by the alternatives that have none of their name."""
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
    """The parameters of the architecture and of the recipe: of a study, or all there are."""
    if study_file is not None:
        from skipsearch.studies.config.study_config import StudyConfig

        config = StudyConfig.from_file(study_file, list(changes))
        return {"space": config.arch_space.table(), "recipe": config.recipe_space.table()}
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
