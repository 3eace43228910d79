"""`skipsearch evaluate`: its figures against slow twins, on the images of the study itself."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipsearch.studies.exporting.export import export
from skipsearch.studies.models.evaluate import BINS, Evaluation, binned, evaluate, images_of, judged
from skipsearch.studies.models.load import load
from skipsearch.studies.models.model import Inputs, Model, Untrained
from skipsearch.studies.storage.find import find
from skipsearch.studies.terminal.evaluation import confusion_columns, print_evaluation, summary
from skipsearch.studies.terminal.tables import console
from skipsearch.trainers.data.arrays import Array
from tests.support.trained_study import GIVEN

CLASSES = 7


def made(classes: int = CLASSES, images: int = 400) -> tuple[Array, Array]:
    """Logits that are right about half of the time, with the labels; class 3 is never there."""
    rng = np.random.default_rng(0)
    labels = rng.choice([k for k in range(classes) if k != 3], images)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), labels] += 1.5
    return logits, labels


def found(logits: Array, labels: Array) -> Evaluation:
    names = tuple(f"class {k}" for k in range(logits.shape[1]))
    inputs = Inputs(shape=(1, 8, 8), classes=names, mean=(0.0,), std=(1.0,))
    origin = Untrained(source="a test")
    model = Model(target="x", name="x", arch=None, inputs=inputs, origin=origin, state={})  # type: ignore[arg-type]
    return judged(model, "made", "test", logits, labels)


def probabilities(row: Array) -> list[float]:
    whole = sum(math.exp(value) for value in row)
    return [math.exp(value) / whole for value in row]


def test_the_figures_are_those_of_loops_over_the_images() -> None:
    logits, labels = made()
    result = found(logits, labels)
    right = five = nll = brier = 0.0
    confusion = [[0] * CLASSES for _ in range(CLASSES)]
    for row, label in zip(logits, labels, strict=True):
        p = probabilities(row)
        order = sorted(range(CLASSES), key=lambda k: -p[k])
        right += order[0] == label
        five += label in order[:5]
        nll -= math.log(p[label])
        brier += sum((p[k] - (k == label)) ** 2 for k in range(CLASSES))
        confusion[label][order[0]] += 1
    count = len(labels)
    assert result.top1 == right / count and result.top5 == five / count
    assert result.nll == pytest.approx(nll / count) and result.brier == pytest.approx(brier / count)
    assert result.confusion == tuple(map(tuple, confusion))
    for k, accuracy in enumerate(result.class_accuracy):
        total = sum(confusion[k])
        assert accuracy == confusion[k][k] / total if total else math.isnan(accuracy)
    assert math.isnan(result.class_accuracy[3])


def test_the_calibration_error_is_that_of_loops_over_bins() -> None:
    logits, labels = made()
    result, error = found(logits, labels), 0.0
    pairs = zip(logits, labels, strict=True)
    rows = [(max(p := probabilities(row)), p.index(max(p)) == y) for row, y in pairs]
    for index in range(BINS):
        inside = [r for r in rows if index / BINS < r[0] <= (index + 1) / BINS]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(sure for sure, _ in inside) / len(inside)
            error += len(inside) / len(rows) * abs(accuracy - confidence)
    assert result.calibration_error == pytest.approx(error)
    assert sum(one.images for one in result.bins) == len(labels)


def test_a_confidence_belongs_to_the_bin_that_it_closes() -> None:
    edges = np.array([1e-9, 1 / 15, 1 / 15 + 1e-9, 1.0])
    assert [round(one.high * BINS) for one in binned(edges, edges > 0)] == [1, 2, 15]


def test_five_classes_have_no_top_5() -> None:
    assert math.isnan(found(*made(5)).top5)
    assert "top-5" not in summary(found(*made(5)))[1]


def test_a_trial_is_as_good_as_its_study_says(runs: Path) -> None:
    study = find("tiny", folder=runs)
    images = study.user_attrs["data"]["validation"]
    for trial in study.get_trials():
        result = evaluate(f"tiny#{trial.number}", folder=runs)
        assert result.part == "validation" and result.images == images
        assert 1 - result.top1 == pytest.approx(trial.values[0])


def test_an_exported_folder_is_evaluated_on_the_same_split(runs: Path, tmp_path: Path) -> None:
    export("tiny", tmp_path / "out", trial=1, formats=[], folder=runs)
    there, here = evaluate(str(tmp_path / "out")), evaluate("tiny#1", folder=runs)
    assert {**asdict(there), "target": ""} == {**asdict(here), "target": ""}
    test = evaluate(str(tmp_path / "out"), part="test")
    assert test.part == "test" and test.images == 359 and test.images != there.images


@pytest.mark.parametrize(
    ("target", "given", "message"),
    [
        ("as/out", {}, "was never trained, there is nothing to evaluate"),
        ("tiny#1", {"part": "train"}, "--part must be validation or test, got 'train'"),
        ("tiny#1", {"data": "nothing"}, "data set must be"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(
    runs: Path, target: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(target, folder=runs, **given)


def test_other_images_than_it_was_trained_with_are_refused(runs: Path) -> None:
    model = load("tiny#1", folder=runs)
    assert not isinstance(model.origin, Untrained)
    other = {**model.origin.data, "seed": 99}
    from dataclasses import replace

    changed = replace(model, origin=replace(model.origin, data=other))
    with pytest.raises(ValueError, match=r"is not what tiny#1 was trained with"):
        images_of(changed)
    narrow = replace(model, inputs=replace(model.inputs, shape=(3, 8, 8)))
    with pytest.raises(ValueError, match=r"reads 3×8×8 in 10 classes, data set digits has 1×8×8"):
        images_of(narrow)
    assert images_of(model, "digits").name == GIVEN["study"]["dataset"]


@pytest.mark.parametrize("width", [60, 100])
def test_the_tables_fit_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = found(*made())
    print_evaluation(result, console())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "x on made, test: 400 images, 7 classes"
    assert max(map(len, lines[3:])) <= width
    has_matrix = any("images by class and answer" in line for line in lines)
    assert has_matrix == (sum(c.width + 2 for c in confusion_columns(result)) <= width)
    assert any("calibration, 15 bins" in line for line in lines)


def test_of_many_classes_the_worst_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    print_evaluation(found(*made(60, 3_000)), console())
    out = capsys.readouterr().out
    assert "the 20 worst of 60 classes; --json has all" in out
    assert "images by class and answer" not in out
