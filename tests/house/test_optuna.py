"""What only the rooms that speak Optuna's inner language may say."""

import re
from pathlib import Path

import pytest

from tests.support import ROOT

ROOMS = {ROOT / "studies" / "storage", ROOT / "studies" / "samplers"}
FILES = [
    path
    for folder in ("searchspace", "trainers", "studies", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ROOMS.isdisjoint(path.parents)
]
PRIVATE = re.compile(r"\._(trial_id|study_id|storage)\b|\boptuna\.(\w+\.)*_(?!_)")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_private_names_of_optuna_are_said_in_storage_and_samplers_alone(path: Path) -> None:
    """Elsewhere `study_id`, `trial_id`, `storage_of` of `studies/storage/connect.py`."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        said = PRIVATE.search(line)
        assert not said, f"{path.relative_to(ROOT)}:{number} says {said and said[0]}"
