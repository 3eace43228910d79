"""Definitions of the layers as text, and which of them need which: what an exported file copies."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence, Set
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
                found |= {a.name: Import(node.module or "", a.name) for a in node.names}
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
                found[_name(node)] = Definition(self.name, _name(node), tuple(self._pieces(node)))
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
            yield _piece(method, self._text(start, end, part), part)
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


source_of = cache(Source)


@dataclass(frozen=True)
class Library:
    """All that the layers define, as far as a plan with these names needs it."""

    named: frozenset[str]

    def closure(self, classes: Sequence[type]) -> list[Definition]:
        """The layers among the classes and all that they use, module by module: each after those
        it imports, its definitions in the order of its file. Without methods that none of them
        calls, and what only those would use."""
        found, called = self._closure(classes, None), set[str]()
        while (now := {name for one in found for p in one.pieces for name in p.calls}) != called:
            called = now
            found = self._closure(classes, called)
        return found

    def _closure(self, classes: Iterable[type], called: Set[str] | None) -> list[Definition]:
        modules: dict[str, set[str]] = {}
        for one in classes:
            if one.__module__.startswith(LAYERS):
                self._add(one.__module__, one.__name__, modules, called)
        found = []
        for module in self._ordered(modules):
            names = (name for name in source_of(module).definitions if name in modules[module])
            found += [self._definition(module, name, called) for name in names]
        return found

    def imports(self, needed: Iterable[Definition]) -> set[Import]:
        """What they need from outside of the layers."""
        found = set()
        for one in needed:
            known = source_of(one.module).imports
            found |= {known[name] for name in one.needs if name in known}
        return {one for one in found if not one.module.startswith(LAYERS)}

    def _definition(self, module: str, name: str, called: Set[str] | None) -> Definition:
        found = source_of(module).definitions[name]
        if isinstance(found, ByName):
            text = found.text(self.named)
            return Definition(module, name, (_piece("", text, ast.parse(text)),))
        return found if called is None else found.of(called)

    def _add(
        self, module: str, name: str, modules: dict[str, set[str]], called: Set[str] | None
    ) -> None:
        if name in modules.setdefault(module, set()):
            return
        modules[module].add(name)
        source = source_of(module)
        for needed in sorted(self._definition(module, name, called).needs):
            if needed in source.definitions:
                self._add(module, needed, modules, called)
            elif needed in source.imports and source.imports[needed].module.startswith(LAYERS):
                self._add(source.imports[needed].module, needed, modules, called)

    def _ordered(self, modules: dict[str, set[str]]) -> list[str]:
        ordered: list[str] = []

        def visit(module: str) -> None:
            if module in ordered:
                return
            for name in sorted({i.module for i in source_of(module).imports.values()}):
                if name in modules:
                    visit(name)
            ordered.append(module)

        for module in modules:
            visit(module)
        return ordered


def _piece(method: str, text: str, node: ast.AST) -> Piece:
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
