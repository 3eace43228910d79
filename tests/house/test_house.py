"""The house rules that a machine can check."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

MAY_IMPORT = {
    "searchspace": {"searchspace"},
    "trainers": {"searchspace", "trainers"},
    "studies": {"searchspace", "trainers", "studies"},
}
FOREIGN = {"searchspace": {"ray", "optuna"}, "trainers": {"optuna"}, "studies": set[str]()}
FILES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """The packages that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("skipsearch.") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            assert node.module
            if node.module == "skipsearch":
                yield from (alias.name for alias in node.names)
            else:
                yield node.module.removeprefix("skipsearch.")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        root = name.split(".")[0]
        assert root not in set(MAY_IMPORT) - MAY_IMPORT[package], f"{path} imports {name}"
        assert root not in FOREIGN[package], f"{path} imports {name}"


def test_layers_import_torch_only() -> None:
    """Torch and what an exported file may import; compiled/, never exported, also numba."""
    layers = ROOT / "searchspace" / "layers"
    exported = ("torch", "searchspace.layers", "collections.abc", "typing", "math")
    compiled = {"numba", "llvmlite", "numpy", *sys.stdlib_module_names}
    for path in layers.rglob("*.py"):
        further = compiled if path.is_relative_to(layers / "compiled") else set[str]()
        for name in imports(path):
            allowed = name.startswith(exported) or name.split(".")[0] in further
            assert allowed, f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_has_at_most_300_lines_and_a_function_60(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None and node.end_lineno - node.lineno < 60, node.name
