"""The imports of the project as a graph, read from the code: files, rooms, floors, circles.

A room is a folder of studies/, a file directly in it, or a lower package as a whole; its floor is
one above the highest room that it imports.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import ROOT

FLOORS = ("searchspace", "trainers", "studies")
FACE = "skipsearch"
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Import:
    """One imported module: at a file's top, inside a function, or for type checkers alone."""

    path: Path
    line: int
    module: str  # ours without "skipsearch."

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def files() -> list[Path]:
    """Return the code of the package: the three floors and the face."""
    found = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    return found + sorted((ROOT / FACE).glob("*.py"))


def module_of(path: Path) -> str:
    """Return the name by which our code imports the file, without "skipsearch."."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in files()}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Return all imports of a file; `from package import module` of ours counts as the module."""
    return tuple(
        Import(path, line, name)
        for node in ast.walk(tree(path))
        for line, name in _imported(path, node)
    )


def _imported(path: Path, node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, _ours(alias.name)) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert not node.level and node.module, f"{path}:{node.lineno} imports relatively"
        for alias in node.names:
            whole = _ours(f"{node.module}.{alias.name}")
            yield node.lineno, whole if whole in modules() else _ours(node.module)


def _ours(name: str) -> str:
    return name.removeprefix("skipsearch.")


def room_of(module: str) -> str:
    """Return a module's room, such as `studies.engine`; searchspace and trainers are one each."""
    first, *rest = module.split(".")
    return ".".join([first, *rest[:1]]) if first == "studies" else first


def between_files() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for module, path in modules().items():
        graph[module] |= {i.module for i in imports(path) if i.module in modules()} - {module}
    return graph


def between_rooms() -> dict[str, set[str]]:
    """Return the graph of the rooms, leaving out the face, which is above them all."""
    graph: dict[str, set[str]] = {}
    for module, used in between_files().items():
        room = room_of(module)
        if module.split(".")[0] in FLOORS and module != "studies":
            others = {room_of(one) for one in used if one.split(".")[0] in FLOORS}
            graph.setdefault(room, set()).update(others - {room})
    return graph


def levels(graph: Graph) -> dict[str, int]:
    """Return the floor of each room, from 1. Raises RecursionError if they import in a circle."""

    @cache
    def level(room: str) -> int:
        return 1 + max((level(one) for one in graph.get(room, ())), default=0)

    return {room: level(room) for room in graph}


def circles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found
