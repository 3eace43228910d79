"""Definitions of the layers as text, with the names that each of them needs."""

import ast
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import import_module
from inspect import getsource
from types import ModuleType

from skipsearch.searchspace import layers
from skipsearch.searchspace.assembly.plan import WIDTH

LAYERS = f"{layers.__name__}."
FOR_TYPES = re.compile(r"  # type: ignore\[.*\]$", re.MULTILINE)
IMPLIED = {"", "__init__", "forward", "backward"}  # called by Python and torch
Statement = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True, order=True)
class Import:
    """`from module import name`, or `import module` where the name is empty."""

    module: str
    name: str


@dataclass(frozen=True)
class Piece:
    """Some lines of a definition: a `method`, or what is around them (""). `needs` are the names
    and `calls` the attributes that it uses."""

    method: str
    text: str
    needs: frozenset[str]
    calls: frozenset[str]


@dataclass(frozen=True)
class Definition:
    """A class, function or constant of a module's top level."""

    module: str
    name: str
    pieces: tuple[Piece, ...]

    def of(self, called: Set[str]) -> "Definition":
        """Without methods that nothing calls."""
        kept = (one for one in self.pieces if one.method in called or one.method in IMPLIED)
        return replace(self, pieces=tuple(kept))

    @property
    def text(self) -> str:
        return "\n".join(one.text for one in self.pieces).rstrip()

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*(one.needs for one in self.pieces))


@dataclass(frozen=True)
class ByName:
    """A table by name: code up to its brace, and each entry's."""

    start: str
    entries: dict[str, str]

    def text(self, named: frozenset[str]) -> str:
        """With the entries that are named, on one line where they fit."""
        kept = [entry for key, entry in self.entries.items() if key in named]
        line = f"{self.start}{', '.join(kept)}}}"
        if len(line) <= WIDTH:
            return line
        return "\n".join([self.start, *(f"    {entry}," for entry in kept), "}"])


@dataclass(frozen=True)
class Source:
    """A module of the layers."""

    name: str

    @cached_property
    def lines(self) -> list[str]:
        return getsource(self.module).splitlines()

    @cached_property
    def module(self) -> ModuleType:
        return import_module(self.name)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse("\n".join(self.lines))

    @cached_property
    def legend(self) -> str:
        """The paragraph of its docstring that says what the shapes' letters mean, or ''."""
        paragraphs = (ast.get_docstring(self.tree) or "").split("\n\n")
        return next((text for text in paragraphs if text.startswith("Shapes:")), "")

    @cached_property
    def imports(self) -> dict[str, Import]:
        """By the name that the module gives it."""
        found: dict[str, Import] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                found |= {a.name: Import(unit(node.module or ""), a.name) for a in node.names}
            if isinstance(node, ast.Import):
                found |= {a.name: Import(a.name, "") for a in node.names}
        return found

    @cached_property
    def definitions(self) -> dict[str, Definition | ByName]:
        """In the order of the file."""
        found: dict[str, Definition | ByName] = {}
        for node in self.tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
                found[_name(node)] = self._table(node, node.value)
            elif isinstance(node, Statement):
                name, pieces = _name(node), tuple(self._pieces(node))
                found[name] = Definition(unit(self.name), name, pieces)
        return found

    def _pieces(self, node: Statement) -> Iterator[Piece]:
        """With the comment above it; a class in as many as it has methods, and one more."""
        start = min(one.lineno for one in (node, *getattr(node, "decorator_list", []))) - 1
        while self.lines[start - 1].startswith("#"):
            start -= 1
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        for part in parts:
            end = part.end_lineno or 0
            method = part.name if part is not node and isinstance(part, ast.FunctionDef) else ""
            yield piece(method, self._text(start, end, part), part)
            start = end
        if isinstance(node, ast.ClassDef):
            around = [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]
            yield Piece("", "", frozenset().union(*map(_free, around)), frozenset())

    def _text(self, start: int, end: int, node: ast.AST) -> str:
        """Without assertions, which here tell types, and other remarks to the type checker."""
        asserted = {
            line
            for one in ast.walk(node)
            if isinstance(one, ast.Assert)
            for line in range(one.lineno - 1, one.end_lineno or 0)
        }
        kept = (self.lines[n] for n in range(start, end) if n not in asserted)
        return FOR_TYPES.sub("", "\n".join(kept))

    def _table(self, node: ast.AnnAssign, table: ast.Dict) -> ByName:
        start = "\n".join(self.lines[node.lineno - 1 : table.lineno])
        entries = {
            key.value: f'"{key.value}": {ast.unparse(value)}'
            for key, value in zip(table.keys, table.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
        return ByName(start[: start.rindex("{") + 1], entries)


@dataclass(frozen=True)
class Family:
    """A folder of the layers, read as one module: its files' definitions as `__all__` has them."""

    name: str

    @cached_property
    def files(self) -> list[Source]:
        """Those that its `__init__` imports."""
        nodes = (one for one in Source(self.name).tree.body if isinstance(one, ast.ImportFrom))
        return [Source(one.module) for one in nodes if one.module]

    @cached_property
    def legend(self) -> str:
        return Source(self.name).legend

    @cached_property
    def imports(self) -> dict[str, Import]:
        every = {name: one for file in self.files for name, one in file.imports.items()}
        return {name: one for name, one in every.items() if one.module != self.name}

    @cached_property
    def definitions(self) -> dict[str, Definition | ByName]:
        every = {name: one for file in self.files for name, one in file.definitions.items()}
        order: list[str] = import_module(self.name).__all__
        assert set(order) == set(every), f"{self.name}.__all__ must name {sorted(every)}"
        return {name: every[name] for name in order}


@cache
def source_of(name: str) -> Source | Family:
    """The file or folder of that name, each read once."""
    return Family(name) if hasattr(import_module(name), "__path__") else Source(name)


def unit(module: str) -> str:
    """The file or folder, directly in layers/, that holds a module; others as they are."""
    inside = module.removeprefix(LAYERS)
    return module if inside == module else LAYERS + inside.split(".")[0]


def piece(method: str, text: str, node: ast.AST) -> Piece:
    kept = [one for one in ast.walk(node) if isinstance(one, ast.Attribute)]
    return Piece(method, text, frozenset(_free(node)), frozenset(one.attr for one in kept))


def _name(node: Statement) -> str:
    match node:
        case ast.ClassDef() | ast.FunctionDef():
            return node.name
        case _:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            assert isinstance(target, ast.Name)
            return target.id


def _free(node: ast.AST) -> set[str]:
    """The names that code takes from around it: those of assertions are not copied, and each
    function hides its own ones."""
    found, bound = set[str](), set[str]()
    ahead = [node] if not isinstance(node, ast.FunctionDef) else list(ast.iter_child_nodes(node))
    while ahead:
        one = ahead.pop()
        if isinstance(one, ast.Assert):
            continue
        if isinstance(one, ast.FunctionDef):
            found |= _free(one)
            continue
        if isinstance(one, ast.arg):
            bound.add(one.arg)
        if isinstance(one, ast.Name):
            (bound if isinstance(one.ctx, ast.Store) else found).add(one.id)
        ahead += ast.iter_child_nodes(one)
    return found - bound if isinstance(node, ast.FunctionDef) else found
