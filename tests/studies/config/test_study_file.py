"""Study files: what they mean, and one line for each mistake in them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from skipsearch.searchspace import PRESETS, describe
from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Choice, Floats
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.study_config import StudyConfig
from tests.support import ROOT

EXAMPLES = ROOT / "examples"
DIGITS = """
[study]
dataset = "digits"
trials = 24
epochs = 6
[limits]
params = 300_000
[recipe]
preset = "short"
lr = {low = 0.01, high = 0.3}
[space]
shortcut = ["none", "sum", "attention"]
"shortcut.attention.heads" = [1, 2]
[baselines]
presets = ["cnntention/resnet20"]
"""


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    path = tmp_path / "digits.toml"
    path.write_text(DIGITS)
    return path


def test_a_study_file_means_what_it_says(digits: Path) -> None:
    config = StudyConfig.from_file(digits)
    assert (config.name, config.trials, config.epochs, config.sampler) == ("digits", 24, 6, "gp")
    assert config.objectives == ("val_error", "params") and config.costs == ("params",)
    assert config.arch_space.domain("shortcut") == Choice(("none", "sum", "attention"))
    assert config.recipe_space.domain("lr") == Floats(0.01, 0.3, log=True)
    assert list(config.baselines) == ["cnntention/resnet20"]


def test_the_rest_of_the_recipe_is_that_of_the_preset(digits: Path) -> None:
    space = StudyConfig.from_file(digits).recipe_space
    assert space.domain("crop") == Choice((0,)) and space.domain("epochs") == Choice((6,))
    drawn = space.draw(lambda name, domain, default: {"lr": 0.02}[name])
    assert (drawn.lr, drawn.crop, drawn.epochs) == (0.02, 0, 6)


def test_another_variant_of_the_recipe_brings_its_own_defaults(digits: Path) -> None:
    space = StudyConfig.from_file(digits, ["recipe.schedule=cosine", "recipe.lr=0.1"]).recipe_space
    assert space.draw(lambda *_: pytest.fail("nothing is free")).schedule.label == "cosine"


def test_the_canonical_form_gives_the_same_study(digits: Path, tmp_path: Path) -> None:
    config = StudyConfig.from_file(digits)
    again = tmp_path / "again.toml"
    again.write_text(tomli_w.dumps(config.to_dict()))
    assert StudyConfig.from_file(again).to_dict() == config.to_dict()
    assert config.changed(config.to_dict()) == []


@pytest.mark.parametrize(
    ("change", "section", "key", "value"),
    [
        ("trials=50", "study", "trials", 50),
        ("study.sampler=nsga2", "study", "sampler", "nsga2"),
        ("space.shortcut=attention", "space", "shortcut", "attention"),
        ("space.shortcut=[none, sum]", "space", "shortcut", ["none", "sum"]),
        ("recipe.lr=0.1", "recipe", "lr", 0.1),
        ("recipe.lr={low=0.1, high=0.2}", "recipe", "lr", {"low": 0.1, "high": 0.2}),
        ("limits.params=300000", "limits", "params", 300000),
        ("objectives=[val_error,macs]", "study", "objectives", ["val_error", "macs"]),
    ],
)
def test_an_override_changes_one_value(
    digits: Path, change: str, section: str, key: str, value: object
) -> None:
    drop = ["space.shortcut.attention.heads=1"] if section != "space" else []
    digits.write_text(DIGITS.replace('"shortcut.attention.heads" = [1, 2]\n', ""))
    assert StudyConfig.from_file(digits, [*drop, change]).to_dict()[section][key] == value


def test_dotted_names_need_no_quotes(digits: Path) -> None:
    digits.write_text('study.dataset = "digits"\nspace.shortcut.attention.heads = [1, 2]\n')
    assert StudyConfig.from_file(digits).space == {"shortcut.attention.heads": [1, 2]}


def test_a_deterministic_study_cannot_be_pruned_by_what_depends_on_the_order_of_results(
    digits: Path,
) -> None:
    with pytest.raises(
        ValueError, match='which deterministic forbids: take pruner = "pareto-asha"'
    ):
        StudyConfig.from_file(digits, ["deterministic=true", "pruner=expected-gain"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trials=0", "digits.toml [study] trials must be at least 1, got 0"),
        ("epochs=-1", "digits.toml [study] epochs must be at least 1, got -1"),
        ("concurrency=0", "digits.toml [study] concurrency must be at least 1, got 0"),
        ("trials=2.5", "[study] trials must be an integer, got 2.5"),
        ("trials=true", "[study] trials must be an integer, got true"),
        ("gpus_per_trial=-1", "[study] gpus_per_trial must be at least 0, got -1"),
        ("trails=5", "digits.toml [study] trails is not a key (nearest: trials)"),
        ("name=a/b", "name may hold A-Z a-z 0-9 . _ - only, got 'a/b'"),
        ("name=..", "name must hold more than dots"),
        ("validation=1.5", "validation must be above 0 and below 1, got 1.5"),
        ("channels=2", "channels must be 1 | 3, got 2"),
        ("trials_per_gpu=4", "trials_per_gpu divides one GPU: set gpus_per_trial = 1, got 0"),
        ("trials_per_gpu=0", '[study] trials_per_gpu must be "auto" or an integer from 1, got 0'),
        ("trials_per_gpu=all", 'trials_per_gpu must be "auto" or an integer from 1, got "all"'),
        ("checkpoints=/tmp/x", "checkpoints must be a URI such as s3://bucket/prefix or file:///"),
        ("watchdog=-1", "[study] watchdog must be at least 0, got -1"),
        ("watchdog=soon", '[study] watchdog must be a number, got "soon"'),
        ("sampler=tpee", "sampler tpee is not a sampler (nearest: tpe)"),
        ("sampler=cma-es", "sampler cma-es cannot search several objectives: take gp"),
        ("seeds_per_trial=0", "[study] seeds_per_trial must be at least 1, got 0"),
        ("keep=best", "keep best is not a way to keep checkpoints; known: front, all"),
        ("pruner=median", "pruner median is not a pruner; known: expected-gain, pareto-asha, "),
        ("objectives=[val_error]", "must be val_error and one or two of params, macs, latency_ms"),
        ("objectives=[params, val_error]", "objectives must begin with val_error, got params"),
        ("objectives=[val_error, params, params]", "objectives must not repeat"),
        ("objectives=[val_error, parms]", "parms is not an objective (nearest: params)"),
        ("objectives=val_error", "objectives must be a list such as"),
        ("limits.param=3", "[limits] param is not a limit (nearest: params)"),
        ("limits.params=0", "[limits] params must be a number above 0, got 0"),
        ("space.shortct=sum", "[space] shortct is not a parameter (nearest: shortcut"),
        ("space.shortcut=some", "[space] shortcut must be sum | none"),
        ("space.shortcut=sum", "[space] shortcut.attention.heads has no effect here"),
        ("recipe.preset=shrt", "[recipe] shrt is not a recipe preset (nearest: short)"),
        ("recipe.epochs=3", "[recipe] epochs is set in [study]: epochs = 3"),
        ("recipe.lrr=3", "[recipe] lrr is not a parameter (nearest: lr)"),
        ("baselines.presets=[resnet20]", "resnet20 is not a preset"),
        ("baselines.files=[no.json]", "no.json cannot be read: No such file"),
        ("baselines.preset=[a]", "[baselines] preset is not a key (nearest: presets)"),
        ("dataset=3", "[study] dataset must be a text, got 3"),
        ("trials", "--set trials must be name=value, such as trials=50"),
    ],
)
def test_a_mistake_gets_one_line(digits: Path, change: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        StudyConfig.from_file(digits, [change])
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[study]\ntrials = 3", "digits.toml [study] dataset is missing"),
        ("[stuby]\n", "digits.toml stuby is not a section (nearest: study)"),
        ("study = 3\n", "digits.toml study must be a table: write [study]"),
        ("[study\n", "digits.toml is not TOML"),
        ('[space]\nshortcut = "sum"\nshortcut.sum.x = 3\n', "quote names with dots"),
    ],
)
def test_a_broken_file_gets_one_line(digits: Path, text: str, message: str) -> None:
    digits.write_text(text)
    with pytest.raises(ValueError) as caught:
        StudyConfig.from_file(digits)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ValueError, match=r"nowhere\.toml does not exist"):
        StudyConfig.from_file("nowhere.toml")


def test_architecture_files_are_baselines(digits: Path) -> None:
    file = digits.parent / "mine.json"
    file.write_text(json.dumps(encode(Arch(stages=2, blocks=(1, 1)))))
    config = StudyConfig.from_file(digits, ["baselines.files=[mine.json]"])
    assert config.baselines["mine"] == Arch(stages=2, blocks=(1, 1))
    file.write_text('{"stages": 2}')
    with pytest.raises(ValueError, match=r"mine\.json: stem is missing"):
        StudyConfig.from_file(digits, ["baselines.files=[mine.json]"])


def test_a_preset_may_be_a_baseline_in_a_variant(digits: Path) -> None:
    text = digits.read_text().partition("[baselines]")[0] + (
        '[baselines]\npresets = ["dia/resnet164-dia"]\n'
        '[baselines.variants.dia-short]\nof = "dia/resnet164-dia"\nblocks = 3\n'
        '"gate.dia.reduction" = 8\n'
    )
    digits.write_text(text)
    config = StudyConfig.from_file(digits)
    variant, whole = config.baselines["dia-short"], PRESETS["dia/resnet164-dia"].arch
    assert variant.blocks == (3, 3, 3) and variant.gate == replace(whole.gate, reduction=8)
    assert replace(variant, blocks=whole.blocks, gate=whole.gate) == whole
    again = StudyConfig.from_dict(config.to_dict(), where="study.toml")
    assert again.baselines == config.baselines and not config.changed(again.to_dict())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('a = {of = "as/ot"}', "[baselines] variants a as/ot is not a preset (nearest: as/out"),
        ("a = {blocks = 3}", "[baselines] variants a must say which preset it is a variant of"),
        ('a = {of = "as/out", blok = 3}', "[baselines] variants a: blok is not a parameter"),
        ('a = {of = "as/out", blocks = 0}', "[baselines] variants a: blocks must be"),
        ('"a/b" = {of = "as/out"}', "'a/b': a name has letters, digits and . _ + - only"),
        ("a = 3", "[baselines] variants must be tables: write [baselines.variants.NAME]"),
        ('mine = {of = "as/out"}', "[baselines] must not repeat a name, got mine twice"),
    ],
)
def test_a_mistake_in_a_variant_gets_one_line(digits: Path, table: str, message: str) -> None:
    (digits.parent / "mine.json").write_text(json.dumps(encode(Arch())))
    text = digits.read_text().partition("[baselines]")[0]
    digits.write_text(f'{text}[baselines]\nfiles = ["mine.json"]\n[baselines.variants]\n{table}\n')
    with pytest.raises(ValueError) as caught:
        StudyConfig.from_file(digits)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("file", sorted((EXAMPLES / "papers").glob("*.toml")), ids=lambda f: f.stem)
def test_a_papers_study_names_its_systems_and_says_how_it_is_run(file: Path) -> None:
    config, text = StudyConfig.from_file(file), file.read_text()
    assert (
        len(config.baselines) == config.trials
        and len({*config.baselines.values()}) == config.trials
    )
    for network in config.baselines.values():
        describe(network, classes=10, shape=(3, 16, 16))
    assert f"skipsearch retrain examples/papers/{file.name} --baselines --seeds 3" in text
    named = re.search(rf"skipsearch compare {file.stem} --baseline (\S+)", text)
    assert named and named[1] in config.baselines
    assert "# Takes: " in text and "# Expect: " in text


def test_what_is_searched_may_not_change_but_its_extent_may(digits: Path) -> None:
    begun = StudyConfig.from_file(digits).to_dict()
    more = StudyConfig.from_file(
        digits, ["trials=100", "concurrency=2", "data_dir=elsewhere", "watchdog=0"]
    )
    assert more.changed(begun) == []
    other = StudyConfig.from_file(digits, ["epochs=7", "recipe.lr=0.1"])
    lines = other.changed(begun)
    assert lines == [
        "[study] epochs was 6, now 7",
        '[recipe] lr was {"low": 0.01, "high": 0.3}, now 0.1',
    ]


def test_a_study_that_was_begun_before_a_key_was_there_goes_on_with_its_default(
    digits: Path,
) -> None:
    begun = StudyConfig.from_file(digits).to_dict()
    del begun["study"]["seeds_per_trial"], begun["study"]["keep"]
    assert StudyConfig.from_file(digits, ["keep=all"]).changed(begun) == []
    (line,) = StudyConfig.from_file(digits, ["seeds_per_trial=3"]).changed(begun)
    assert line == "[study] seeds_per_trial was 1, now 3"


def test_reading_a_study_file_imports_nothing_heavy(digits: Path) -> None:
    code = (
        "import sys; from skipsearch.studies.config.study_config import StudyConfig;"
        "StudyConfig.from_file(sys.argv[1]);"
        "print([m for m in ('torch', 'ray', 'optuna', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(digits)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
