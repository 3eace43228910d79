"""The page of a study: complete, offline, and showing the study's own numbers."""

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as go
import pytest
from optuna.trial import create_trial

from skipsearch.studies.humanize import phrases
from skipsearch.studies.page.files import Report, front_document, write
from skipsearch.studies.page.page import page
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.results.retrained import results
from skipsearch.studies.storage.trial_record import is_full
from skipsearch.studies.web.axes import Axis
from tests.support.fake_study import make_study, retrain


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


def embedded(html: str) -> dict[str, Any]:
    """Every JSON document in the page by its id."""
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', html, re.S)
    return {name: json.loads(text) for name, text in found}


def figures(html: str) -> dict[str, Any]:
    return {k[7:]: v for k, v in embedded(html).items() if k.startswith("figure-")}


def own_part(html: str) -> str:
    """The page without Plotly's script."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, count=1, flags=re.S)


def test_the_page_refers_to_nothing_on_the_network() -> None:
    """Plotly's script fetches the icons and tiles of maps alone, and the page draws none."""
    html = page(make_study())
    reader = Reader()
    reader.feed(own_part(html))
    assert reader.links == ["data:,"]
    assert 'src="http' not in own_part(html)
    drawn = {trace.get("type") for figure in figures(html).values() for trace in figure["data"]}
    assert drawn <= {"scatter", "bar", "parcoords"}
    assert "url(" not in own_part(html)
    assert len(own_part(html)) < 500_000
    assert "Plotly" in html


def test_every_trial_with_an_error_is_drawn_where_it_belongs() -> None:
    study = make_study()
    figure = figures(page(study))["front-val_error-params"]
    drawn = {
        number: (x, y)
        for trace in figure["data"]
        if "customdata" in trace
        for number, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    }
    assert set(drawn) == {t.number for t in study.trials if t.intermediate_values}
    for trial in study.trials:
        if is_full(trial):
            error, params = trial.values
            assert drawn[trial.number] == (params, pytest.approx(100 * error, rel=1e-5))


def test_the_steps_pass_through_the_front() -> None:
    study = make_study()
    figure = figures(page(study))["front-val_error-params"]
    steps = next(t for t in figure["data"] if t.get("name") == "Pareto front")
    corners = set(zip(steps["x"], steps["y"], strict=True))
    assert {(t.values[1], 100 * t.values[0]) for t in front_trials(study)} <= corners
    assert steps["line"]["shape"] == "hv"


def test_there_is_a_figure_for_every_pair_of_objectives() -> None:
    study = make_study(40, ("val_error", "macs", "latency_ms"))
    html = page(study)
    fronts = [key for key in figures(html) if key.startswith("front-")]
    assert fronts == ["front-val_error-macs", "front-val_error-latency_ms", "front-macs-latency_ms"]
    for key in fronts:
        assert f'data-plot="front" data-key="{key[6:]}"' in html
    costs = figures(html)["front-macs-latency_ms"]
    assert not any(t.get("name") == "Pareto front" for t in costs["data"])
    assert 'data-plot="front"' not in page(make_study(20))


def test_the_table_has_the_front_and_then_all_others() -> None:
    study = make_study()
    before = own_part(page(study))
    rest = embedded(before)["others"]
    numbers = [int(n) for n in re.findall(r'<tr data-trial="(\d+)">', before)]
    assert numbers == [t.number for t in front_trials(study)]
    others = [int(n) for n in re.findall(r'<tr data-trial="(\d+)">', rest)]
    assert sorted(numbers + others) == list(range(60))
    reader = Reader()
    reader.feed(before)
    for trial in front_trials(study):
        error, at = trial.values[0], reader.cells.index(str(trial.number))
        assert reader.cells[at + 1 : at + 4] == [
            "complete",
            f"{100 - 100 * error:.2f} %",
            f"{100 * error:.2f} %",
        ]


def test_the_panel_has_the_whole_configuration_of_every_trial() -> None:
    study = make_study()
    details = embedded(page(study))["details"]
    for trial in study.trials:
        tags, lines, pairs, sketch, _ = details["trials"][str(trial.number)]
        words = [details["words"][i] for i in pairs]
        shown = dict(zip(words[::2], words[1::2], strict=True))
        facts = trial.user_attrs
        assert shown == phrases(facts["arch"]) | phrases(facts["recipe"])
        told = dict(lines)
        assert f"{facts['epochs']} of {facts['max_epochs']} epochs" in told["trained"]
        assert told.get("why") == facts.get("why")
        assert len(details["sketches"][sketch]) == 8
        assert tags[0] in ("complete", "stopped early", "not trained", "failed")


def test_retrained_networks_stand_beside_their_own_figures_and_say_what_they_are() -> None:
    study = make_study()
    assert "retrained" not in re.sub(r"<script>.*?</script>", "", page(study), flags=re.S)
    chosen = front_trials(study)[0].number
    retrain(study, chosen, errors=[0.08, 0.09, 0.1])
    html = page(study)
    figure = figures(html)["front-val_error-params"]
    stars = next(t for t in figure["data"] if t.get("name", "").startswith("retrained"))
    assert "test error, mean ± sd" in stars["name"]
    assert stars["customdata"] == [chosen] and stars["y"] == [pytest.approx(9)]
    assert stars["error_y"]["array"] == [pytest.approx(100 * results(study)[chosen].sd)]
    lines = dict(embedded(html)["details"]["trials"][str(chosen)][1])
    assert lines["test error, retrained"] == "9.00 ± 1.00 % (n = 3) after 30 epochs"
    assert "test error, retrained</button>" in html and "9.00 ± 1.00 % (n = 3)</td>" in html


@pytest.mark.parametrize(
    "objectives", [("val_error", "params"), ("val_error", "macs", "latency_ms")]
)
def test_plotly_accepts_the_figures(objectives: tuple[str, ...]) -> None:
    drawn = figures(page(make_study(40, objectives)))
    shown = {"hypervolume-trials", "hypervolume-epochs", "curves", "parallel"}
    assert shown < set(drawn)
    for figure in json.loads(re.sub(r'"@\w+"', '"#123456"', json.dumps(drawn))).values():
        go.Figure(figure)


def test_baselines_are_named_and_their_names_do_not_overlap() -> None:
    study = make_study()
    figure = figures(page(study))["front-val_error-params"]
    names = [label["text"] for label in figure["layout"]["annotations"]]
    assert names == ["as/resnet50-half", "cnntention/resnet20"]


def hostile_study() -> optuna.Study:
    """Whatever a person or an exception may have written, in every place."""
    text = "</script><!--<script>alert('{{script}}')</script><img src=x onerror=alert(1)>&"
    study = optuna.create_study(study_name=f"s{text}", directions=["minimize", "minimize"])
    study.set_user_attr("study", {"study": {"dataset": text, "epochs": text, "sampler": text}})
    facts = {"arch": {"shortcut": text}, "recipe": {text: text}, "epochs": 1, "max_epochs": text}
    facts |= {"params": 7, "baseline": text, "imported": text, "why": text}
    study.add_trial(create_trial(values=[0.1, 7.0], user_attrs=facts, intermediate_values={1: 0.1}))
    study.add_trial(create_trial(values=[0.2, 3.0], user_attrs=facts))
    return study


def test_hostile_text_is_shown_as_text() -> None:
    html = page(hostile_study())
    own = own_part(html)
    assert len(re.findall(r"<script", own)) == 1 + len(embedded(html))  # the page's own
    assert "<img" not in re.sub(r"<script.*?</script>", "", own, flags=re.S)
    name = "s&lt;/script&gt;&lt;!--&lt;script&gt;alert(&#x27;{{script}}&#x27;)"
    assert f"<h1>{name}" in html and f"<title>{name}" in html
    for figure in figures(html).values():  # Plotly shows some tags in texts and names
        for trace in figure["data"]:
            assert "<img" not in json.dumps(trace), trace.get("name")
        assert "<img" not in json.dumps(figure["layout"].get("annotations", []))


def test_a_study_without_trials_has_a_page() -> None:
    html = page(optuna.create_study(study_name="empty", directions=["minimize", "minimize"]))
    assert "No trial has been trained" in html
    assert embedded(html)["details"]["first"] is None


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

# What a person does: points at a trial, walks along the front, asks for all trials, sorts.
DONE = """<script>
const said = [], say = () => said.push(document.getElementById('chosen').textContent);
document.getElementById('front').emit('plotly_hover', {points: [{customdata: 7}]});
say();
for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft']) {
  document.getElementById('front').dispatchEvent(new KeyboardEvent('keydown', {key}));
  say();
}
document.getElementById('more').click();
document.querySelectorAll('#members th button')[5].click();
const rows = [...document.querySelectorAll('#members tbody tr')];
rows[5].dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
say();
const order = rows.map(row => row.dataset.trial);
document.body.dataset.done = JSON.stringify({said, order});
</script></body>"""


def opened(path: Path, html: str) -> str:
    """What is in the page once Chromium has opened it without a complaint."""
    path.write_text(html)
    given = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    own = f"--user-data-dir={path.parent / 'own'}"
    command = [str(CHROMIUM), *given, own, "--dump-dom", path.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not re.search(r"CONSOLE.*(Uncaught|[Ee]rror)", seen.stderr), seen.stderr[-2000:]
    assert 'data-ready="' in seen.stdout
    return seen.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_in_a_browser_the_figures_the_panel_and_the_table_go_together(tmp_path: Path) -> None:
    study = make_study()
    shown = opened(tmp_path / "good.html", page(study).replace("</body>", DONE))
    assert re.search(r'<svg[^>]* aria-label="stem conv3 of 16 channels; stage 1: \d block', shown)
    done = json.loads(unescape(re.findall(r'data-done="([^"]*)"', shown)[0]))
    front = [t.number for t in front_trials(study)]
    order = [int(number) for number in done["order"]]
    sizes = [study.trials[number].user_attrs["params"] for number in order]
    assert sorted(order) == list(range(60)) and sizes == sorted(sizes)
    walked = [7, front[0], front[1], front[0], order[5]]
    assert done["said"] == [f"Trial {number}" for number in walked]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_hostile_text_is_text_in_a_browser_too(tmp_path: Path) -> None:
    shown = opened(tmp_path / "hostile.html", page(hostile_study()))
    assert "No drawing" in shown and "<img" not in re.sub(r"<script.*?</script>", "", shown)


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
