"""Imports run one way, through floors, rooms and libraries."""

import ast
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import (
    FLOORS,
    between_files,
    between_rooms,
    circles,
    files,
    imports,
    levels,
    module_of,
    tree,
)

# A room may import its own files and those of rooms before it.
ORDER = {
    "searchspace": ["layers", "parameters", "arch", "assembly", "codegen", "presets"],
    "trainers": ["atomic_write", "data", "recipe", "loop", "trial"],
    "studies": [
        "pareto",
        "humanize",
        "web",
        "config",
        "storage",
        "surrogate",
        "pruning",
        "results",
        "samplers",
        "executors",
        "models",
        "page",
        "dashboard",
        "engine",
        "exporting",
        "retraining",
        "run_study",
        "terminal",
        "analysis",
        "cli",
    ],
}
LIBRARIES = {  # which parts may import it; every other may not
    "optuna": ("studies", "skipsearch.handle"),
    "rich": ("studies.terminal", "studies.cli", "studies.analysis"),
    "typer": ("studies.cli",),
    "torch": ("searchspace", "trainers", "studies"),
}
COMPILED = {"numba", "llvmlite", "numpy", *sys.stdlib_module_names}
by_path = pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))


@by_path
def test_floors_import_downwards(path: Path) -> None:
    own = module_of(path).split(".")[0]
    allowed = FLOORS[: FLOORS.index(own) + 1] if own in FLOORS else FLOORS
    for one in imports(path):
        first = one.module.split(".")[0]
        assert first in allowed or first not in FLOORS, f"{one}: {own} is below {first}"


@by_path
def test_rooms_import_in_their_order(path: Path) -> None:
    floor, *inside = module_of(path).split(".")
    if floor not in FLOORS or not inside:
        return
    order, room = ORDER[floor], inside[0]
    assert room in order, f"{path.relative_to(ROOT)} is in no room of {floor}/ that ORDER names"
    for one in imports(path):
        parts = one.module.split(".")
        if parts[0] == floor and len(parts) > 1:
            assert order.index(parts[1]) <= order.index(room), f"{one}: {room} is before {parts[1]}"
        if parts[0] == floor and len(parts) == 1:
            assert floor == "searchspace", f"{one}: name the module"


def test_no_files_import_in_a_circle() -> None:
    assert circles(between_files()) == []


def test_the_house_has_at_most_23_rooms_on_10_floors() -> None:
    rooms = between_rooms()
    assert len(rooms) + 1 <= 23  # and benchmarks
    assert max(levels(rooms).values()) <= 10


@by_path
def test_a_library_is_imported_where_it_belongs(path: Path) -> None:
    own = module_of(path)
    for one in imports(path):
        homes = LIBRARIES.get(one.module.split(".")[0], (own,))
        assert own.startswith(homes), f"{one}, which belongs to {', '.join(homes)}"


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "searchspace" / "layers").rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_layers_import_torch_only(path: Path) -> None:
    """Compiled loops import what compiles them and the standard library, too."""
    compiled = COMPILED if "compiled" in path.parts else set()
    allowed = ("torch", "searchspace.layers", "collections.abc", "typing", "math")
    for one in imports(path):
        assert one.module.startswith(allowed) or one.module.split(".")[0] in compiled, str(one)


@by_path
def test_attributes_of_trials_and_studies_are_read_and_written_in_storage(path: Path) -> None:
    """By name and type: `storage.trial_record` and `storage.study_record`."""
    if module_of(path).startswith("studies.storage"):
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            assert node.attr not in ("user_attrs", "set_user_attr"), where
