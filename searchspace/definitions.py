"""Definitions of the layers as text, and which of them need which: what an exported file copies."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from inspect import getsource
from types import ModuleType

from searchspace import layers
from searchspace.plan import WIDTH

LAYERS = f"{layers.__name__}."
FOR_TYPES = re.compile(r"  # type: ignore\[.*\]$", re.MULTILINE)
Statement = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True, order=True)
class Import:
    """`from module import name`, or `import module` where the name is empty."""

    module: str
    name: str


@dataclass(frozen=True)
class Definition:
    """A class, function or constant of a module's top level; `needs` are the names it uses."""

    module: str
    name: str
    text: str
    needs: frozenset[str]


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
                found[_name(node)] = _definition(self.name, _name(node), self._text(node))
        return found

    def _text(self, node: Statement) -> str:
        """With the comment above it, without what only we need."""
        first = min(one.lineno for one in (node, *getattr(node, "decorator_list", []))) - 1
        while self.lines[first - 1].startswith("#"):
            first -= 1
        dropped = {line for one in _dropped(node) for line in self._span(one)}
        kept = (n for n in range(first, node.end_lineno or 0) if n not in dropped)
        return FOR_TYPES.sub("", "\n".join(self.lines[n] for n in kept).rstrip())

    def _span(self, node: ast.stmt) -> Iterator[int]:
        """The lines of a statement and the empty ones above it."""
        first = node.lineno - 1
        while not self.lines[first - 1].strip():
            first -= 1
        yield from range(first, node.end_lineno or 0)

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

    def closure(self, classes: Iterable[type]) -> list[Definition]:
        """The layers among the classes and all that they use, module by module: each after those
        it imports, its definitions in the order of its file."""
        modules: dict[str, set[str]] = {}
        for one in classes:
            if one.__module__.startswith(LAYERS):
                self._add(one.__module__, one.__name__, modules)
        found = []
        for module in self._ordered(modules):
            names = (name for name in source_of(module).definitions if name in modules[module])
            found += [self._definition(module, name) for name in names]
        return found

    def imports(self, needed: Iterable[Definition]) -> set[Import]:
        """What they need from outside of the layers."""
        found = set()
        for one in needed:
            known = source_of(one.module).imports
            found |= {known[name] for name in one.needs if name in known}
        return {one for one in found if not one.module.startswith(LAYERS)}

    def _definition(self, module: str, name: str) -> Definition:
        found = source_of(module).definitions[name]
        if isinstance(found, ByName):
            return _definition(module, name, found.text(self.named))
        return found

    def _add(self, module: str, name: str, modules: dict[str, set[str]]) -> None:
        if name in modules.setdefault(module, set()):
            return
        modules[module].add(name)
        source = source_of(module)
        for needed in sorted(self._definition(module, name).needs):
            if needed in source.definitions:
                self._add(module, needed, modules)
            elif needed in source.imports and source.imports[needed].module.startswith(LAYERS):
                self._add(source.imports[needed].module, needed, modules)

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


def _definition(module: str, name: str, text: str) -> Definition:
    return Definition(module, name, text, frozenset(_free(ast.parse(text))))


def _dropped(node: ast.AST) -> list[ast.stmt]:
    """Methods that count multiply-accumulates, and assertions, which here tell types."""
    found: list[ast.stmt] = []
    for one in ast.walk(node):
        if isinstance(one, ast.Assert) or (isinstance(one, ast.FunctionDef) and one.name == "macs"):
            found.append(one)
    return found


def _name(node: Statement) -> str:
    match node:
        case ast.ClassDef() | ast.FunctionDef():
            return node.name
        case _:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            assert isinstance(target, ast.Name)
            return target.id


def _free(node: ast.AST) -> set[str]:
    """The names that code takes from around it; each function hides its own ones."""
    found, bound = set[str](), set[str]()
    ahead = list(ast.iter_child_nodes(node))
    while ahead:
        one = ahead.pop()
        if isinstance(one, ast.FunctionDef):
            found |= _free(one)
            continue
        if isinstance(one, ast.arg):
            bound.add(one.arg)
        if isinstance(one, ast.Name):
            (bound if isinstance(one.ctx, ast.Store) else found).add(one.id)
        ahead += ast.iter_child_nodes(one)
    return found - bound if isinstance(node, ast.FunctionDef) else found
