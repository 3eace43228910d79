"""The report of an epoch: what a training of one's own may say, and what is stored of it."""

import io
import math
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.config.check import load_data
from skipsearch.studies.engine.driver import run
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.trial.checkpoints import seal
from skipsearch.trainers.trial.job import REMEDY, Checked, Job, Report, WrongReport, report_of
from skipsearch.trainers.trial.training import Training
from tests.support.tabulated_training import Silent, Tabulated, charged, study_of

GIVEN = {"epoch": 1, "val_error": 0.5}
EVERYTHING = Report(
    epoch=3,
    lr=0.1,
    train_loss=1.5,
    train_error=0.5,
    val_error=0.25,
    val_loss=1.0,
    kept_error=0.125,
    last=True,
    seconds=7.5,
    images_per_second=1000.0,
    peak_memory_bytes=2**30,
    diverged="no",
    checkpoint="here/checkpoint-00003.pt",
    val_errors=[0.25, 0.0],
    val_error_sd=0.18,
    test_error=0.2,
    test_loss=0.9,
    node="host",
    pid=17,
)

COLUMNS = (
    "epoch,lr,train_loss,train_error,val_error,val_loss,kept_error,last,seconds,"
    "images_per_second,peak_memory_bytes,diverged"
)


@pytest.mark.parametrize(
    ("given", "needs", "said"),
    [
        (0.5, "val_error", "a report must be a Report or a mapping, got 0.5"),
        (None, "val_error", "a report must be a Report or a mapping, got None"),
        ({}, "val_error", "report has no epoch, which must be a whole number from 1, only nothing"),
        (
            {"epoch": 1, "loss": 2.0},
            "val_error",
            "report has no val_error, which must be a number (nan where training diverged), only "
            "epoch, loss",
        ),
        (GIVEN, "train_error", "report has no train_error, which must be a number, only"),
        (
            Report(epoch=1, val_error=math.nan),
            "train_error",
            "report has no train_error, which must be a number, only epoch, val_error",
        ),
        ({**GIVEN, "epoch": 1.5}, "val_error", "epoch must be a whole number from 1, got 1.5"),
        ({**GIVEN, "epoch": "1"}, "val_error", "epoch must be a whole number from 1, got '1'"),
        ({**GIVEN, "epoch": 0}, "val_error", "epoch must be a whole number from 1, got 0"),
        ({**GIVEN, "epoch": True}, "val_error", "epoch must be a whole number from 1, got True"),
        (
            {**GIVEN, "val_error": "high"},
            "val_error",
            "val_error must be a number (nan where training diverged), got 'high'",
        ),
        ({**GIVEN, "val_error": torch.ones(2)}, "val_error", "val_error must be a number"),
        ({**GIVEN, "val_error": np.ones(2)}, "val_error", "val_error must be a number"),
        ({**GIVEN, "seconds": None}, "val_error", "seconds must be a number, got None"),
        ({**GIVEN, "last": "no"}, "val_error", "last must be true or false, got 'no'"),
        ({**GIVEN, "diverged": True}, "val_error", "diverged must be a text, got True"),
        ({**GIVEN, "val_errors": 0.5}, "val_error", "val_errors must be a list of numbers"),
        ({**GIVEN, "val_errors": ["a"]}, "val_error", "val_errors must be a list of numbers"),
        (
            {**GIVEN, "kept_eror": 0.5},
            "val_error",
            "kept_eror is not a field of it (nearest: kept_error",
        ),
        (Report(epoch="1", val_error=0.5), "val_error", "epoch must be a whole number from 1"),
    ],
)
def test_a_wrong_report_gets_one_line_with_the_field_its_rule_and_the_remedy(
    given: Any, needs: str, said: str
) -> None:
    with pytest.raises(WrongReport) as caught:
        report_of(given, needs)
    line = str(caught.value)
    assert said in line and line.endswith(REMEDY) and "\n" not in line


def test_scalars_of_numpy_and_torch_are_numbers() -> None:
    given = {
        "epoch": np.int64(2),
        "val_error": torch.tensor(0.5),
        "kept_error": np.float32(0.25),
        "last": np.bool_(True),
        "peak_memory_bytes": np.int32(7),
        "val_errors": np.array([0.5, 0.25]),
    }
    report = report_of(given)
    assert report == Report(
        epoch=2,
        val_error=0.5,
        kept_error=0.25,
        last=True,
        peak_memory_bytes=7,
        val_errors=[0.5, 0.25],
    )
    types = (int, float, float, bool, int, list)
    assert all(type(vars(report)[name]) is kind for name, kind in zip(given, types, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_error_that_is_not_finite_is_no_wrong_report(value: float) -> None:
    report = report_of({"epoch": 1, "val_error": value, "kept_error": value})
    assert not math.isfinite(report.val_error) and not math.isfinite(report.error)


def test_the_error_of_the_kept_weights_is_that_of_the_epoch_where_it_is_not_told() -> None:
    assert Report(epoch=1, val_error=0.5).error == 0.5
    assert Report(epoch=1, val_error=0.5, kept_error=0.0).error == 0.0


def test_what_is_stored_is_read_again_and_names_of_other_versions_are_passed_over() -> None:
    flat = EVERYTHING.to_dict()
    assert list(flat) == [field.name for field in fields(Report)]
    assert report_of(EVERYTHING) == report_of(flat) == EVERYTHING
    assert Report.from_dict({**flat, "of another version": 1}) == EVERYTHING
    small = Report(epoch=1, val_error=0.5)
    assert small.to_dict() == {**GIVEN, "last": False, "diverged": ""}
    assert Report.from_dict(GIVEN) == small


def test_a_retraining_needs_no_validation_error(tmp_path: Path) -> None:
    class Own(Tabulated):
        def report(self) -> Any:
            return {"epoch": self.epoch, "train_error": 0.5}

    report = Checked(Job(0, {}, {}, 0, 3, str(tmp_path), 1, "cpu"), Own, "train_error").step()
    assert math.isnan(report.val_error) and report.train_error == 0.5


class OnceWrong(Tabulated):
    """The second trial reports its third epoch wrong."""

    def report(self) -> Mapping[str, Any] | Report:
        report = super().report()
        wrong = (self.job.number, self.epoch) == (1, 3)
        return {**report.to_dict(), "epoch": "three"} if wrong else report


def test_a_trial_with_a_wrong_report_fails_at_once_and_the_study_goes_on(tmp_path: Path) -> None:
    config = study_of(trials=3, epochs=4, concurrency=1, pruner="none")
    done = run(config, folder=tmp_path, observer=Silent(), in_process=True, begin=OnceWrong)
    states = [trial.state for trial in charged(done)]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    failed = done.trials[1]
    line = f"report: epoch must be a whole number from 1, got 'three': {REMEDY}"
    assert failed.user_attrs["why"] == line and failed.user_attrs["attempts"] == 1
    assert list(failed.intermediate_values) == [1, 2]


@pytest.fixture
def begun(tmp_path: Path) -> partial[Training]:
    """A training in one folder, begun or taken up where it is called."""
    arch = encode(Arch(stages=2, blocks=(1, 1), stem_channels=8))
    recipe = {**encode(RECIPES["short"]), "epochs": 3}
    job = Job(0, arch, recipe, 7, 3, str(tmp_path), 1, "cpu")
    return partial(Training, job, load_data(study_of(train_subset=60)))


def test_a_checkpoint_holds_plain_dictionaries_and_the_curve_has_the_columns_it_always_had(
    begun: partial[Training], tmp_path: Path
) -> None:
    training = begun()
    reports = [training.step() for _ in range(2)]
    state = torch.load(tmp_path / "checkpoint-00002.pt", weights_only=True)
    assert all(type(flat) is dict for flat in state["curve"])
    assert state["curve"] == [report.to_dict() for report in reports]
    assert list(state["curve"][0]) == [*COLUMNS.split(","), "checkpoint"]
    head, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    names = COLUMNS.split(",")
    assert head == COLUMNS
    assert rows == [",".join(str(vars(r)[name]) for name in names) for r in reports]


def test_a_checkpoint_of_another_version_is_read_whatever_else_it_says_of_an_epoch(
    begun: partial[Training], tmp_path: Path
) -> None:
    training = begun()
    first, _ = training.step(), training.step()
    after = training.step()
    (tmp_path / "checkpoint-00003.pt").unlink()
    path, content = tmp_path / "checkpoint-00002.pt", io.BytesIO()
    state = torch.load(path, weights_only=True)
    for flat in state["curve"]:
        del flat["images_per_second"]
        flat["of another version"] = 1.5
    torch.save(state, content)
    path.write_bytes(seal(content.getvalue()))
    again = begun()
    taken_up, going_on = again.step(), again.step()
    assert taken_up.epoch == 2 and taken_up.images_per_second is None
    assert (going_on.epoch, going_on.val_error) == (3, after.val_error)
    assert first.seconds is not None and going_on.seconds is not None
    assert going_on.seconds > first.seconds
