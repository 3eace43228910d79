"""A study that is killed anywhere loses nothing, repeats nothing, and ends as if it were not."""

from pathlib import Path

import pytest
from killed import Killed, killed_at, outcome, small_study, train, violations


def test_a_study_that_is_killed_at_any_statement_ends_like_one_that_was_not(
    tmp_path: Path,
) -> None:
    """Every 173rd statement here; `benchmarks/survival.py` has all of them."""
    study = small_study()
    with killed_at(0) as count:
        whole = train(study, tmp_path / "whole")
    statements = count[0]
    assert statements > 300 and not violations(study, whole, tmp_path / "whole")
    for statement in range(1, statements, 173):
        folder = tmp_path / str(statement)
        with killed_at(statement), pytest.raises(Killed):
            train(study, folder)
        done = train(study, folder)
        assert violations(study, done, folder) == [], f"killed at statement {statement}"
        assert outcome(done) == outcome(whole), f"killed at statement {statement}"
