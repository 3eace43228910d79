"""The definitions of the layers that a network needs: what an exported file copies."""

import ast
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from skipsearch.searchspace.codegen.layer_source import (
    LAYERS,
    ByName,
    Definition,
    Import,
    piece,
    source_of,
    unit,
)


@dataclass(frozen=True)
class Library:
    """The definitions of the layers, with tables reduced to the entries that a plan names."""

    named: frozenset[str]  # strings that the plan passes

    def closure(self, classes: Sequence[type]) -> list[Definition]:
        """List the definitions of the layers among `classes` and of all that they use.

        They come module by module, each module after those it imports, in the order of its file.
        Methods that none of them calls are left out, and what only those would use.
        """
        found, called = self._closure(classes, None), set[str]()
        while (now := {name for one in found for p in one.pieces for name in p.calls}) != called:
            called = now
            found = self._closure(classes, called)
        return found

    def _closure(self, classes: Iterable[type], called: Set[str] | None) -> list[Definition]:
        modules: dict[str, set[str]] = {}
        for one in classes:
            if one.__module__.startswith(LAYERS):
                self._add(unit(one.__module__), one.__name__, modules, called)
        found = []
        for module in self._ordered(modules):
            names = (name for name in source_of(module).definitions if name in modules[module])
            found += [self._definition(module, name, called) for name in names]
        return found

    def imports(self, needed: Iterable[Definition]) -> set[Import]:
        """Return the imports that the definitions need from outside of the layers."""
        found = set()
        for one in needed:
            known = source_of(one.module).imports
            found |= {known[name] for name in one.needs if name in known}
        return {one for one in found if not one.module.startswith(LAYERS)}

    def _definition(self, module: str, name: str, called: Set[str] | None) -> Definition:
        found = source_of(module).definitions[name]
        if isinstance(found, ByName):
            text = found.text(self.named)
            return Definition(module, name, (piece("", text, ast.parse(text)),))
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
