"""What networks and studies are named by: one grammar, and one error for every command."""

import json
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.cli.options import TARGET
from skipsearch.studies.config.target import (
    NETWORKS,
    ArchFile,
    ExportFolder,
    PresetTarget,
    StoredStudy,
    StudyTarget,
    Target,
    TrialTarget,
    grammar,
    home_of,
    parse,
    parse_source,
    parse_study,
)
from skipsearch.studies.models.load import load
from skipsearch.studies.models.target import resolve
from skipsearch.studies.storage.find import find, trial_number
from tests.support.failure_cases import skipsearch

OF_NETWORKS = [
    ("describe",),
    ("export",),
    ("evaluate",),
    ("compare",),
    ("analyze", "gradient-flow"),
    ("analyze", "depth-attention"),
    ("analyze", "grad-cam"),
    ("analyze", "integration"),
    ("analyze", "ablate"),
]
OF_STUDIES = [
    ("front",),
    ("status",),
    ("pick",),
    ("dashboard",),
    ("retrain", "--front"),
    ("run", "new.toml", "--serial", "--import"),
]
NAMES = grammar(NETWORKS)


@pytest.fixture(scope="module")
def made(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a study that ran, an arch file, an export, and what is none of these;
    trial 3 of the study is of a baseline whose name has a #.
    """
    place = tmp_path_factory.mktemp("targets")
    shutil.copytree(runs / "tiny", place / "runs" / "tiny")
    study = find("tiny", folder=place / "runs")
    facts = {**study.trials[0].user_attrs, "baseline": "my#net", "charged": True}
    study.add_trial(create_trial(values=[1.0, 9e9], user_attrs=facts))
    arch = json.dumps(encode(Arch(stages=2, blocks=(1, 1), stem_channels=8)))
    (place / "net.json").write_text(arch)
    (place / "odd#1").mkdir()
    (place / "odd#1" / "net.json").write_text(arch)
    (place / "broken.json").write_text("{")
    (place / "plain").mkdir()
    (place / "exported").mkdir()
    (place / "exported" / "config.json").write_text("{}")
    (place / "new.toml").write_text('[study]\ndataset = "digits"\n')
    return place


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For reading alone."""
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def own(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files() -> list[Path]:
    """But those that SQLite has beside an open database."""
    return sorted(path for path in Path().rglob("*") if not path.name.startswith("study.db-"))


def fails(words: tuple[str, ...], target: str) -> str:
    """The one line that the command ends with."""
    before = files()
    status, out, err = skipsearch(*words, target)
    assert (status, out if words[0] != "run" else "") == (2, "") and err.startswith("error: ")
    assert err.count("\n") == 1 and files() == before
    return err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize("words", OF_NETWORKS, ids=" ".join)
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("tin", f"tin names nothing: it must be {NAMES} (nearest: tiny)"),
        ("tiny#999", "tiny#999 names nothing: study tiny has the trials #0 to #3, by name #my#net"),
        ("tiny#my#nets", "tiny#my#nets names nothing: study tiny has the trials #0 to #3, by name"),
        ("tiny#", f"tiny# names nothing (nothing follows tiny#): it must be {NAMES}"),
        ("#3", f"#3 names nothing: it must be {NAMES}; known: tiny"),
        ("tin#3", f"tin#3 names nothing (no study tin in runs/): it must be {NAMES} (nearest: "),
        ("as/ou", f"as/ou names nothing: it must be {NAMES} (nearest: as/out, "),
        ("as/out/", f"as/out/ names nothing: it must be {NAMES} (nearest: as/out, "),
        ("runs/tin", f"runs/tin names nothing: it must be {NAMES} (nearest: runs/tiny)"),
        ("plain", "plain names nothing (a folder without config.json of an export, study.db or "),
        ("nett.json", f"nett.json names nothing: it must be {NAMES} (nearest: net.json"),
        ("nosuch.toml", f"nosuch.toml names nothing: it must be {NAMES}; known: tiny; `skipsearch"),
        ("", f"'' names nothing: it must be {NAMES}; known: tiny; `skipsearch presets` lists"),
        ("broken.json", "arch file broken.json is not JSON: "),
        ("sqlite:///a.db", "sqlite:///a.db names nothing (no URL#NAME such as sqlite:///runs/a."),
        ("sqlite:///a.db#a", "sqlite:///a.db#a is a study in a storage: it must be PRESET, FILE, "),
    ],
)
def test_every_command_says_the_same_of_what_names_no_network(
    words: tuple[str, ...], target: str, said: str, here: Path
) -> None:
    assert fails(words, target).startswith(said)


@pytest.mark.parametrize("words", OF_STUDIES, ids=" ".join)
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("tin", "tin names nothing: it must be {} (nearest: tiny)"),
        ("zzz", "zzz names nothing: it must be {}; known: tiny"),
        ("tiny#1", "tiny#1 is a trial: it must be {}"),
        ("tiny#", "tiny# names nothing (nothing follows tiny#): it must be {}"),
        ("as/out", "as/out is a preset: it must be {}"),
        ("net.json", "net.json is an arch file: it must be {}"),
        ("exported", "exported is an exported folder: it must be {}"),
        ("plain", "plain names nothing (a folder without config.json of an export, study.db or "),
        ("nosuch.toml", "nosuch.toml names nothing: it must be {}; known: tiny"),
        ("sqlite:///a.db", "sqlite:///a.db names nothing (no URL#NAME such as sqlite:///runs/a."),
    ],
)
def test_every_command_says_the_same_of_what_names_no_study(
    words: tuple[str, ...], target: str, said: str, here: Path
) -> None:
    taken = "STUDY or URL#NAME" if words[0] == "run" else "STUDY"
    assert fails(words, target).startswith(said.format(taken))


@pytest.mark.parametrize("words", [w for w in OF_STUDIES if w[0] != "run"], ids=" ".join)
def test_a_study_in_a_storage_is_named_with_storage(words: tuple[str, ...], here: Path) -> None:
    assert fails(words, "sqlite:///a.db#a") == (
        "sqlite:///a.db#a is a study in a storage: it must be STUDY; name it as a with --storage "
        "sqlite:///a.db"
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("as/ou", "as/ou names nothing: it must be PRESET or FILE (nearest: as/out"),
        ("tiny", "tiny is a study: it must be PRESET or FILE"),
        ("tiny#1", "tiny#1 is a trial: it must be PRESET or FILE"),
        ("exported", "exported is an exported folder: it must be PRESET or FILE"),
        ("broken.json", "arch file broken.json is not JSON"),
    ],
)
def test_what_cannot_be_added_to_a_retraining_is_said_alike(
    target: str, said: str, here: Path
) -> None:
    assert fails(("retrain", "tiny", "--serial", "--add"), target).startswith(said)


def test_an_export_does_not_compare_and_that_is_said(here: Path) -> None:
    assert fails(("compare",), "exported") == (
        "exported is an exported folder: it must be PRESET, FILE, STUDY, STUDY#17 or STUDY#NAME"
    )


TINY = Path("runs/tiny")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("as/out", PresetTarget("as/out")),
        ("net.json", ArchFile("net.json", Path("net.json"))),
        ("odd#1/net.json", ArchFile("odd#1/net.json", Path("odd#1/net.json"))),
        ("runs/tiny/trials/0", ArchFile("runs/tiny/trials/0", TINY / "trials/0/arch.json")),
        ("exported", ExportFolder("exported", Path("exported"))),
        ("exported/", ExportFolder("exported/", Path("exported"))),
        ("tiny", StudyTarget("tiny", TINY)),
        ("tiny/", StudyTarget("tiny/", TINY)),
        ("new.toml", StudyTarget("new.toml", Path("runs/new"))),
        ("tiny#17", TrialTarget("tiny#17", StudyTarget("tiny", TINY), 17)),
        ("tiny#my#net", TrialTarget("tiny#my#net", StudyTarget("tiny", TINY), "my#net")),
        ("tiny#as/out", TrialTarget("tiny#as/out", StudyTarget("tiny", TINY), "as/out")),
        ("new.toml#3", TrialTarget("new.toml#3", StudyTarget("new.toml", Path("runs/new")), 3)),
        ("sqlite:///a#b.db#c", StoredStudy("sqlite:///a#b.db#c", "sqlite:///a#b.db", "c")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_is_parsed_to_what_it_names(text: str, target: Target, here: Path) -> None:
    assert parse(text, folder=Path("runs")) == target


def test_a_study_is_found_by_its_folder_from_anywhere(own: Path) -> None:
    home = (own / TINY).resolve()
    for text in ("runs/tiny", "runs/tiny/", str(home)):
        assert parse(text, folder=Path("elsewhere")) == StudyTarget(text, home)
    shutil.move("runs/tiny", "odd#1/tiny")
    for text, which in (("odd#1/tiny#2", 2), ("odd#1/tiny#my#net", "my#net")):
        study = StudyTarget("odd#1/tiny", (own / "odd#1/tiny").resolve())
        assert parse(text, folder=Path("runs")) == TrialTarget(text, study, which)
    assert resolve("odd#1/tiny#my#net", folder=Path("runs")).target == "odd#1/tiny#my#net"


def test_a_preset_goes_before_a_folder_of_its_name_but_not_where_studies_alone_are_taken(
    own: Path,
) -> None:
    shutil.copytree("runs/tiny", "as/out")
    assert parse("as/out", folder=Path("runs")) == PresetTarget("as/out")
    home = (own / "as/out").resolve()
    assert parse("./as/out", folder=Path("runs")) == StudyTarget("./as/out", home)
    assert parse_study("as/out", folder=Path("runs")) == StudyTarget("as/out", home)
    assert parse_source("as/out", folder=Path("runs")) == StudyTarget("as/out", home)


def test_with_a_storage_what_is_nothing_else_is_a_study_in_it(own: Path) -> None:
    given = {"folder": Path("elsewhere"), "storage": f"sqlite:///{TINY / 'study.db'}"}
    far = StudyTarget("tiny", Path("elsewhere/tiny"))
    assert parse("tiny", **given) == far == parse_study("tiny", **given)
    assert parse("tiny#2", **given) == TrialTarget("tiny#2", far, 2)
    assert parse("as/out", **given) == PresetTarget("as/out")
    assert parse_study("net.json", **given) == StudyTarget("net.json", Path("elsewhere/net.json"))
    assert resolve("tiny#2", **given).arch == resolve("tiny#2", folder=Path("runs")).arch
    optuna.create_study(study_name="other", storage=given["storage"])
    with pytest.raises(ValueError, match=r"study tin is not in the storage .* \(nearest: tiny\)"):
        resolve("tin", **given)


def test_a_trial_is_named_by_its_number_or_its_baseline(here: Path) -> None:
    study = find("tiny")
    for text, number in (("tiny#1", 1), ("tiny#my#net", 3)):
        target = parse(text, folder=Path("runs"))
        assert isinstance(target, TrialTarget) and trial_number(study, target) == number


def test_describe_and_load_agree_on_every_kind(own: Path) -> None:
    shutil.rmtree("exported")
    status, _, err = skipsearch("export", "tiny#1", "--to", "exported", "--formats", "none")
    assert status == 0, err
    for text in ("as/out", "net.json", "runs/tiny/trials/1", "exported", "tiny", "tiny#1"):
        network, model = resolve(text, folder=Path("runs")), load(text)
        assert network.arch == model.arch
        assert (network.classes, network.shape) == (len(model.inputs.classes), model.inputs.shape)
    assert resolve("tiny", folder=Path("runs")).target == load("tiny").target


def test_the_help_of_every_command_has_the_grammar_of_its_errors() -> None:
    for kind in NETWORKS:
        for form in kind.forms:
            assert form in TARGET
    for words in OF_NETWORKS:
        _, out, _ = skipsearch(*words, "--help")
        assert " ".join(TARGET.split()) in " ".join(out.split())


def test_no_preset_has_a_name_that_could_be_a_study_s(tmp_path: Path) -> None:
    assert all("/" in name and "#" not in name for name in PRESETS)
    assert home_of("tiny", folder=tmp_path) == tmp_path / "tiny"
