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
    """Some lines of a definition: a method, or what stands around the methods."""

    method: str  # its name, "" for what stands around
    text: str
    needs: frozenset[str]  # names that it uses
    calls: frozenset[str]  # attributes that it uses


@dataclass(frozen=True)
class Definition:
    """A class, function or constant of a module's top level."""

    module: str
    name: str
    pieces: tuple[Piece, ...]

    def of(self, called: Set[str]) -> "Definition":
        """Return the definition without methods that nothing calls."""
        kept = (one for one in self.pieces if one.method in called or one.method in IMPLIED)
        return replace(self, pieces=tuple(kept))

    @property
    def text(self) -> str:
        """The code, as it is copied."""
        return "\n".join(one.text for one in self.pieces).rstrip()

    @property
    def needs(self) -> frozenset[str]:
        """The names that the code uses from around it."""
        return frozenset().union(*(one.needs for one in self.pieces))


@dataclass(frozen=True)
class ByName:
    """A table by name, such as `INITIALISATIONS`."""

    start: str  # the code up to its brace
    entries: dict[str, str]  # the code of each entry

    def text(self, named: frozenset[str]) -> str:
        """Return the table's code with the named entries alone, on one line if they fit."""
        kept = [entry for key, entry in self.entries.items() if key in named]
        line = f"{self.start}{', '.join(kept)}}}"
        if len(line) <= WIDTH:
            return line
        return "\n".join([self.start, *(f"    {entry}," for entry in kept), "}"])


@dataclass(frozen=True)
class Source:
    """The text of one module of the layers."""

    name: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the file."""
        return getsource(self.module).splitlines()

    @cached_property
    def module(self) -> ModuleType:
        """The module, imported."""
        return import_module(self.name)

    @cached_property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse("\n".join(self.lines))

    @cached_property
    def legend(self) -> str:
        """The paragraph of its docstring that explains the letters of shapes, or ""."""
        paragraphs = (ast.get_docstring(self.tree) or "").split("\n\n")
        return next((text for text in paragraphs if text.startswith("Shapes:")), "")

    @cached_property
    def imports(self) -> dict[str, Import]:
        """The module's imports, by the name that it gives them."""
        found: dict[str, Import] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                found |= {a.name: Import(unit(node.module or ""), a.name) for a in node.names}
            if isinstance(node, ast.Import):
                found |= {a.name: Import(a.name, "") for a in node.names}
        return found

    @cached_property
    def definitions(self) -> dict[str, Definition | ByName]:
        """Classes, functions and constants at the top level, in the order of the file."""
        found: dict[str, Definition | ByName] = {}
        for node in self.tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
                found[_name(node)] = self._table(node, node.value)
            elif isinstance(node, Statement):
                name, pieces = _name(node), tuple(self._pieces(node))
                found[name] = Definition(unit(self.name), name, pieces)
        return found

    def _pieces(self, node: Statement) -> Iterator[Piece]:
        """Cut a statement, with the comment above it, into pieces: for a class, its methods."""
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
        """Return lines without remarks to the type checker: comments, and assertions of types."""
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
    """A folder of the layers, read as one module with its definitions in the order of `__all__`."""

    name: str

    @cached_property
    def files(self) -> list[Source]:
        """The files that its `__init__` imports from."""
        nodes = (one for one in Source(self.name).tree.body if isinstance(one, ast.ImportFrom))
        return [Source(one.module) for one in nodes if one.module]

    @cached_property
    def legend(self) -> str:
        """The legend of shapes in the folder's docstring, or ""."""
        return Source(self.name).legend

    @cached_property
    def imports(self) -> dict[str, Import]:
        """The imports of all files, but for those from each other."""
        every = {name: one for file in self.files for name, one in file.imports.items()}
        return {name: one for name, one in every.items() if one.module != self.name}

    @cached_property
    def definitions(self) -> dict[str, Definition | ByName]:
        """The definitions of all files, in the order of `__all__`."""
        every = {name: one for file in self.files for name, one in file.definitions.items()}
        order: list[str] = import_module(self.name).__all__
        assert set(order) == set(every), f"{self.name}.__all__ must name {sorted(every)}"
        return {name: every[name] for name in order}


@cache
def source_of(name: str) -> Source | Family:
    """Return the file or folder of that name; each is read once."""
    return Family(name) if hasattr(import_module(name), "__path__") else Source(name)


def unit(module: str) -> str:
    """Return the file or folder directly in layers/ that holds a module, else the module itself."""
    inside = module.removeprefix(LAYERS)
    return module if inside == module else LAYERS + inside.split(".")[0]


def piece(method: str, text: str, node: ast.AST) -> Piece:
    """Make a piece of some code, whose names are looked up in its syntax tree."""
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
    """Collect the names that code takes from around it.

    Assertions are not copied, so theirs are left out; a function hides the names that it binds.
    """
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
