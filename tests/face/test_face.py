"""`import skipsearch`, from wherever a user may import it."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skipsearch as sk
from tests.support import ROOT

FLOORS = ("searchspace", "trainers", "studies")
LOOK = "import skipsearch; print(skipsearch.__file__, skipsearch.StudyConfig.__module__)"


def python(code: str, folder: Path, *paths: Path) -> str:
    """Run code as a script in `folder` with `paths` on the path; what it prints."""
    script = folder / "script.py"
    script.write_text(code)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_of_the_face_is_there_and_explained() -> None:
    assert sorted(sk.__all__) == sorted(sk._HOMES)
    assert {*dir(sk)} == {*sk.__all__, "__version__"}
    for name in sk.__all__:
        assert getattr(sk, name).__doc__, name


def test_the_face_is_typed_as_it_is_loaded() -> None:
    """Each name is imported for type checkers from where it is loaded."""
    tree = ast.parse(Path(str(sk.__file__)).read_text())
    found = {
        alias.name: str(node.module).removeprefix("skipsearch.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skipsearch.")
        for alias in node.names
    }
    assert found == sk._HOMES


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fronts'"):
        _ = sk.fronts


def test_the_version_and_the_names_load_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, skipsearch as sk; sk.__version__, dir(sk)\n"
        "print({'torch', 'ray', 'optuna', 'pandas', 'numpy'} & {*sys.modules})"
    )
    assert python(code, tmp_path, ROOT / "src") == "set()\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder)
    (made,) = folder.glob("skipsearch-*.whl")
    with zipfile.ZipFile(made) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_holds_one_package_with_all_its_files(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {
        "skipsearch"
    }
    for floor in FLOORS:
        ours = {
            path.relative_to(ROOT / floor)
            for path in (ROOT / floor).rglob("*")
            if path.is_file() and path.suffix in (".py", ".html", ".css", ".js")
        }
        folder = wheel / "skipsearch" / floor
        assert ours == {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("installed", ["editable", "wheel"])
@pytest.mark.parametrize("packages", [True, False])
def test_a_users_own_folders_of_our_names_break_nothing_and_are_not_hidden(
    tmp_path: Path, wheel: Path, installed: str, packages: bool
) -> None:
    for floor in FLOORS:
        (tmp_path / floor).mkdir()
        (tmp_path / floor / "mine.py").write_text("HERE = 1\n")
        if packages:
            (tmp_path / floor / "__init__.py").write_text("")
    code = (
        "import studies.mine, trainers.mine, searchspace.mine, skipsearch as sk\n"
        "assert studies.mine.HERE == trainers.mine.HERE == searchspace.mine.HERE == 1\n"
        "print(sk.build(sk.PRESETS['cnntention/resnet20'].arch, classes=10).__class__.__module__)"
    )
    path = ROOT / "src" if installed == "editable" else wheel
    assert python(code, tmp_path, path) == "skipsearch.searchspace.layers.network\n"


@pytest.mark.parametrize("installed", ["editable", "wheel"])
def test_it_is_imported_from_the_parent_of_a_clone_of_its_name(
    tmp_path: Path, wheel: Path, installed: str
) -> None:
    """The clone's folder would be a namespace package, were there no other on the path."""
    (tmp_path / "skipsearch").symlink_to(ROOT)
    path = tmp_path / "skipsearch" / "src" if installed == "editable" else wheel
    file, module = python(LOOK, tmp_path, path).split()
    assert Path(file).parent.name == "skipsearch" and Path(file).name == "__init__.py"
    assert module == "skipsearch.studies.config.study_config"


def test_it_is_imported_from_an_empty_folder_and_from_the_clone(tmp_path: Path) -> None:
    assert "skipsearch/__init__.py" in python(LOOK, tmp_path, ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(ROOT / "skipsearch"))


def test_a_serial_run_in_the_clone_loads_no_second_copy(tmp_path: Path) -> None:
    code = (
        "import sys; from skipsearch.studies.cli import main\n"
        "sys.argv = ['skipsearch', 'run', 'examples/digits.toml', '--serial', '--quiet', "
        f"'--folder', {str(tmp_path)!r}, '--set', 'trials=1', '--set', 'epochs=1']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([n for n in sys.modules if n.split('.')[0] in {FLOORS!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_dash_m_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "skipsearch", "--version"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.startswith("skipsearch ")


def test_a_study_in_hand_has_its_results(runs: Path, tmp_path: Path) -> None:
    tiny = sk.load("tiny", folder=runs)
    assert tiny.name == tiny.study.study_name == tiny.config.name == "tiny"
    front = tiny.front()
    assert len(front) and front.equals(sk.front(tiny)) and front.equals(sk.front(tiny.study))
    assert len(tiny.trials()) == len(tiny.study.trials) == len(sk.trials(str(tiny.home)))
    best = tiny.pick("best")
    assert best.number == sk.pick(tiny, "best").number == front["trial"].iloc[0]
    made = tiny.export("best", to=tmp_path / "best")
    assert (made.folder / "model.py").is_file()
    assert str(best.number) in tiny._repr_html_()


def test_a_study_is_run_from_a_file_from_tables_and_from_its_config(tmp_path: Path) -> None:
    tables = {
        "study": {"name": "own", "dataset": "digits", "trials": 1, "epochs": 1},
        "space": {"stages": 2, "blocks": 1, "stem_channels": 8, "gate": "none", "head": "pool"},
    }
    done = sk.run(tables, folder=tmp_path, serial=True)
    assert done.home == tmp_path / "own" and len(done.study.trials) == 1
    again = sk.run(done.config, folder=tmp_path, serial=True)
    assert len(again.study.trials) == 1
    again = sk.run(done.home / "study.toml", ["trials=2"], folder=tmp_path, serial=True)
    assert len(again.study.trials) == 2
    with pytest.raises(ValueError, match="for a study file"):
        sk.run(tables, ["trials=2"], folder=tmp_path)
