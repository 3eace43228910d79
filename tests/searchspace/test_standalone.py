"""A network as one file: presets and networks of the space, in one bare interpreter."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import torch

from skipsearch.searchspace import PRESETS, Arch, build, layers, override
from skipsearch.searchspace.assembly.assemble import features
from skipsearch.searchspace.assembly.meta_shapes import Shapes
from skipsearch.searchspace.codegen.layer_source import LAYERS, Definition, source_of
from skipsearch.searchspace.codegen.standalone import standalone
from tests.support import ROOT
from tests.support.random_archs import draw
from tests.support.sampled import spread
from tests.support.standalone_runner import measured, uncollected

LARGE = 500_000  # parameters
SMALL = (3, 20, 24)


class Case:
    """A network, as it is exported, and the images that it is run on."""

    def __init__(self, arch: Arch, classes: int, shape: tuple[int, int, int], params: int) -> None:
        self.arch, self.classes, self.shape = arch, classes, shape
        channels, height, width = shape
        less = {224: 7, 32: 2}.get(height, 1)  # what is left for the deepest stage is a pixel
        size = channels, height // less, width // less
        self.about = {"shape": size, "large": params > LARGE}

    def text(self, name: str) -> str:
        made = {"classes": self.classes, "shape": self.shape, "name": name}
        return standalone(self.arch, **made, about=f"{name}.\n\nA network.")

    def measured(self) -> dict[str, Any]:
        return measured(
            lambda: build(self.arch, classes=self.classes, shape=self.shape), self.about
        )


def every() -> Iterator[tuple[str, Case]]:
    """All presets and 200 networks of the space."""
    for name, preset in PRESETS.items():
        file = re.sub(r"\W", "_", name)
        yield file, Case(preset.arch, preset.classes, preset.shape, preset.params)
    for number, arch in enumerate(draw(200, seed=5)):
        yield f"drawn_{number}", Case(arch, 5, SMALL, 0)


@pytest.fixture(scope="module")
def cases(pytestconfig: pytest.Config) -> dict[str, Case]:
    """All that there are under `--full`, 60 of them without."""
    named = list(every())
    count = len(named) if pytestconfig.getoption("full") else 60
    return dict(named[at] for at in spread(len(named), count, seed="standalone"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, cases: dict[str, Case]) -> Path:
    """A folder with the file of every case."""
    folder = tmp_path_factory.mktemp("alone")
    for name, case in cases.items():
        (folder / f"{name}.py").write_text(case.text(name))
    about = {name: case.about for name, case in cases.items()}
    (folder / "about.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def texts(written: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted(written.glob("*.py"))}


def text_of(preset: str) -> str:
    """The file of a preset of DIA."""
    one = PRESETS[f"dia/{preset}"]
    case = Case(one.arch, one.classes, one.shape, one.params)
    return case.text(f"dia_{preset.replace('-', '_')}")


@pytest.fixture(scope="module")
def elsewhere(written: Path) -> dict[str, Any]:
    """What came of the files in an interpreter that cannot import this project."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            str(ROOT / "tests" / "support" / "standalone_runner.py"),
            str(written),
        ],
        cwd=written.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_presets_and_drawn_networks_are_the_same_without_this_project(
    cases: dict[str, Case], elsewhere: dict[str, Any]
) -> None:
    """The same weights from the same seed, under the same names, which is what a strict load asks
    for; with them the same logits, bit for bit.
    """
    assert cases.keys() == elsewhere.keys()
    with uncollected():
        differing = [name for name, case in cases.items() if case.measured() != elsewhere[name]]
    assert not differing


def test_exported_files_are_formatted_and_lint_clean(written: Path) -> None:
    ours = ["--isolated", "--line-length", "100"]
    rules = ["--select", "E,F,I,B,UP,SIM,RUF", "--ignore", "RUF001,RUF002,RUF003"]
    for command in (["format", "--check", *ours], ["check", *ours], ["check", *ours, *rules]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", str(written)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:]


PUBLIC = {"build", "backbone", "register_with_timm"}
IMPLIED = {"__init__", "forward", "backward"}


def test_an_exported_file_has_nothing_that_its_network_does_not_use(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        words = Counter(re.findall(r"[\w.]+", text))
        used = {part for word in words for part in word.split(".")[1:]}
        for kind, defined in re.findall(r"^(class|def) (\w+)", text, re.MULTILINE):
            count = sum(words[word] for word in words if word.split(".")[0] == defined)
            assert count > 1 or defined in PUBLIC, f"{name}: {kind} {defined}"
        methods = set(re.findall(r"^    def (\w+)\(\s*(?:self|ctx)", text, re.MULTILINE))
        assert methods <= used | IMPLIED, f"{name}: {methods}"


def test_exported_files_need_torch_and_the_standard_library_alone(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        roots = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
        assert roots <= {"torch", "collections", "typing", "math"}, name


def test_no_two_definitions_of_the_layers_have_one_name() -> None:
    """They come together in one file."""
    modules = [one.name for one in iter_modules(layers.__path__, LAYERS)]
    units = [one for one in modules if one != f"{LAYERS}compiled"]  # which is never exported
    names = [name for unit in units for name in source_of(unit).definitions]
    assert len(names) == len(set(names)) > 100


def test_a_table_by_name_keeps_the_entries_that_the_plan_names() -> None:
    text = text_of("resnet164-dia")
    assert '= {"convolutions": convolutions}' in text
    assert "def kaiming" not in text and "def small" not in text
    whole = source_of(f"{LAYERS}initialise").definitions["kaiming"]
    assert isinstance(whole, Definition) and whole.needs >= {"_layers", "_fan_out"}


def test_methods_that_nothing_calls_are_left_out() -> None:
    plain, recurrent = text_of("resnet164"), text_of("resnet164-dia")
    assert "def open(" in recurrent and "def open(" not in plain
    assert "def join(" in plain and "def macs" not in plain + recurrent


def test_the_docstring_comes_first_and_says_whose_ideas_these_are() -> None:
    tree = ast.parse(text_of("resnet164-dia"))
    about = ast.get_docstring(tree)
    assert about is not None and about.startswith("dia_resnet164_dia.\n\nA network.\n\nPapers: ")
    assert "https://arxiv.org/abs/1905.10671" in about


@pytest.mark.parametrize("length", range(90, 104))
def test_a_docstring_of_any_length_is_wrapped(length: int) -> None:
    made = {"classes": 10, "shape": (3, 32, 32), "name": "a"}
    about = ("word " * length)[:length].strip() + "."
    text = standalone(PRESETS["dia/resnet164-dia"].arch, **made, about=f"{about}\n\n{about}")
    assert max(map(len, text.splitlines())) <= 100
    said = ast.get_docstring(ast.parse(text)) or ""
    assert " ".join(said.split()).startswith(f"{about} {about} Papers: ")


@pytest.mark.parametrize("quote", ['"""', "\\", "'''", '"'])
def test_no_text_ends_the_docstring(quote: str) -> None:
    made = {"classes": 10, "shape": (3, 32, 32), "name": "a"}
    text = standalone(PRESETS["cnntention/resnet20"].arch, **made, about=f"A {quote} study{quote}")
    assert (ast.get_docstring(ast.parse(text)) or "").startswith("A ")


def test_features_are_counted_as_they_are() -> None:
    for arch in [*draw(20, seed=8), PRESETS["gradattn/rope"].arch]:
        with torch.device("meta"):
            network = build(arch, classes=5, shape=(3, 64, 64))
            with Shapes():
                maps = network.eval().forward_features(torch.zeros(1, 3, 64, 64))  # type: ignore[operator]
        found = features(arch)
        assert found.channels == tuple(x.shape[1] for x in maps)
        assert found.strides == tuple(64 // x.shape[2] for x in maps)


def test_a_shared_layer_is_one_in_the_file_too() -> None:
    changes = {"gate": "srm", "gate.srm.sharing": "stage"}
    text = standalone(
        override(Arch, changes), classes=10, shape=(3, 32, 32), name="shared", about="Shared."
    )
    module: dict[str, Any] = {"__name__": "shared"}
    exec(compile(text, "shared", "exec"), module)
    network = module["build"]()
    state = network.state_dict()
    network.load_state_dict({name: one.clone() for name, one in state.items()})
    kinds = [m for m in network.modules() if type(m).__name__ == "StyleWeights"]
    assert len(kinds) == 3  # one a stage
