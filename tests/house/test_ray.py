"""Ray is imported by the executor on Ray alone; what does without it loads none of it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from tests.support import ROOT
from tests.support.imports import files
from tests.support.trained_study import GIVEN

TRAINABLE = ROOT / "trainers" / "trial" / "ray_trainable.py"
COMMANDS = (  # of a study named `tiny` in this folder
    "run tiny.toml --serial --quiet",
    "run tiny.toml --serial --set trials=2",
    "retrain tiny --trials 0 --seeds 1 --epochs 1 --serial",
    "status tiny",
    "front tiny",
    "pick tiny --rule best",
    "compare tiny",
    "export tiny --trial 0 --formats none --to exported",
    "evaluate exported",
    "analyze gradient-flow tiny#0 --batches 1 --to analyzed",
)
PROGRAM = f"""
import sys
from skipsearch.studies.cli import main

for command in {COMMANDS!r}:
    sys.argv = ["skipsearch", *command.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
    assert "ray" not in sys.modules, command
"""


def may_know_ray(path: Path) -> bool:
    in_executors = path.parent == ROOT / "studies" / "executors"
    return path == TRAINABLE or (in_executors and path.name.startswith("ray_"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported below a node: inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_ray(tree: ast.AST) -> bool:
    return any(name.split(".")[0] == "ray" for name in imported(tree))


def at_once(node: ast.AST) -> Iterator[str]:
    """Full names of what is imported as soon as a module is."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from at_once(child)
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from imported(child)


def loads_ray(tree: ast.Module) -> bool:
    """A file that may know Ray is imported as soon as this one is."""
    return any(part.startswith("ray_") for name in at_once(tree) for part in name.split("."))


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_ray_is_imported_by_its_executor_and_its_trainable_alone(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert may_know_ray(path) or not (imports_ray(tree) or loads_ray(tree))


@pytest.mark.parametrize(
    "text",
    [
        "import ray",
        "import os, ray.tune as tune",
        "from ray import tune",
        "from ray.tune.search import Searcher",
        "def train():\n    from ray import tune",
        "class Searcher:\n    def suggest(self):\n        import ray",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ray.tune import Trial",
    ],
)
def test_an_import_of_ray_is_found_wherever_it_stands(text: str) -> None:
    assert imports_ray(ast.parse(text))


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ("from skipsearch.studies.executors import ray_tune, serial", True),
        ("from skipsearch.studies.executors.ray_tune import train", True),
        ("def train():\n    from skipsearch.studies.executors import ray_tune", False),
        ("class A:\n    def train(self):\n        import skipsearch.x.ray_tune", False),
        ("class A:\n    import skipsearch.x.ray_tune", True),
        ("from skipsearch.studies.page.contents import array, rays", False),
    ],
)
def test_a_file_that_knows_ray_is_imported_inside_functions(text: str, loads: bool) -> None:
    assert loads_ray(ast.parse(text)) == loads


def test_ray_is_not_loaded_by_commands_that_train_in_this_process_or_not_at_all(
    tmp_path: Path,
) -> None:
    small = {**GIVEN, "study": {**GIVEN["study"], "trials": 1}}
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(small))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
