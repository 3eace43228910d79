"""Draw the rooms of the house from the imports: python docs/draw_rooms.py writes docs/rooms.svg.

A box is a room (a folder of studies/, or a lower package as a whole) with the first words of its
docstring; a room stands above all that it imports. An arrow leads to each room that it imports and
that is not reached through another one. tests/house/ holds the picture against the code.
"""

import ast
import sys
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.imports import between_rooms, levels, modules, tree  # noqa: E402

SVG = ROOT / "docs" / "rooms.svg"
WIDTH, BOX, HIGH, GAP, LETTERS = 1180, 232, 64, 46, 36
STYLE = """
  .room { fill: #f5f8fc; stroke: #5c7ca3; }
  .floor { fill: #fff7e8; stroke: #b08a3c; }
  .name { font: 600 14px sans-serif; fill: #1f2328; }
  .words { font: 11px sans-serif; fill: #4a525b; }
  .arrow { fill: none; stroke: #5c7ca3; stroke-opacity: .55; }
"""


def picture() -> str:
    """The whole SVG as text."""
    rooms = between_rooms()
    floors = levels(rooms)
    top = max(floors.values())
    place: dict[str, tuple[float, float]] = {}
    for floor in range(1, top + 1):
        row = sorted(room for room in rooms if floors[room] == floor)
        for number, room in enumerate(row):
            x = WIDTH * (number + 1) / (len(row) + 1) - BOX / 2
            place[room] = x, 20 + (top - floor) * (HIGH + GAP)
    height = 20 + top * (HIGH + GAP)
    arrows = [
        _arrow(place[room], place[used])
        for room in sorted(rooms)
        for used in sorted(needed(rooms, room))
    ]
    boxes = [_box(room, *place[room]) for room in sorted(rooms)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
    )
    return head + "\n".join([*arrows, *boxes]) + "\n</svg>\n"


def needed(rooms: dict[str, set[str]], room: str) -> set[str]:
    """The rooms that it imports and that none of those imports (transitive reduction)."""
    return rooms[room] - {far for near in rooms[room] for far in reached(rooms, near)}


def reached(rooms: dict[str, set[str]], room: str) -> set[str]:
    found: set[str] = set()
    ahead = [*rooms[room]]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += rooms[one]
    return found


def _box(room: str, x: float, y: float) -> str:
    kind = "room" if room.startswith("studies.") else "floor"
    name = room.removeprefix("studies.")
    lines = textwrap.wrap(_purpose(room), LETTERS, max_lines=3, placeholder=" …")
    words = "".join(
        f'<text class="words" x="{x + 8:.0f}" y="{y + 32 + 12 * number:.0f}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{BOX}" height="{HIGH}" rx="6"/>'
        f'<text class="name" x="{x + 8:.0f}" y="{y + 17:.0f}">{escape(name)}</text>{words}'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + BOX / 2, start[1] + HIGH
    to_x, to_y = end[0] + BOX / 2, end[1]
    bend = (to_y - y) / 2
    return (
        f'<path class="arrow" d="M{x:.0f} {y:.0f} C{x:.0f} {y + bend:.0f} '
        f'{to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"/>'
    )


def _purpose(room: str) -> str:
    """The first sentence of its docstring."""
    text = " ".join((ast.get_docstring(tree(modules()[room])) or "").split())
    return text.split(". ")[0].rstrip(".").replace("`", "")


if __name__ == "__main__":
    SVG.write_text(picture(), encoding="utf-8")
    print(f"wrote {SVG.relative_to(ROOT)}")
