"""docs/architecture.md and its picture say what the code is."""

import re
import runpy

import pytest

from tests.support import ROOT
from tests.support.imports import between_rooms, levels

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_of_the_rooms_is_drawn_from_the_imports() -> None:
    """Made anew by: python docs/draw_rooms.py"""
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_rooms.py"))["picture"]()
    assert drawn == (ROOT / "docs" / "rooms.svg").read_text(encoding="utf-8")


def test_its_figures_are_those_of_the_imports() -> None:
    rooms = between_rooms()
    arrows = sum(map(len, rooms.values()))
    said = f"{len(rooms)} rooms on {max(levels(rooms).values())} floors, {arrows} arrows"
    assert said in " ".join(TEXT.split())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", TEXT))))
def test_every_file_that_it_names_is_there(path: str) -> None:
    assert (ROOT / path).is_file()
