"""`skipsearch export`: which network, which files, what they say, what is refused."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import create_trial
from safetensors.torch import load_file
from torch import Tensor, nn

from skipsearch.searchspace import Arch, encode, override
from skipsearch.studies.exporting import formats
from skipsearch.studies.exporting.export import Exported, export
from skipsearch.studies.exporting.formats import Exporter, Refused, Written
from skipsearch.studies.models.evaluate import evaluate
from skipsearch.studies.models.exported_config import is_ours, timm_name
from skipsearch.studies.models.load import Picked, load
from skipsearch.studies.models.model import Trained, Untrained, safe_name
from skipsearch.studies.results.retrained import retrained_folder
from skipsearch.studies.storage.find import find
from skipsearch.studies.terminal.export import (
    exported_record,
    formats_of,
    print_exported,
    size_text,
)
from skipsearch.studies.terminal.tables import console
from skipsearch.trainers.trial.checkpoints import seal
from tests.support.failure_cases import refused, skipsearch
from tests.support.trained_study import trained


@pytest.fixture(scope="module")
def exported(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("exports") / "best"
    return export("tiny", place, trial=Picked("best"), formats=["pt2"], folder=runs)


def test_an_export_has_code_weights_configuration_and_card(exported: Exported) -> None:
    names = ["README.md", "config.json", "model.pt2", "model.py", "model.safetensors"]
    assert list(exported.files) == names == sorted(p.name for p in exported.folder.iterdir())
    assert all(size == (exported.folder / n).stat().st_size for n, size in exported.files.items())
    (outcome,) = exported.outcomes
    assert isinstance(outcome, Written) and outcome.difference <= 1e-5


def test_an_exported_model_is_the_trained_model(exported: Exported, runs: Path) -> None:
    model = load("tiny", trial=Picked("best"), folder=runs)
    module: dict[str, Any] = {"__name__": "model"}
    exec((exported.folder / "model.py").read_text(), module)
    network = module["build"]()
    network.load_state_dict(load_file(exported.folder / "model.safetensors"))
    again = load(str(exported.folder))
    assert (again.arch, again.inputs, again.origin) == (model.arch, model.inputs, model.origin)
    images = torch.randn(3, 1, 8, 8)
    logits = model.network()(images)
    assert torch.equal(network.eval()(images), logits)
    assert torch.equal(again.network()(images), logits)


def test_the_configuration_has_the_keys_that_timm_reads(exported: Exported) -> None:
    document = json.loads((exported.folder / "config.json").read_text())
    assert document["architecture"] == timm_name(f"tiny-{_best(exported)}")
    assert document["num_classes"] == 10 == len(document["label_names"])
    cfg = document["pretrained_cfg"]
    assert cfg["input_size"] == [1, 8, 8] and len(cfg["mean"]) == len(cfg["std"]) == 1
    weights = load_file(exported.folder / "model.safetensors")
    assert document["num_features"] == weights[f"{cfg['classifier']}.weight"].shape[1]


def _best(exported: Exported) -> int:
    origin = load(str(exported.folder)).origin
    assert isinstance(origin, Trained)
    return origin.trial


def test_the_card_and_the_docstring_say_what_the_network_is_worth(
    exported: Exported, runs: Path
) -> None:
    study = find("tiny", folder=runs)
    trial = study.get_trials()[_best(exported)]
    card = (exported.folder / "README.md").read_text()
    about = ast.get_docstring(ast.parse((exported.folder / "model.py").read_text())) or ""
    error = f"{100 * trial.values[0]:.2f} % (n = 1), after 1 of 1 epoch"
    for text in (card, " ".join(about.split())):
        assert error in text and f"{trial.user_attrs['params']:,}" in text
        assert "a search does not look at the test images" in text
    for fact in ("200 train", "seed 3", "torch ", "1 CPU thread", "model.pt2"):
        assert fact in card
    assert "model.onnx" not in card  # not asked for


def test_a_preset_is_exported_untrained_and_says_so(tmp_path: Path) -> None:
    done = export("dia/resnet56-no-skip", tmp_path / "a", formats=[])
    model = load(str(done.folder))
    assert isinstance(model.origin, Untrained)
    for name in ("README.md", "model.py"):
        assert "untrained" in (done.folder / name).read_text()
    drawn = load("dia/resnet56-no-skip")
    assert all(torch.equal(drawn.state[name], one) for name, one in model.state.items())


def test_an_architecture_file_is_exported_with_every_name_of_shared_weights(
    tmp_path: Path,
) -> None:
    arch = override(Arch, {"gate": "dia", "stages": 2, "shortcut": "sum"})
    (tmp_path / "my net.json").write_text(json.dumps(encode(arch)))
    done = export(str(tmp_path / "my net.json"), tmp_path / "out", formats=[])
    network = load(str(done.folder)).network()
    weights = load_file(done.folder / "model.safetensors")
    assert list(network.state_dict()) and set(weights) == set(network.state_dict())
    assert len({id(one) for one in network.parameters()}) < len(weights)
    assert '"architecture": "my_net"' in (done.folder / "config.json").read_text()


def test_a_trial_of_several_seeds_exports_its_first_one(tmp_path: Path) -> None:
    study = trained(tmp_path, trials=1, seeds_per_trial=2)
    model = load("tiny#0", folder=tmp_path)
    assert isinstance(model.origin, Trained)
    facts = study.get_trials()[0].user_attrs
    assert model.origin.val_errors == tuple(facts["val_errors"]) and len(facts["val_errors"]) == 2
    done = export("tiny#0", tmp_path / "out", formats=[], folder=tmp_path)
    assert "(n = 2)" in (done.folder / "README.md").read_text()


@pytest.fixture
def retrained(tmp_path: Path) -> Path:
    """A folder of studies whose trial 0 was retrained with two seeds, as `retrain` leaves it."""
    study = trained(tmp_path, trials=1)
    for k in range(2):
        place = retrained_folder(tmp_path / "tiny", 0, k)
        shutil.copytree(tmp_path / "tiny" / "trials" / "0", place)
    beside = optuna.create_study(study_name="tiny/retrain", storage=study._storage)
    for k, error in enumerate((0.25, 0.5)):
        facts = {"system": "0", "seed_number": k, "seed": 100 + k, "charged": True}
        beside.add_trial(create_trial(values=[error], user_attrs={**facts, "epochs_asked": 1}))
    return tmp_path


def test_a_retrained_network_is_exported_with_its_test_errors(retrained: Path) -> None:
    done = export("tiny#0", retrained / "out", retrained=True, formats=[], folder=retrained)
    origin = load(str(done.folder)).origin
    assert isinstance(origin, Trained) and origin.retrained and origin.test_errors == (0.25, 0.5)
    card = (done.folder / "README.md").read_text()
    assert "37.50 ± 17.68 % (n = 2), retrained for 1 epoch on the images of" in card
    assert "retrained on the images of training and validation" in card


def test_a_retrained_network_is_evaluated_on_test_images_alone(retrained: Path) -> None:
    given: dict[str, Any] = {"retrained": True, "folder": retrained}
    assert evaluate("tiny#0", **given).part == "test"
    with pytest.raises(ValueError, match="was retrained on these images; take --part test"):
        evaluate("tiny#0", part="validation", **given)


def test_the_weights_are_found_after_the_folder_of_the_study_moved(
    runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "tiny", tmp_path / "elsewhere" / "tiny")
    one, other = (
        load("tiny", trial=Picked("best"), folder=f) for f in (runs, tmp_path / "elsewhere")
    )
    assert all(torch.equal(one.state[name], x) for name, x in other.state.items())


@pytest.mark.parametrize(
    ("target", "given", "message"),
    [
        ("tiny#99", {}, r"tiny#99 names nothing: study tiny has the trials #0 to #2"),
        ("tiny#x", {}, r"tiny#x names nothing: study tiny has the trials #0 to #2"),
        ("tiny#1", {"trial": 2}, r"tiny#1 names a trial: leave the choice of another one out"),
        ("as/out", {"trial": 2}, r"as/out is a preset, one network and no study"),
        ("tiny", {"trial": Picked("best", {"params": 10})}, r"no fully trained network within"),
        ("tiny#0", {"retrained": True}, r"was not retrained: run `skipsearch retrain tiny --tr"),
        ("nothing", {}, r"nothing names nothing: it must be .*; known: tiny"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    runs: Path, tmp_path: Path, target: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        export(target, tmp_path / "out", folder=runs, **given)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_trial_may_be_named_by_its_baseline(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "tiny", tmp_path / "tiny")
    study = find("tiny", folder=tmp_path)
    facts = {**study.trials[0].user_attrs, "baseline": "as/mine", "charged": True}
    study.add_trial(create_trial(values=[0.5, 9e9], user_attrs=facts))
    assert load("tiny#as/mine", folder=tmp_path).target == "tiny#3"
    with pytest.raises(ValueError, match=r"the trials #0 to #3, by name #as/mine"):
        load("tiny#as/ot", folder=tmp_path)


def test_a_trial_without_a_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    study = trained(tmp_path, keep="front")
    without = [
        t
        for t in study.get_trials()
        if not list((tmp_path / "tiny/trials").glob(f"{t.number}/*.pt"))
    ]
    assert without
    with pytest.raises(ValueError, match=r'retrain tiny --trials \d` .*keep = "all"'):
        load(f"tiny#{without[0].number}", folder=tmp_path)


def test_a_folder_that_is_there_is_replaced_with_force_alone(runs: Path, tmp_path: Path) -> None:
    def write(**given: Any) -> Exported:
        return export("tiny", tmp_path / "out", trial=0, formats=[], folder=runs, **given)

    write()
    first = (tmp_path / "out" / "model.safetensors").stat().st_ino
    with pytest.raises(ValueError, match="is there: --force replaces it"):
        write()
    write(force=True)
    assert (tmp_path / "out" / "model.safetensors").stat().st_ino != first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_nothing_but_exports(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other things than an export"):
        export("tiny", tmp_path, trial=0, formats=[], folder=runs, force=True)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        export("tiny", tmp_path / "link", trial=0, formats=[], folder=runs, force=True)
    assert (tmp_path / "precious.txt").read_text() == "mine" and not is_ours(tmp_path)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", "ein Name\n", ".hidden", "C:\\x"])
def test_names_of_studies_never_lead_out_of_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and not set(safe) & set("/\\ \n:") and not safe.startswith(".")
    assert timm_name(safe).isidentifier()


def test_a_checkpoint_that_runs_code_is_not_loaded(runs: Path, tmp_path: Path) -> None:
    """Neither of a trial nor of an exported folder is anything unpickled."""

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "owned",))

    shutil.copytree(runs / "tiny", tmp_path / "tiny")
    (path,) = (tmp_path / "tiny" / "trials").glob(f"{_any_with_weights(runs)}/*.pt")
    torch.save({"fit": Evil()}, path)
    path.write_bytes(seal(path.read_bytes()))
    with pytest.raises(ValueError, match="is no checkpoint of ours"):
        load(f"tiny#{_any_with_weights(runs)}", folder=tmp_path)
    assert not (tmp_path / "owned").exists()


def _any_with_weights(runs: Path) -> int:
    return min(int(path.parent.name) for path in (runs / "tiny" / "trials").glob("*/*.pt"))


class Unknown(nn.Module):
    """Has an operation that ONNX does not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x.flatten(1))


class Restless(nn.Module):
    """Answers differently each time."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) + torch.rand(1)


def test_an_operation_that_a_format_lacks_is_named_and_the_others_are_written(
    tmp_path: Path,
) -> None:
    exporter = Exporter(Unknown(), (1, 2, 2), tmp_path)
    onnx, pt2 = exporter.write("onnx"), exporter.write("pt2")
    assert isinstance(onnx, Refused) and "bessel_j0" in onnx.reason and "\n" not in onnx.reason
    assert isinstance(pt2, Written) and [p.name for p in tmp_path.iterdir()] == ["model.pt2"]


def test_a_file_that_comes_to_other_logits_is_not_left_there(tmp_path: Path) -> None:
    outcome = Exporter(Restless(), (1, 2, 2), tmp_path).write("pt2")
    assert isinstance(outcome, Refused) and "other logits" in outcome.reason
    assert not list(tmp_path.iterdir())


def test_without_the_packages_of_onnx_one_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "NEEDED", ("a_package_that_is_not_there",))
    outcome = Exporter(Restless(), (1, 2, 2), tmp_path).write("onnx")
    assert isinstance(outcome, Refused) and "pip install 'skipsearch[export]'" in outcome.reason


def test_the_table_shows_files_sizes_and_refusals(
    exported: Exported, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    refused = Refused("model.onnx", "operation aten.bessel_j0: no")
    shown = Exported(exported.folder, exported.files, (*exported.outcomes, refused))
    print_exported(shown, console())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-2])) <= 80
    assert "model.onnx not written: operation aten.bessel_j0: no" in lines
    assert any(line.startswith("model.pt2") and "kB" in line for line in lines)
    record = exported_record(shown)
    assert record["formats"]["model.onnx"] == {"reason": refused.reason}
    assert record["files"] == exported.files


def test_the_commands_export_and_evaluate(runs: Path, tmp_path: Path) -> None:
    place, here = str(tmp_path / "out"), ["--folder", runs]
    words = ["export", "tiny", "--trial", 1, "--to", place, "--formats", "none", *here]
    status, out, _ = skipsearch(*words)
    assert status == 0 and f"exported to {place}" in out
    assert f"{place} is there: --force replaces it" in refused(*words)
    status, out, _ = skipsearch(*words, "--force", "--json")
    assert status == 0 and set(json.loads(out)["files"]) >= {"model.py", "README.md"}
    status, out, _ = skipsearch("evaluate", place, "--json")
    by_trial = json.loads(skipsearch("evaluate", "tiny#1", "--json", *here)[1])
    assert json.loads(out)["confusion"] == by_trial["confusion"]
    assert "top-1" in skipsearch("evaluate", "tiny", "--pick", "best", *here)[1]
    assert "--trial names one trial" in refused("export", "tiny", "--trial", 1, "--pick", "best")
    unclear = refused("export", "tiny", "--max-params", "few", *here)
    assert "--max-params must be a number" in unclear


def test_formats_are_named_or_none() -> None:
    assert formats_of("pt2, onnx") == ("onnx", "pt2") and formats_of("none") == ()
    with pytest.raises(ValueError, match="some of onnx, pt2, or none; got 'tflite'"):
        formats_of("onnx,tflite")
    assert [size_text(n) for n in (12, 1_234, 5_678_900)] == ["12 B", "1.2 kB", "5.7 MB"]
