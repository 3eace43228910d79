"""Run the command line in this process and return status, output and error."""

import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from skipsearch.studies.cli import main
from tests.support.fake_study import make_study

Result = tuple[int, str, str]
Command = Callable[..., Result]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "study.db"
    with warnings.catch_warnings():  # Optuna calls copying experimental
        warnings.simplefilter("ignore")
        optuna.copy_study(
            from_study_name="fashion-mnist",
            from_storage=make_study()._storage,
            to_storage=f"sqlite:///{path}",
        )
    return path


@pytest.fixture
def here(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a working folder with one finished study."""
    home = tmp_path / "runs" / "fashion-mnist"
    home.mkdir(parents=True)
    shutil.copy(database, home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def skipsearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["skipsearch", *words])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return command
