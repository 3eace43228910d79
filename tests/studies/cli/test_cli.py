"""The command line: what it prints, and one line with exit status 2 for every mistake."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from skipsearch.studies.results.front import front_trials
from tests.support import ROOT
from tests.support.command import Command
from tests.support.fake_study import make_study


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from skipsearch.studies.cli import main\n"
        f"sys.argv = ['skipsearch', *{words!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch','ray','optuna','pandas','numpy','plotly'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_status_imports_neither_torch_nor_pandas(runs: Path) -> None:
    code = (
        "import sys; from skipsearch.studies.cli import main\n"
        f"sys.argv = ['skipsearch', 'status', 'tiny', '--folder', {str(runs)!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'ray', 'pandas', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(skipsearch: Command) -> None:
    status, out, _ = skipsearch()
    assert status == 0
    for command in (
        "run",
        "status",
        "front",
        "check",
        "space",
        "presets",
        "recipes",
        "describe",
        "dashboard",
    ):
        assert f"\n  {command} " in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["runn"], "No such command 'runn'"),
        (["run"], "Missing argument 'STUDY.toml'"),
        (["run", "nosuch.toml"], "nosuch.toml"),
        (["run", "x.toml", "--bogus"], "No such option: --bogus"),
        (["run", "bad.toml"], "bad.toml"),
        (["run", "good.toml", "--set", "trials"], "name=value"),
        (["run", "good.toml", "--set", "trials=0"], "at least 1, got 0"),
        (["run", "good.toml", "--set", "space.shortcut=atention"], "nearest: attention"),
        (["front", "fashion"], "nearest: fashion-mnist"),
        (["front", "nosuch", "--folder", "empty"], "skipsearch run"),
        (["front", "fashion-mnist", "--json", "--csv"], "exclude each other"),
        (["status", "fashion-mnist", "--storage", "sqlite:///no/such/folder/a.db"], "no/such"),
        (["status", "fashion-mnist", "--storage", "nonsense"], "nonsense"),
        (["space", "--set", "trials=3"], "needs a study file"),
        (["space", "nosuch.toml"], "nosuch.toml"),
        (["describe", "as/ou"], "nearest: as/out"),
        (["describe", "as/out", "--set", "shortcut.attention.heads=3"], "got 3"),
        (["describe", "as/out", "--set", "heads=2"], "heads is not a parameter"),
        (["describe", "as/out", "--image-size", "0"], "at least 1"),
        (["describe", "as/out", "--image-size", "4"], "too small"),
        (["describe", "as/out", "--channels", "5"], "1 or 3 channels"),
        (["describe", "as/out", "--classes", "ten"], "--classes"),
        (
            ["describe", "fashion-mnist#99"],
            "fashion-mnist#99 names nothing: study fashion-mnist has the",
        ),
        (["describe", "nosuch#1"], "known: fashion-mnist"),
        (["describe", "bad.json"], "bad.json"),
        (["dashboard", "nosuch"], "known: fashion-mnist"),
        (["dashboard", "fashion-mnist", "--port", "0"], "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], expected: str, here: Path, skipsearch: Command
) -> None:
    (here / "bad.toml").write_text("[study\n")
    (here / "bad.json").write_text("{")
    (here / "good.toml").write_text('[study]\ndataset = "digits"\n')
    before = sorted(here.rglob("*"))
    status, out, err = skipsearch(*words)
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert expected in err
    assert sorted(here.rglob("*")) == before


def test_status_says_where_the_study_stands(here: Path, skipsearch: Command) -> None:
    status, out, _ = skipsearch("status", "fashion-mnist")
    assert status == 0
    assert "24 complete, 28 stopped early, 5 not trained, 3 failed" in out
    assert "94.10 % accuracy (5.90 % error)" in out
    assert "driver    none" in out


def test_status_as_json_counts_what_the_study_holds(here: Path, skipsearch: Command) -> None:
    record = json.loads(skipsearch("status", "fashion-mnist", "--json")[1])
    made = make_study()
    assert sum(record["trials"].values()) == len(made.trials)
    assert record["front"] == len(front_trials(made))
    assert record["best_error"] == min(t.values[0] for t in front_trials(made))


@pytest.mark.parametrize("target", ["fashion-mnist", "runs/fashion-mnist", "f.toml"])
def test_a_study_is_found_by_name_folder_and_file(
    target: str, here: Path, skipsearch: Command
) -> None:
    (here / "f.toml").write_text('[study]\nname = "fashion-mnist"\ndataset = "fashion-mnist"\n')
    status, out, _ = skipsearch("front", target, "--json")
    assert status == 0
    assert json.loads(out)["study"] == "fashion-mnist"


def test_front_as_json_and_csv_are_the_study_s_numbers(here: Path, skipsearch: Command) -> None:
    members = front_trials(make_study())
    document = json.loads(skipsearch("front", "fashion-mnist", "--json")[1])
    rows = list(csv.DictReader(io.StringIO(skipsearch("front", "fashion-mnist", "--csv")[1])))
    assert [r["trial"] for r in document["front"]] == [t.number for t in members]
    assert [int(r["trial"]) for r in rows] == [t.number for t in members]
    assert [r["val_error"] for r in document["front"]] == [t.values[0] for t in members]


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_table_of_the_front_fits_the_terminal(
    columns: int, here: Path, skipsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = skipsearch("front", "fashion-mnist")
    table = out.splitlines()[:7]
    assert all(len(line) <= columns for line in table)
    assert "94.10 %" in table[2]
    assert "attention" in table[2]
    assert "\x1b" not in out


def test_describe_counts_a_preset_exactly(skipsearch: Command) -> None:
    status, out, _ = skipsearch("describe", "as/resnet50", "--json")
    record = json.loads(out)
    assert status == 0
    assert (record["params"], record["macs"]) == (23_520_842, 1_297_829_888)
    assert type(record["params"]) is type(record["macs"]) is int


def test_a_data_set_is_looked_for_in_the_named_folder(
    tmp_path: Path, skipsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    asked = []

    def refuse(root: Path, **_more: object) -> None:
        asked.append(Path(root))
        raise OSError("no such host")

    monkeypatch.setattr(datasets, "FashionMNIST", refuse)
    example = str(ROOT / "examples" / "fashion-mnist.toml")
    status, _, error = skipsearch("check", example, "--data-dir", str(tmp_path / "my data"))
    assert status == 2 and error.count("\n") == 1 and "no such host" in error
    assert set(asked) == {tmp_path / "my data"}


def test_a_latency_names_its_batch_and_its_device(skipsearch: Command) -> None:
    words = ["describe", "cnntention/resnet20", "--image-size", "8", "--latency"]
    record = json.loads(skipsearch(*words, "--json")[1])
    assert record["latency_ms"] > 0 and record["latency"] == {"batch": 1, "device": "cpu"}
    assert "(batch 1, cpu; median of warm forward passes)" in skipsearch(*words)[1]


def test_describe_takes_its_own_arch_back(here: Path, skipsearch: Command) -> None:
    first = json.loads(skipsearch("describe", "as/kv", "--json", "--classes", "7")[1])
    (here / "mine.json").write_text(json.dumps(first["arch"]))
    again = json.loads(skipsearch("describe", "mine.json", "--json", "--classes", "7")[1])
    assert again["identity"] == first["identity"]


def test_describe_prints_code_and_changes(skipsearch: Command) -> None:
    words = ("describe", "cnntention/resnet20", "--set", "blocks=1", "--image-size", "16")
    status, out, _ = skipsearch(*words, "--source")
    assert status == 0
    compile(out, "model.py", "exec")
    assert "blocks         1 1 1" in skipsearch(*words)[1]


def test_space_lists_every_parameter(skipsearch: Command) -> None:
    from skipsearch.searchspace.arch.arch import Arch
    from skipsearch.searchspace.parameters.walk import document, every_stage

    _, out, _ = skipsearch("space")
    for parameter in document(Arch):
        assert f"{every_stage(parameter.name)}" in out
    assert all(len(line) <= 110 for line in out.splitlines())
    rows = json.loads(skipsearch("space", "--json")[1])
    assert {p.name for p in document(Arch)} == {row["name"] for row in rows["space"]}


def test_presets_are_listed_with_exact_counts(skipsearch: Command) -> None:
    from skipsearch.searchspace.presets import PRESETS

    records = {r["name"]: r for r in json.loads(skipsearch("presets", "--json")[1])}
    assert {name: r["params"] for name, r in records.items()} == {
        preset.name: preset.params for preset in PRESETS.values()
    }
    keys = "name source table printed params match alternative why classes shape figures note"
    assert all(list(r) == [*keys.split(), "recipe", "results", "arch"] for r in records.values())
    cbam, resnet20 = records["dia/resnet164-cbam"], records["cnntention/resnet20"]
    assert (cbam["printed"], cbam["params"], cbam["match"]) == ("1.92M", 1_902_982, False)
    assert (cbam["figures"][0]["printed"], cbam["figures"][0]["match"]) == ("1.93M", True)
    assert "23,130" in cbam["why"] and resnet20["match"] is None
    assert records["aicnn/resnet50-first"]["alternative"] and not cbam["alternative"]
    assert records["as/out"]["results"][0]["mean"] == 5.63
    assert records["as/out"]["recipe"] == "as/cifar"


def test_the_table_of_presets_marks_the_printed_figures_that_are_met(skipsearch: Command) -> None:
    from skipsearch.searchspace.presets import PRESETS

    lines = skipsearch("presets")[1].splitlines()
    rows = {words[0]: words[1:] for words in map(str.split, lines) if words and "/" in words[0]}
    assert set(PRESETS) <= set(rows)
    assert rows["as/resnet50"][:3] == ["23,520,842", "23.5M", "✓"]
    assert rows["as/out-literal"][:3] == ["12,373,642", "12.7M", "✗"]
    assert rows["dia/resnet164-cbam"][:5] == ["1,902,982", "1.92M", "1.93M", "✗", "✓"]
    assert rows["cnntention/mha"][:3] == ["291,677", "–", "–"]
    assert rows["gradattn/rope"][:3] == ["12,847,690", "12,847,690", "✓"]
    told = lines[-1].partition(" (")[0] + lines[-1].partition(")")[2]
    assert told.startswith(
        "printed figures met: as 3 of 3, cnntention none given, dia 37 of 43, aicnn 0 of 1, "
        "gradattn 7 of 7"
    )
    assert "tables 10 to 14 print more" in lines[-1]


def test_the_table_of_presets_says_where_counts_are_for_other_images(skipsearch: Command) -> None:
    lines = skipsearch("presets")[1].splitlines()  # 100 columns
    rows = {words[0]: words[1:] for words in map(str.split, lines) if words and "/" in words[0]}
    assert rows["dia/imagenet-resnet18-se"][:4] == ["11,316,892", "100", "·", "224²"]
    assert rows["aicnn/resnet50"][:5] == ["26,056,440", "1000", "·", "224²", "27.5M"]
    assert rows["dia/resnet83"][:3] == ["869,530", "–", "–"]


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem
)
def test_the_examples_are_sound(example: Path, skipsearch: Command) -> None:
    status, out, err = skipsearch("space", str(example))
    assert (status, err) == (0, "")
    assert "shortcut = " in out
    assert f"skipsearch run examples/{example.name}" in example.read_text()


def test_the_tree_of_the_space_is_the_one_in_docs(skipsearch: Command) -> None:
    """Made anew by: skipsearch space --tree > docs/space.txt"""
    status, out, _ = skipsearch("space", "--tree")
    assert status == 0
    assert out == (ROOT / "docs" / "space.txt").read_text()


def test_recipes_say_where_they_are_from(skipsearch: Command) -> None:
    status, out, _ = skipsearch("recipes", "--json")
    records = {record["name"]: record for record in json.loads(out)}
    assert status == 0
    assert records["dia/resnet"]["recipe"]["epochs"] == 164
    assert "Stated: 164 epochs" in records["dia/resnet"]["source"]
    status, out, _ = skipsearch("recipes")
    assert status == 0
    assert all(f"\n{name}\n" in f"\n{out}" for name in records)
