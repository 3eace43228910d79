"""The page of a study: complete, offline, and showing the study's own numbers."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as go
import pytest
from made_study import make_study
from optuna.trial import create_trial

from studies.axes import Axis
from studies.front import front_trials
from studies.page import page
from studies.report import Report, front_document, write
from studies.trials import is_full


class Reader(HTMLParser):
    """Collects attributes and the text of table cells, the scripts left out."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.cells: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "srcset")]
        self.inside = tag == "td" or (self.inside and tag != "tr")
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.inside and self.cells:
            self.cells[-1] += data


def figures(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)
    assert found
    document: dict[str, Any] = json.loads(found[1].replace("<\\/", "</"))
    return document


def own_part(html: str) -> str:
    """The page without Plotly's script."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, count=1, flags=re.S)


def test_the_page_refers_to_nothing_on_the_network() -> None:
    html = page(make_study())
    reader = Reader()
    reader.feed(own_part(html))
    assert reader.links == []
    assert 'src="http' not in html
    assert "<link" not in own_part(html)
    assert "url(" not in own_part(html)
    assert len(own_part(html)) < 500_000
    assert "Plotly" in html


def test_every_trial_with_an_error_is_drawn_where_it_belongs() -> None:
    study = make_study()
    figure = figures(page(study))["front"]["params"]
    drawn = {
        number: (x, y)
        for trace in figure["data"]
        if "customdata" in trace
        for number, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    }
    expected = {t.number for t in study.trials if t.intermediate_values}
    assert set(drawn) == expected
    for trial in study.trials:
        if is_full(trial):
            error, params = trial.values
            assert drawn[trial.number] == (params, 100 * error)


def test_the_steps_pass_through_the_front() -> None:
    study = make_study()
    figure = figures(page(study))["front"]["params"]
    steps = next(t for t in figure["data"] if t.get("name") == "Pareto front")
    corners = set(zip(steps["x"], steps["y"], strict=True))
    assert {(t.values[1], 100 * t.values[0]) for t in front_trials(study)} <= corners
    assert steps["line"]["shape"] == "hv"


def test_the_table_shows_the_front_with_accuracy_beside_error() -> None:
    study = make_study()
    reader = Reader()
    reader.feed(own_part(page(study)))
    for trial in front_trials(study):
        error = trial.values[0]
        at = reader.cells.index(str(trial.number))
        assert reader.cells[at + 1] == f"{100 - 100 * error:.2f} %"
        assert reader.cells[at + 2] == f"{100 * error:.2f} %"


def test_hovering_tells_the_whole_configuration() -> None:
    study = make_study()
    figure = figures(page(study))["front"]["params"]
    trace = next(t for t in figure["data"] if "customdata" in t)
    text, facts = trace["text"][0], study.trials[trace["customdata"][0]].user_attrs
    for name in facts["arch"]:
        assert name.split(".")[0] in text
    assert f"{facts['epochs']} of {facts['max_epochs']} epochs" in text
    assert all(word in text for word in ("accuracy", "error", "params", "MACs"))


@pytest.mark.parametrize(
    "objectives", [("val_error", "params"), ("val_error", "macs", "latency_ms")]
)
def test_plotly_accepts_the_figures(objectives: tuple[str, ...]) -> None:
    html = page(make_study(40, objectives))
    document = json.loads(re.sub(r'"@\w+"', '"#123456"', json.dumps(figures(html))))
    assert list(document["front"]) == list(objectives[1:])
    for figure in (*document["front"].values(), document["hypervolume"]):
        go.Figure(figure)


def test_baselines_are_named_and_their_names_do_not_overlap() -> None:
    study = make_study()
    figure = figures(page(study))["front"]["params"]
    names = [label["text"] for label in figure["layout"]["annotations"]]
    assert names == ["as/resnet50-half", "cnntention/resnet20"]


def test_a_shortcut_of_the_user_and_strange_names_are_shown_as_they_are() -> None:
    study = optuna.create_study(study_name="<b>&", directions=["minimize", "minimize"])
    facts = {"arch": {"shortcut": "</script>"}, "epochs": 1, "max_epochs": 1, "params": 7}
    study.add_trial(create_trial(values=[0.0, 7.0], user_attrs=facts))
    html = page(study)
    assert "&lt;b&gt;&amp;" in html
    names = [trace.get("name") for trace in figures(html)["front"]["params"]["data"]]
    assert "&lt;/script&gt; (1)" in names
    assert "</script>" not in own_part(html).split('id="figures">')[1].split("<script>")[0][:-20]


def test_a_study_without_trials_has_a_page() -> None:
    html = page(optuna.create_study(study_name="empty", directions=["minimize", "minimize"]))
    assert "No trial has been trained" in html


@pytest.mark.parametrize(
    "values", [[1.2, 1.5], [0.9, 88.0], [12.0], [0.0, 3.0], [1e4, 1e9], [5.0, 5.001], []]
)
def test_axes_have_few_and_round_ticks_within_their_range(values: list[float]) -> None:
    axis = Axis.around(values)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    assert all(0 <= axis.share(value) <= 1 for value in values)


def test_the_three_files_are_written_whole_and_say_the_same(tmp_path: Path) -> None:
    study = make_study()
    write(study, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"trials.csv", "front.json", "front.html"}
    document = json.loads((tmp_path / "front.json").read_text())
    assert document == json.loads(json.dumps(front_document(study)))
    assert [r["trial"] for r in document["front"]] == [t.number for t in front_trials(study)]
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 61


def test_a_failed_writing_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(20)
    write(study, tmp_path)
    before = (tmp_path / "trials.csv").read_text()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        write(make_study(30), tmp_path)
    assert (tmp_path / "trials.csv").read_text() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_the_report_follows_a_running_study(tmp_path: Path) -> None:
    class Store:
        study = make_study(10)

    report = Report(tmp_path)
    report.started(Store())
    Store.study = make_study(20)
    report.finished(Store())
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 21
