"""Systems side by side: costs, errors, t-tests, and the forms in which they are printed."""

import csv
import io
import json
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import optuna
import pytest
from scipy import stats

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.results.compare import Row, compare, p_value
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.terminal.comparison import cells, latex, markdown, notes, stars
from tests.support.command import Command
from tests.support.fake_study import make_study

ERRORS = {
    "1": (0.10, 0.12, 0.11),
    "3": (0.20, 0.21, 0.22, 0.23),
    "cnntention/selfatt": (0.115,),
    "mine": (0.3, 0.3),
}


def made(home: Path, name: str = "fashion-mnist", data: str = "a", epochs: int = 9) -> None:
    """A study with some of its networks retrained."""
    source = make_study(12)
    source.set_user_attr("data", source.user_attrs["data"] | {"fingerprint": data})
    (home / name).mkdir(parents=True)
    url = f"sqlite:///{home / name / 'study.db'}"
    optuna.copy_study(
        from_study_name="fashion-mnist",
        from_storage=source._storage,
        to_storage=url,
        to_study_name=name,
    )
    beside = optuna.create_study(study_name=f"{name}/retrain", storage=url)
    for system, errors in ERRORS.items():
        for k, error in enumerate(errors):
            facts: dict[str, Any] = {"system": system, "seed_number": k, "seed": 100 + k}
            facts |= {"epochs_asked": epochs, "charged": True, "identity": "a", "params": 5000}
            facts |= {"macs": 90_000, "arch": encode(Arch())}
            beside.add_trial(optuna.trial.create_trial(values=[error], user_attrs=facts))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("runs")
    with warnings.catch_warnings():  # Optuna calls copying experimental
        warnings.simplefilter("ignore")
        made(home)
        made(home, "other", "b", 20)
    return home


def row(*errors: float, name: str = "x") -> Row:
    return Row(name, "s", 1000, 2000, errors, 9 if errors else 0, encode(Arch()))


def by_name(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_every_retrained_system_of_a_study_is_compared_with_the_first(home: Path) -> None:
    rows = compare(["fashion-mnist"], folder=home)
    assert [r.name for r in rows] == ["cnntention/resnet20", "3", "cnntention/selfatt", "mine"]
    first, second = rows[:2]
    assert (first.errors, second.errors) == (ERRORS["1"], ERRORS["3"])
    assert second.mean == fmean(ERRORS["3"]) and second.sd == stdev(ERRORS["3"])
    assert second.difference == pytest.approx(0.105)
    assert math.isnan(first.difference) and math.isnan(first.p)
    assert [r.n for r in rows] == [3, 4, 1, 2]


def test_students_t_is_the_one_of_the_textbook() -> None:
    a, b = row(0.10, 0.12, 0.11), row(0.20, 0.21, 0.22, 0.23)
    n, m = a.n, b.n
    pooled = ((n - 1) * a.sd**2 + (m - 1) * b.sd**2) / (n + m - 2)
    t = (a.mean - b.mean) / math.sqrt(pooled * (1 / n + 1 / m))
    p = p_value(a, b, "student")
    assert p == pytest.approx(2 * stats.t.sf(abs(t), n + m - 2))
    assert p == pytest.approx(stats.ttest_ind(a.errors, b.errors).pvalue)


def test_welchs_t_has_degrees_of_freedom_of_its_own() -> None:
    a, b = row(0.10, 0.12, 0.11), row(0.20, 0.21, 0.22, 0.43)
    u, v = a.sd**2 / a.n, b.sd**2 / b.n
    t = (a.mean - b.mean) / math.sqrt(u + v)
    freedom = (u + v) ** 2 / (u**2 / (a.n - 1) + v**2 / (b.n - 1))
    assert p_value(a, b, "welch") == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    assert p_value(a, b, "welch") != pytest.approx(p_value(a, b, "student"))


@pytest.mark.parametrize("other", [(), (0.3,), (0.2, 0.2)])
def test_without_a_computed_p_there_is_no_star(other: tuple[float, ...]) -> None:
    same = row(0.1, 0.1)
    p = p_value(same, row(*other), "student")
    assert math.isnan(p) and stars(p) == ""


def test_stars_are_what_the_legend_says(home: Path) -> None:
    for p, text in ((0.0009, "***"), (0.001, "**"), (0.01, "*"), (0.0499, "*"), (0.05, "")):
        assert stars(p) == text
    said = notes(compare(["fashion-mnist"], folder=home), "student", "test")
    assert any("Student's t-test" in line and "* p < .05, ** p < .01" in line for line in said)
    alone = notes(compare(["fashion-mnist#3"], folder=home), "student", "test")
    assert not any("p <" in line for line in alone)


def test_the_baseline_is_the_one_that_was_named(home: Path) -> None:
    rows = by_name(compare(["fashion-mnist"], baseline="3", folder=home))
    assert math.isnan(rows["3"].difference)
    assert rows["cnntention/resnet20"].difference == pytest.approx(-0.105)
    with pytest.raises(ValueError, match=r"baseline resnet is not one of cnntention/resnet20, 3,"):
        compare(["fashion-mnist"], baseline="resnet", folder=home)


def test_trials_presets_and_files_are_found_where_they_were_retrained(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(encode(Arch())))
    targets = ["fashion-mnist#3", "cnntention/selfatt", str(tmp_path / "mine.json"), "as/out"]
    rows = compare(targets, folder=home)
    assert [(r.name, r.n) for r in rows] == [
        ("3", 4),
        ("cnntention/selfatt", 1),
        ("mine", 2),
        ("as/out", 0),
    ]
    assert rows[3].params == PRESETS["as/out"].params and rows[3].published
    said = notes(rows, "student", "test")
    assert any("not retrained: as/out" in line for line in said)
    assert any(
        "published of as/out" in line and "cifar10 5.63 ± 0.13 (n 5)" in line for line in said
    )


def test_what_does_not_compare_is_said(home: Path) -> None:
    rows = compare(["fashion-mnist#3", "other#3"], folder=home)
    assert [r.name for r in rows] == ["fashion-mnist#3", "other#3"]
    said = "\n".join(notes(rows, "student", "test"))
    assert "different numbers of epochs" in said and "different images" in said


def test_the_validation_errors_of_the_search_compare_too(home: Path) -> None:
    rows = compare(["fashion-mnist"], on="validation", folder=home)
    front = front_trials(make_study(12))
    assert [(r.errors, r.epochs) for r in rows] == [((t.values[0],), 9) for t in front]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("fashion-mnist#999", r"the trials #0 to #11, by name #cnntention/selfatt, #mine$"),
        ("fashion-mnist#mein", r"by name #cnntention/selfatt, #mine \(nearest: mine\)"),
        ("fashion-mnis", r"fashion-mnis names nothing: it must be .* \(nearest: fashion-mnist\)"),
    ],
)
def test_an_unknown_target_is_one_line(target: str, said: str, home: Path) -> None:
    with pytest.raises(ValueError, match=said):
        compare([target], folder=home)


def test_markdown_and_latex_say_the_same_as_the_table(home: Path) -> None:
    rows = compare(["fashion-mnist"], folder=home)
    lines = markdown(rows, ["* p < .05"]).splitlines()
    assert len({line.count("|") for line in lines[: 2 + len(rows)]}) == 1
    assert [c.strip() for c in lines[3].replace(r"\*", "*").strip("|").split("|")] == list(
        cells(rows[1])
    )
    assert lines[-1] == r"\* p < .05"
    text = latex(rows, [])
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(rows) and {len(re.findall(r"(?<!\\)&", line)) for line in body} == {7}
    assert r"21.50 $\pm$ 1.29" in text


def test_the_command_prints_each_form(
    home: Path,
    skipsearch: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ("compare", "fashion-mnist", "--folder", str(home))
    status, out, _ = skipsearch(*words)
    assert status == 0 and "21.50 ± 1.29" in out and "< .0001 ***" in out
    assert max(map(len, out.split("error:")[0].splitlines())) <= 80
    document = json.loads(skipsearch(*words, "--json", "--welch")[1])
    assert document["test"] == "welch" and document["systems"][1]["n"] == 4
    assert document["systems"][0]["p"] is None and document["systems"][3]["sd"] == 0
    table = list(csv.DictReader(io.StringIO(skipsearch(*words, "--csv")[1])))
    assert table[2]["p"] == "" and float(table[1]["error"]) == fmean(ERRORS["3"])
    status, _, error = skipsearch(*words, "--csv", "--json")
    assert status == 2 and "--csv and --json exclude each other" in error


def test_the_front_shows_what_was_retrained(home: Path, skipsearch: Command) -> None:
    out = skipsearch("front", "fashion-mnist", "--folder", str(home))[1]
    assert "test error" in out and "21.50 ± 1.29 %" in out and "(n = 4) after retraining" in out
    front = json.loads(skipsearch("front", "fashion-mnist", "--folder", str(home), "--json")[1])
    (own,) = (r for r in front["front"] if r["trial"] == 3)
    assert own["test_errors"] == list(ERRORS["3"])
