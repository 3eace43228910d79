"""A file holds one idea, a room a few files."""

import ast
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import FLOORS, files, tree

LINES, FUNCTION = 300, 60
ROOM = range(2, 13)  # files; `__init__.py` is not counted
LOOSE = {"__init__.py", "humanize.py", "pareto.py", "run_study.py"}  # directly in studies/
EXCEPTED = {"searchspace/layers"}  # a file for each published layer
by_path = pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))


@by_path
def test_a_file_has_at_most_300_lines_and_a_function_less_than_60(path: Path) -> None:
    assert path.read_text().count("\n") <= LINES
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None and node.end_lineno - node.lineno < FUNCTION, (
                node.name
            )


def rooms() -> list[Path]:
    return sorted({path.parent for path in files()} - {ROOT / floor for floor in FLOORS})


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_has_2_to_12_files(room: Path) -> None:
    if str(room.relative_to(ROOT)) not in EXCEPTED:
        inside = [path for path in room.iterdir() if path.suffix == ".py" or path.is_dir()]
        count = sum(path.name not in ("__init__.py", "__pycache__") for path in inside)
        assert count in ROOM


def test_no_file_lies_directly_in_studies_but_those_that_are_rooms() -> None:
    assert {path.name for path in (ROOT / "studies").glob("*.py")} == LOOSE


def test_every_room_says_its_purpose() -> None:
    for path in files():
        if path.name == "__init__.py":
            assert ast.get_docstring(tree(path)), path
