"""An export that dies anywhere leaves the old folder, the new one or none, and no harm."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skipsearch.studies.exporting.folder import replacing
from skipsearch.studies.models.exported_config import CONFIG, OURS

STEPS = 40  # more than there are


def write(target: Path, text: str) -> None:
    with replacing(target, force=True) as part:
        (part / CONFIG).write_text(json.dumps({OURS: text}))
        (part / "model.py").write_text(text)


def there(target: Path) -> str | None:
    """Which export is whole in its place."""
    if not target.exists():
        return None
    text = (target / "model.py").read_text()
    assert json.loads((target / CONFIG).read_text()) == {OURS: text}
    return text


def dies_at(step: int, action: Callable[[], None]) -> bool:
    """Runs it in a child that ends, as if killed, before its `step`-th look at the file system.
    False where it came to its end.
    """
    child = os.fork()
    if child == 0:
        _count_down(step)
        try:
            action()
        except BaseException:
            os._exit(3)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    return status == 9


def _count_down(step: int) -> None:
    left = step

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return function(*args, **kwargs)

        return call

    for name in ("mkdir", "rename", "write_text"):
        setattr(Path, name, counted(getattr(Path, name)))
    for name in ("fsync", "unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("before", ["old", None])
def test_killed_at_any_step_it_is_the_old_one_the_new_one_or_none(
    tmp_path: Path, before: str | None
) -> None:
    seen = []
    for step in range(STEPS):
        place = Path(tempfile.mkdtemp(dir=tmp_path))
        target = place / "out"
        if before:
            write(target, before)
        killed = dies_at(step, lambda target=target: write(target, "new"))  # type: ignore[misc]
        seen.append(there(target))
        assert seen[-1] in (before, "new", None)
        with replacing(place / "out", force=True):  # the next one mends what is left
            left = there(target)
            assert left in (before, "new") and (left == "new" or seen[-1] != "new")
            (place / f".out.new-{os.getpid()}" / CONFIG).write_text(json.dumps({OURS: "last"}))
            (place / f".out.new-{os.getpid()}" / "model.py").write_text("last")
        assert there(target) == "last" and [p.name for p in place.iterdir()] == ["out"]
        shutil.rmtree(place)
        if not killed:
            break
    assert not killed and {before, "new"} <= set(seen) and len(seen) > 8


def test_an_error_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    with pytest.raises(OSError, match="disk full"), replacing(tmp_path / "out", force=True) as part:
        (part / "half").write_text("half")
        raise OSError("disk full")
    assert there(tmp_path / "out") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_living_export_writes_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".out.new-{os.getppid()}"
    other.mkdir()
    write(tmp_path / "out", "new")
    assert other.is_dir() and there(tmp_path / "out") == "new"
