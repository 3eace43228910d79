"""What a running study shows: on a terminal, in a file."""

import io
import re

import optuna
import pytest
from rich.console import Console

from skipsearch.studies.humanize import rough
from skipsearch.studies.results.summary import summarize
from skipsearch.studies.terminal.progress import Progress
from tests.support.fake_study import make_study


class Store:
    def __init__(self, study: optuna.Study) -> None:
        self.study = study


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(*, terminal: bool, width: int = 100) -> str:
    """Everything that a study of 20, 40, then 60 trials writes."""
    stream, clock = io.StringIO(), Clock()
    console = Console(
        file=stream, force_terminal=terminal, width=width, height=30, color_system=None
    )
    progress, store = Progress(console, clock), Store(make_study(20))
    progress.started(store)
    for trials in (40, 40, 60):
        store.study = make_study(trials)
        clock.now += 10
        progress.changed(store)
    progress.finished(store)
    return stream.getvalue()


def test_without_a_terminal_there_are_plain_lines_only_when_something_changed() -> None:
    lines = shown(terminal=False).splitlines()
    assert "\x1b" not in "".join(lines)
    states = [line for line in lines if " of " in line]
    assert len(states) == 2  # at 40 and at 60 trials, not again at the end
    assert "24 complete" in states[-1]
    assert "front 5" in states[-1]


def test_new_members_of_the_front_are_announced_once() -> None:
    lines = [line for line in shown(terminal=False).splitlines() if line.startswith("on the front")]
    assert lines
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_a_line_and_the_front_are_shown_and_fit_it(width: int) -> None:
    text = shown(terminal=True, width=width)
    assert "/60 trials" in text
    assert "network" in text  # the table of the front
    for line in text.replace("\r", "\n").splitlines():
        assert len(_printable(line)) <= width


def test_the_time_left_follows_from_the_trials_of_this_run() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(Console(file=stream, width=200), clock)
    first, later = make_study(20), make_study(40)
    tables = later.user_attrs["study"]
    for study in (first, later):
        study.set_user_attr("study", {"study": tables["study"] | {"trials": 100}})
    done, now = summarize(first).charged, summarize(later).charged
    progress.started(Store(first))
    clock.now = float(now - done)  # one second a trial
    progress.changed(Store(later))
    assert rough(100 - now) + " left" in stream.getvalue()
    assert "continuing fashion-mnist at trial" in stream.getvalue()


def _printable(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
