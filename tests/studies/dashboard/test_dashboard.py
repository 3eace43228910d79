"""A study in optuna-dashboard: what its own HTTP answers say, while a study is written too."""

import io
import json
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from wsgiref.simple_server import make_server
from wsgiref.util import setup_testing_defaults

import optuna
import plotly.graph_objects as go
import pytest
import torch
from optuna.storages import get_storage
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note, wsgi

from skipsearch.searchspace import PRESETS, encode
from skipsearch.studies.dashboard.notes import LONGEST, note, tree
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.dashboard.serve import Quiet, Server, _complete, by_hand
from skipsearch.studies.engine.driver import run
from skipsearch.studies.storage.artifacts import artifact_store
from skipsearch.studies.storage.connect import connect, readable, sqlite_url
from skipsearch.studies.storage.trial_record import cost_names, state_of
from tests.support.fake_study import make_study
from tests.support.kills import Killed, killed_at
from tests.support.tabulated_training import Tabulated, study_of

WRONG = "no `such` luck</b><img src=x>"
FIGURES = {
    "learning-curves",
    "hypervolume-trials",
    "hypervolume-epochs",
    "front-val_error-params",
}


class Written(Tabulated):
    """Leaves a curve in its folder, as the real training does; the second and third fail."""

    def train_epoch(self) -> None:
        if self.job.number in (1, 2):
            raise RuntimeError(WRONG)
        line = f"{self.epoch},{self.job.number}\n"
        with (self.folder / "curve.csv").open("a") as curve:
            curve.write(line)


def asked(app: Any, path: str) -> bytes:
    """The body of the application's answer, which must be 200."""
    environ: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    status: list[str] = []
    answer = app(environ, lambda code, _headers, *_: status.append(code))
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    assert status == ["200 OK"], (path, status, body[:200])
    return body


def told(app: Any, study: optuna.Study) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(app, f"/api/studies/{study._study_id}"))
    return found


def app_of(url: str, folder: Path) -> Any:
    return wsgi(get_storage(readable(url)), artifact_store(folder))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[optuna.Study, Any, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("shown")
    config = study_of(concurrency=1, limits={"params": 50_000})
    done = run(config, folder=folder, observer=Board(), in_process=True, begin=Written)
    app = app_of(sqlite_url(folder / "study.db"), folder)
    return done, app, told(app, done)


Shown = tuple[optuna.Study, Any, dict[str, Any]]


def test_the_dashboard_has_names_constraints_attributes_and_curves(shown: Shown) -> None:
    done, _, answer = shown
    assert answer["objective_names"] == ["val_error", "params"]
    keys = {attribute["key"] for attribute in answer["union_user_attrs"]}
    assert {"params", "macs", "epochs", "identity", "why"} <= keys
    assert answer["has_intermediate_values"]
    for trial, own in zip(done.trials, answer["trials"], strict=True):
        assert own["constraints"] == list(trial.system_attrs["constraints"])
        curve = {point["step"]: point["value"] for point in own["intermediate_values"]}
        assert curve == trial.intermediate_values
    states = {own["state"] for own in answer["trials"]}
    assert states >= {"Complete", "Pruned", "Fail"}


def test_every_trial_has_a_note_with_its_result_and_reason(shown: Shown) -> None:
    done, _, answer = shown
    for trial, own in zip(done.trials, answer["trials"], strict=True):
        body = own["note"]["body"]
        assert body == note(trial, cost_names(done))
        assert body.startswith(f"**{state_of(trial)}**")
        assert f"- shortcut: {trial.user_attrs['arch']['shortcut']}\n" in body
        assert trial.user_attrs["why"].replace("`", "'").replace("\n", " ") in body
    failed = next(t for t in done.trials if t.state == TrialState.FAIL)
    assert "RuntimeError: no 'such' luck</b><img src=x>`" in note(failed, [])


def test_the_figures_that_the_dashboard_lacks_are_there_and_plotly_takes_them(shown: Shown) -> None:
    _, _, answer = shown
    drawn = {one["id"]: json.loads(one["graph_object"]) for one in answer["plotly_graph_objects"]}
    assert drawn.keys() == FIGURES
    for figure in drawn.values():
        go.Figure(figure)
        assert figure["layout"]["title"]["text"]
        assert '"@' not in json.dumps(figure)
    assert len(drawn["learning-curves"]["data"]) > 1


def test_a_trained_trial_has_its_network_and_its_curve_as_files(shown: Shown) -> None:
    done, app, answer = shown
    for trial, own in zip(done.trials, answer["trials"], strict=True):
        files = {about["filename"]: about for about in own["artifacts"]}
        if "charged" not in trial.user_attrs:
            assert not files
            continue
        failed = trial.state == TrialState.FAIL
        assert set(files) == ({"model.py"} if failed else {"model.py", "curve.csv"})
        where = f"/artifacts/{done._study_id}/{trial._trial_id}"
        names: dict[str, Any] = {}
        exec(asked(app, f"{where}/{files['model.py']['artifact_id']}"), names)
        model: torch.nn.Module = names["build"]()
        assert sum(p.numel() for p in model.parameters()) == trial.user_attrs["params"]
        if "curve.csv" in files:
            curve = asked(app, f"{where}/{files['curve.csv']['artifact_id']}").decode()
            assert len(curve.splitlines()) == trial.user_attrs["epochs"]


def test_a_note_shows_what_belongs_to_an_alternative_under_it() -> None:
    flat = {"blocks.1": 2, "blocks.2": 3, "gate": "se", "gate.se.stages": "each"}
    flat |= {"gate.se.stages.each.gated.1": True, "gate.se.stages.each.gated.2": False}
    assert tree(flat | {"a`\n<b>": "*x*"}) == [
        "- blocks: 2 3",
        "- gate: se",
        "  - stages: each",
        "    - gated: true false",
        "- `a' <b>`: `*x*`",
    ]


def test_a_note_is_one_attribute_however_large_the_network_is() -> None:
    trial = make_study(1).trials[0]
    for preset in (*PRESETS.values(),)[::9]:
        trial.user_attrs["arch"] = encode(preset.arch)
        text = note(trial, ["params"])
        assert len(text) <= LONGEST and "- head:" in text
    trial.user_attrs["arch"] |= {f"long{n}": "x" * 50 for n in range(100)}
    assert LONGEST - 70 < len(note(trial, ["params"])) <= LONGEST


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_what_somebody_wrote_stays_and_what_is_missing_is_written(
    tmp_path: Path, kind: str
) -> None:
    journal = f"journal://{tmp_path / 'study.log'}"
    url = journal if kind == "journal" else sqlite_url(tmp_path / "study.db")
    study = optuna.create_study(
        study_name="own", storage=connect(url), directions=["minimize", "minimize"]
    )
    made = make_study(20)
    study.add_trials(made.trials[:10])
    mine = optuna.trial.Trial(study, study.trials[3]._trial_id)
    save_note(mine, "mine")
    first = Board()
    first.look(study)
    first.complete(study)
    study.add_trials(made.trials[10:])
    Board().complete(study)  # of a second driver that did not even look
    answer = told(app_of(url, tmp_path), study)
    bodies = [own["note"]["body"] for own in answer["trials"]]
    assert get_note(mine) == bodies[3] == "mine"
    assert all(body.startswith("**") for n, body in enumerate(bodies) if n != 3)
    drawn = {one["id"]: json.loads(one["graph_object"]) for one in answer["plotly_graph_objects"]}
    assert drawn.keys() == FIGURES
    assert drawn["hypervolume-trials"]["data"][0]["x"][-1] == 20


def test_a_figure_that_became_smaller_is_whole(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    study = optuna.create_study(storage=connect(url), directions=["minimize", "minimize"])
    study.add_trials(make_study(30).trials)
    board = Board()
    board.complete(study)
    pieces = dict(board._pieces)
    again = Board()
    again.look(study)
    assert again._pieces == pieces
    again._pieces["learning-curves"] += 3
    again.complete(study)
    for one in told(app_of(url, tmp_path), study)["plotly_graph_objects"]:
        go.Figure(json.loads(one["graph_object"]))


def test_figures_are_drawn_again_when_a_tenth_more_trials_have_ended() -> None:
    class Store:
        study = optuna.create_study(directions=["minimize"] * 2)

    board, drawn = Board(), []
    for trial in make_study(80).trials:
        Store.study.add_trial(trial)
        board._next = 0.0  # as if enough time had passed
        board.changed(Store())  # type: ignore[arg-type]
        drawn.append(board._drawn)
    assert sorted(set(drawn) - {0}) == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 66, 72, 79]
    board.changed(Store())  # type: ignore[arg-type]
    assert board._next > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_driver_that_is_killed_anywhere_leaves_nothing_out_for_the_next(
    tmp_path: Path, seed: int
) -> None:
    config = study_of(trials=4, concurrency=1)
    moment = random.Random(seed)
    for number in sorted(moment.sample(range(15, 130), 2)):
        try:
            with killed_at(moment.choice(("before", "after")), number):
                run(config, folder=tmp_path, observer=Board(), in_process=True, begin=Written)
        except Killed:
            continue
    done = run(config, folder=tmp_path, observer=Board(), in_process=True, begin=Written)
    answer = told(app_of(sqlite_url(tmp_path / "study.db"), tmp_path), done)
    for trial, own in zip(done.trials, answer["trials"], strict=True):
        assert own["note"]["body"] == note(trial, ["params"])
        expected = 1 if trial.state == TrialState.FAIL else 2
        assert len(own["artifacts"]) == expected * ("charged" in trial.user_attrs)
    assert {one["id"] for one in answer["plotly_graph_objects"]} == FIGURES
    for one in answer["plotly_graph_objects"]:
        go.Figure(json.loads(one["graph_object"]))
    files = {about["artifact_id"] for own in answer["trials"] for about in own["artifacts"]}
    assert files == {path.name for path in (tmp_path / "artifacts").iterdir()}


def test_the_command_by_hand_names_storage_and_files() -> None:
    assert by_hand("sqlite:////a b/study.db", Path("runs/x")) == (
        "optuna-dashboard 'sqlite:////a b/study.db' --artifact-dir runs/x/artifacts"
    )
    assert by_hand("journal:///tmp/study.log", Path("runs/x")) == (
        "optuna-dashboard /tmp/study.log --artifact-dir runs/x/artifacts"
    )


def test_a_storage_that_may_only_be_read_is_shown_without_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(sqlite_url(tmp_path / "study.db"))
    study = optuna.create_study(
        storage=sqlite_url(tmp_path / "study.db"), directions=["minimize", "minimize"]
    )
    study.add_trial(make_study(1).trials[0])
    read_only = f"sqlite:///file:{tmp_path / 'study.db'}?mode=ro&uri=true"
    _complete(optuna.load_study(study_name=study.study_name, storage=read_only))
    said = capsys.readouterr().err
    assert "missing notes and figures cannot be stored" in said and "readonly" in said


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def served(app: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, server_class=Server, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_looks_on_while_a_study_is_written_and_neither_disturbs_the_other(
    tmp_path: Path,
) -> None:
    config, folder = study_of(trials=8, concurrency=1), tmp_path / "run"
    answers: list[int] = []
    pages: list[str] = []

    class Watched(Board):
        """Looks into the dashboard after each trial, and once with a browser beside the run."""

        def changed(self, store: Any) -> None:
            super().changed(store)
            with urlopen(f"{home}/api/studies/{store.study._study_id}") as answer:
                answers.append(len(json.load(answer)["trials"]))
            if len(answers) == 2:
                browser.start()

    def look() -> None:
        page = f"{home}/dashboard/studies/1/trials?numbers=0"
        given = ("--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000")
        command = [str(CHROMIUM), *given, f"--user-data-dir={tmp_path / 'own'}", "--dump-dom", page]
        pages.append(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)

    browser = threading.Thread(target=look)
    folder.mkdir()
    url = sqlite_url(folder / "study.db")
    with served(wsgi(connect(url), artifact_store(folder))) as home:
        done = run(config, folder=folder, observer=Watched(), in_process=True, begin=Written)
        browser.join()
    assert answers == sorted(answers) and len(answers) >= 8
    assert len([t for t in done.trials if "charged" in t.user_attrs]) == 8
    assert "model.py" in pages[0] and "tabulated" in pages[0]
    assert "Architecture" in pages[0]
