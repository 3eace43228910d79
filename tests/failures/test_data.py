"""Failure cases of data sets, as a user of the command line meets them: one line, status 2, and
nothing left behind; grey and non-square images simply work.
"""

import gzip
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torchvision.datasets import MNIST

from skipsearch.trainers.data.datasets import load
from tests.support.failure_cases import ONE, refused, skipsearch, write_study
from tests.support.image_files import MODULE, write_folder, write_mnist

SMALL = {"trials": 1, "epochs": 1}


def study_on(folder: Path, dataset: str, **more: object) -> Path:
    study = {"name": "s", "dataset": dataset, "validation": 0.2, **SMALL, **more}
    return write_study(folder / "s.toml", {"study": study, "space": ONE})


def assert_refused(folder: Path, dataset: str, why: str) -> None:
    """By `check` and by `run`."""
    file, data = study_on(folder, dataset), folder / "data"
    for command in (("check", file), ("run", file, "--serial", "--folder", folder / "runs")):
        error = refused(*command, "--data-dir", data)
        assert why in error
    assert not (folder / "runs").exists()


def test_case_14_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "mirrors", [f"file://{tmp_path}/nowhere/"])
    assert_refused(tmp_path, "mnist", "its download failed")
    assert_refused(tmp_path, f"folder:{tmp_path}/none", "must be an existing folder")


def test_case_14_truncated_images_are_named(tmp_path: Path) -> None:
    cut = write_mnist(tmp_path / "data", 200, 20) / "MNIST" / "raw" / "train-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:1000])
    assert_refused(tmp_path, "mnist", "is damaged")
    folder = write_folder(tmp_path / "images", {"a": 10, "b": 10})
    cut = folder / "b" / "003.png"
    cut.write_bytes(cut.read_bytes()[:40])
    assert_refused(tmp_path, f"folder:{folder}", f"image {cut} cannot be read")


@pytest.mark.parametrize(
    ("function", "why"),
    [("beyond", "test labels must be 0 … 3"), ("negative", "train labels must be 0 … 2")],
)
def test_case_14_a_label_outside_its_range_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, why: str
) -> None:
    name = f"case_14_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    assert_refused(tmp_path, f"{name}:{function}", why)


def test_case_14_one_class_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", {"a": 10})
    assert_refused(tmp_path, f"folder:{folder}", "must have at least 2 classes, got 1")


def test_case_14_grey_images_that_are_not_square_are_trained_on(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", {"a": 10, "b": 10}, size=(13, 9), mode="L")
    with Image.open(folder / "a" / "000.png") as image:
        assert (image.mode, image.size) == ("L", (13, 9))
    file = study_on(tmp_path, f"folder:{folder}")
    status, _, error = skipsearch("run", file, "--serial", "--folder", tmp_path, "--quiet")
    assert (status, error) == (0, ""), error
    assert "1×9×13" in skipsearch("check", file)[1]


class Mirror(SimpleHTTPRequestHandler):
    """Serves the files of a folder, slowly enough for somebody else to come in between."""

    def __init__(self, *given: Any, asked: Counter[str], **named: Any) -> None:
        self.asked = asked
        super().__init__(*given, **named)

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        threading.Event().wait(0.05)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def mirror_of(folder: Path, asked: Counter[str]) -> Iterator[str]:
    handler = partial(Mirror, asked=asked, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_case_14_two_studies_that_prepare_one_data_set_download_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_mnist(tmp_path / "origin", 200, 20) / "MNIST" / "raw"
    resources = []
    for file in sorted(raw.iterdir()):
        packed = gzip.compress(file.read_bytes())
        (tmp_path / f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(MNIST, "resources", resources)
    found: list[object] = []
    together = threading.Barrier(2)

    def prepare() -> None:
        together.wait()
        try:
            found.append(len(load("mnist", data_dir=tmp_path / "two").train))
        except ValueError as error:
            found.append(error)

    asked: Counter[str] = Counter()
    with mirror_of(tmp_path, asked) as url:
        monkeypatch.setattr(MNIST, "mirrors", [url])
        load("mnist", data_dir=tmp_path / "one")
        for_one = Counter(asked)
        studies = [threading.Thread(target=prepare) for _ in range(2)]
        for study in studies:
            study.start()
        for study in studies:
            study.join()
    assert found == [180, 180] and len(for_one) == 4
    assert asked == for_one + for_one
