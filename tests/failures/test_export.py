"""Failure case 17: what was exported is used where the tool is not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from skipsearch.studies.exporting.export import export
from skipsearch.studies.models.load import load
from tests.support import ROOT
from tests.support.standalone_runner import PROJECT

SCRIPT = r"""
import json, os, re, sys
from pathlib import Path

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PROJECT:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, FOLDER)
import torch
from model import build, register_with_timm
from safetensors.torch import load_file

torch.set_num_threads(1)
images, found = torch.load("images.pt", weights_only=True), {}
with torch.no_grad():
    network = build()
    network.load_state_dict(load_file(Path(FOLDER) / "model.safetensors"))
    found["model.py"] = network.eval()(images)
    found["model.pt2"] = torch.export.load(Path(FOLDER) / "model.pt2").module()(images)
    import onnxruntime
    session = onnxruntime.InferenceSession(Path(FOLDER) / "model.onnx")
    found["model.onnx"] = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    import timm
    register_with_timm()
    served = timm.create_model(f"local-dir:{FOLDER}", pretrained=True).eval()
    found["timm"] = served(images)
    other = timm.create_model(f"local-dir:{FOLDER}", pretrained=True, num_classes=3).eval()
    found["timm, 3 classes"] = other(images)
    same = torch.equal(other.stem[0].weight, served.stem[0].weight)
torch.save(found, "found.pt")
os.chdir(FOLDER)
card = {"images": images}
for block in re.findall("```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL):
    exec(block, card)
print(json.dumps({"same stem": same, "classes": served.num_classes, "cfg": served.pretrained_cfg,
                  "card": sorted(set(card) & {"logits", "session", "detector"})}))
"""


@pytest.fixture(scope="module")
def folder(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("exports") / "tiny"
    export("tiny", place, trial=0, folder=runs)
    return place


@pytest.fixture(scope="module")
def elsewhere(
    folder: Path, runs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, torch.Tensor], torch.Tensor]:
    """What a bare interpreter says and computes, and what the trained network computes here."""
    place = tmp_path_factory.mktemp("elsewhere")
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    torch.save(images, place / "images.pt")
    head = f"FOLDER, PROJECT = {str(folder)!r}, {PROJECT!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", head + SCRIPT],
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with torch.no_grad():
        trained = load("tiny", trial=0, folder=runs).network()(images)
    found = torch.load(place / "found.pt", weights_only=True)
    return json.loads(done.stdout.splitlines()[-1]), found, trained


def test_case_17_an_export_comes_to_the_same_logits_where_the_tool_is_not(
    elsewhere: tuple[dict[str, Any], dict[str, torch.Tensor], torch.Tensor],
) -> None:
    _, found, trained = elsewhere
    assert torch.equal(found["model.py"], trained)
    assert torch.equal(found["timm"], trained)
    for name in ("model.onnx", "model.pt2"):
        assert (found[name] - trained).abs().max() <= 1e-5


def test_case_17_timm_serves_an_export_and_gives_it_a_new_classifier(
    elsewhere: tuple[dict[str, Any], dict[str, torch.Tensor], torch.Tensor],
) -> None:
    said, found, _ = elsewhere
    assert found["timm, 3 classes"].shape == (5, 3) and said["same stem"]
    assert said["classes"] == 10 and said["cfg"]["input_size"] == [1, 8, 8]


def test_case_17_the_code_in_the_card_runs(
    elsewhere: tuple[dict[str, Any], dict[str, torch.Tensor], torch.Tensor],
) -> None:
    assert elsewhere[0]["card"] == ["detector", "logits", "session"]


def test_case_17_the_files_name_no_folder_of_this_machine(folder: Path) -> None:
    here = str(ROOT).encode()
    for name in ("model.onnx", "model.py", "config.json", "README.md", "model.safetensors"):
        assert here not in (folder / name).read_bytes(), name
