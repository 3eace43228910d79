"""Networks of a study trained again for their test error: stored, resumed, never twice."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import encode
from skipsearch.studies.cli.retrain_and_show import Wanted, retrain_and_show
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.engine.driver import run
from skipsearch.studies.results.compare import compare
from skipsearch.studies.results.retrained import Retrained, retrain_trials, retrained_folder
from skipsearch.studies.retraining.retrain import retrain
from skipsearch.studies.storage.find import find
from skipsearch.studies.terminal.comparison import notes
from skipsearch.trainers.trial.checkpoints import Checkpoints
from tests.support.command import Command
from tests.support.kills import Killed, killed_at, small_study
from tests.support.tabulated_training import (
    ByNetwork,
    Final,
    Silent,
    Tabulated,
    study_of,
    val_error,
)

NETWORK = {"stages": 2, "blocks": 1, "stem_channels": 8, "body": "basic", "shortcut": "sum"}


class Unlucky(Final):
    """The network with seed number 1 diverges, the one with number 2 raises."""

    def report(self) -> Any:
        if "seed-1" in self.job.folder and self.epoch == 2:
            nan = {"train_error": math.nan, "diverged": "loss is nan at step 17"}
            return {"epoch": 2, "last": True} | nan
        return super().report()

    def train_epoch(self) -> None:
        if "seed-2" in self.job.folder:
            raise RuntimeError("no such luck")


class Interrupted(Final):
    def train_epoch(self) -> None:
        if "seed-1" in self.job.folder and self.epoch == 3:
            raise KeyboardInterrupt


def searched(home: Path, **more: Any) -> optuna.Study:
    """A study of three trials and a baseline that is over its limit."""
    given = {"trials": 3, "pruner": "none", "epochs": 3, "concurrency": 1} | more
    config = small_study(**given)
    return run(
        config, folder=home / config.name, observer=Silent(), in_process=True, begin=ByNetwork
    )


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pattern")
    searched(home)
    return home


@pytest.fixture
def home(pattern: Path, tmp_path: Path) -> Path:
    """A folder with a study that ran."""
    shutil.copytree(pattern, tmp_path, dirs_exist_ok=True)
    return tmp_path


def the(home: Path) -> optuna.Study:
    return find("tabulated", folder=home)


def again(home: Path, *networks: int | str, **more: Any) -> dict[int, Retrained]:
    given: dict[str, Any] = {"seeds": 2, "serial": True, "begin": Final} | more
    return retrain("tabulated", networks, folder=home, **given)


def trained(home: Path, number: int | str, k: int) -> list[str]:
    """The epochs that were really trained."""
    folder = retrained_folder(home / "tabulated", number, k)
    return (folder / "trained.txt").read_text().split()


def test_each_seed_has_its_test_error_and_its_curve_of_training(home: Path) -> None:
    study = the(home)
    found = again(home, 1, 3, seeds=3)
    assert sorted(found) == [1, 3]
    for number, own in found.items():
        facts = study.trials[number].user_attrs
        seeds = [derived_seed(0, facts["identity"], *k) for k in ((), (1,), (2,))]
        assert own.seeds == (*seeds,) and own.seeds[0] == facts["seed"]
        assert own.test_errors == tuple(val_error(seed, 99) for seed in seeds)
        assert own.epochs == 3
    for trial in retrain_trials(study):
        assert trial.state == TrialState.COMPLETE
        curve = {e: val_error(trial.user_attrs["seed"], e) for e in (1, 2, 3)}
        assert trial.intermediate_values == curve


def test_more_seeds_extend_and_nothing_is_trained_twice(home: Path) -> None:
    study = the(home)
    first = again(home, 1)[1]
    more = again(home, 1, seeds=3)[1]
    assert more.test_errors[:2] == first.test_errors and more.n == 3
    assert len(retrain_trials(study)) == 3
    assert all(trained(home, 1, k) == ["1", "2", "3"] for k in range(3))


def test_other_epochs_take_the_place_of_what_was_trained(home: Path) -> None:
    again(home, 1, 2)
    for number in (1, 2):
        for k in range(2):
            (retrained_folder(home / "tabulated", number, k) / "trained.txt").unlink()
    found = again(home, 1, seeds=1, epochs=5)
    assert (found[1].n, found[1].epochs, trained(home, 1, 0)[-1]) == (1, 5, "5")
    assert (found[2].n, found[2].epochs) == (2, 3)


def test_an_interrupted_retraining_goes_on_where_it_was(home: Path) -> None:
    study = the(home)
    with pytest.raises(KeyboardInterrupt):
        again(home, 1, 2, begin=Interrupted)
    assert [t.state.name for t in retrain_trials(study)] == ["COMPLETE", "COMPLETE", "RUNNING"]
    found = again(home, 1, 2)
    assert [own.n for own in found.values()] == [2, 2]
    assert len(retrain_trials(study)) == 4
    assert {*map(len, (trained(home, n, k) for n in (1, 2) for k in (0, 1)))} == {3}


@pytest.mark.parametrize("moment", ["before", "after", "committed"])
def test_a_retraining_killed_at_any_write_comes_to_the_same(moment: Any, home: Path) -> None:
    study = the(home)
    ended, number = False, 1
    while not ended:
        try:
            with killed_at(moment, number):
                again(home, 1, 2, epochs=2)
            ended = True
        except Killed:
            number += 11
    whole = {1: 2, 2: 2}
    found = again(home, 1, 2, epochs=2)
    assert {n: own.n for n, own in found.items()} == whole
    for own in found.values():
        assert own.test_errors == tuple(val_error(seed, 99) for seed in own.seeds)
    assert not [t for t in retrain_trials(study) if not t.state.is_finished()]
    assert {*map(len, (trained(home, n, k) for n in (1, 2) for k in (0, 1)))} == {2}


def test_divergence_is_a_result_and_a_failure_is_tried_again(home: Path) -> None:
    study = the(home)
    assert again(home, 1, seeds=3, begin=Unlucky)[1].n == 1
    (row,) = compare(["tabulated"], folder=home)
    assert row.lost[0] == "diverged: loss is nan at step 17" and len(row.lost) == 2
    assert "careful: trial 1 lost 2 of 3 trainings: RuntimeError" in "".join(
        notes([row], "student", "test")
    )
    states = {t.user_attrs["seed_number"]: t for t in retrain_trials(study)}
    assert states[1].user_attrs["why"] == "diverged: loss is nan at step 17"
    assert states[2].state == TrialState.FAIL and "no such luck" in states[2].user_attrs["why"]
    assert again(home, 1, seeds=3)[1].n == 2
    assert len(retrain_trials(study)) == 4


def test_what_always_fails_ends_the_retraining_in_one_line(tmp_path: Path) -> None:
    class Broken(Final):
        def train_epoch(self) -> None:
            raise RuntimeError("no such luck")

    searched(tmp_path, max_failures=2)
    with pytest.raises(ValueError, match=r"stopped, 2 trainings in a row failed, .* no such luck"):
        again(tmp_path, 1, 2, 3, begin=Broken)


def test_presets_and_arch_files_are_retrained_by_the_studys_recipe(home: Path) -> None:
    study = the(home)
    file = home / "mine.json"
    file.write_text(json.dumps(encode(Arch(stages=2, blocks=(1, 2)))))
    assert again(home, "cnntention/resnet20", str(file), 1).keys() == {1}
    by_name = {t.user_attrs["system"]: t.user_attrs for t in retrain_trials(study)}
    assert by_name.keys() == {"cnntention/resnet20", "mine", "1"}
    assert len({str(facts["recipe"]) for facts in by_name.values()}) == 1
    identity = by_name["cnntention/resnet20"]["identity"]
    assert trained(home, identity, 1) == ["1", "2", "3"]
    with pytest.raises(ValueError, match="is the same network as mine"):
        (home / "copy.json").write_text(file.read_text())
        again(home, str(file), str(home / "copy.json"))


def test_a_baseline_that_the_study_trained_is_its_trial(tmp_path: Path) -> None:
    study = searched(tmp_path, limits={}, baselines={"presets": ["cnntention/resnet20"]})
    assert again(tmp_path, "cnntention/resnet20", seeds=1).keys() == {0}
    assert study.trials[0].user_attrs["baseline"] == "cnntention/resnet20"


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (99, "tabulated#99 names nothing: study tabulated has the trials #0 to #"),
        ("cnntention/resnet2", "names nothing: it must be PRESET or FILE .*nearest: .*resnet20"),
    ],
)
def test_what_cannot_be_retrained_is_said(network: Any, said: str, home: Path) -> None:
    with pytest.raises(ValueError, match=said):
        again(home, network)


def test_one_driver_retrains_at_a_time(home: Path) -> None:
    study = the(home)
    again(home, 1)
    beside = optuna.load_study(study_name="tabulated/retrain", storage=study._storage)
    lease = beside.user_attrs["lease"]
    beside.set_user_attr("lease", lease | {"closed": False, "pid": 1, "started": started(1)})
    with pytest.raises(ValueError, match="is being run by process 1 "):
        again(home, 2)


def started(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time())


def test_other_images_are_refused(home: Path) -> None:
    study = the(home)
    data = study.user_attrs["data"]
    study.set_user_attr("data", data | {"fingerprint": "0"})
    with pytest.raises(ValueError, match="is not what the study was begun with: fingerprint"):
        again(home, 1)


def test_a_renamed_folder_is_still_found_after_a_retraining(home: Path) -> None:
    again(home, 1)
    (home / "tabulated").rename(home / "other")
    found = find("other", folder=home)
    assert found.study_name == "tabulated"
    assert retrain("other", [1], seeds=3, folder=home, serial=True, begin=Final)[1].n == 3


def real(tmp_path: Path, name: str) -> dict[int, Retrained]:
    config = study_of(name=name, space=NETWORK, trials=1, epochs=1, concurrency=1, train_subset=200)
    home = tmp_path / name
    run(config, folder=home, observer=Silent(), in_process=True, begin=Tabulated)
    return retrain(name, [0], seeds=2, epochs=2, folder=tmp_path, serial=True)


def test_the_same_study_retrains_to_the_same_errors(tmp_path: Path) -> None:
    first, second = (real(tmp_path, name) for name in ("one", "two"))
    assert first == second and first[0].n == 2 and len({*first[0].test_errors}) == 2
    folder = retrained_folder(tmp_path / "one", 0, 1)
    assert Checkpoints.at(str(folder)).epochs() == [2]
    assert "train_error" in (folder / "curve.csv").read_text()


TOML = """
[study]
dataset = "digits"
train_subset = 100
trials = 1
epochs = 2
[baselines]
files = ["small.json", "other.json"]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, channels in (("small", 8), ("other", 16)):
        arch = encode(Arch(stages=2, blocks=(1, 1), stem_channels=channels))
        (tmp_path / f"{name}.json").write_text(json.dumps(arch))
    (tmp_path / "both.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_file_that_was_never_run_is_enough(
    here: Path,
    skipsearch: Command,
) -> None:
    words = ("retrain", "both.toml", "--baselines", "--seeds", "2", "--epochs", "1", "--serial")
    status, out, said = skipsearch(*words, "--json")
    assert status == 0 and "small seed-1: test error" in said
    systems = json.loads(out)["systems"]
    assert [(s["system"], s["n"], s["epochs"]) for s in systems] == [
        ("small", 2, 1),
        ("other", 2, 1),
    ]
    status, out, _ = skipsearch(*words)
    assert status == 0 and "0 of 4 trainings to do" in out and "p: two-sample" in out
    assert json.loads(skipsearch("compare", "both", "--json")[1])["systems"] == systems
    assert "retrained 2 networks, 4 trainings" in skipsearch("status", "both")[1]
    assert (here / "runs" / "both" / "study.toml").is_file()


def test_an_added_file_is_shown_by_its_name(
    here: Path,
    skipsearch: Command,
) -> None:
    (here / "more").mkdir()
    arch = encode(Arch(stages=2, blocks=(1, 1), stem_channels=24))
    (here / "more" / "extra.json").write_text(json.dumps(arch))
    words = ("retrain", "both.toml", "--add", "more/extra.json", "--seeds", "1", "--epochs", "1")
    status, out, said = skipsearch(*words, "--serial", "--json")
    assert status == 0, said
    assert [s["system"] for s in json.loads(out)["systems"]] == ["extra"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to retrain: --trials 3,17, --front, --pick RULE, --baselines or --add"),
        (("--trials", "3,x"), "--trials must be numbers of trials such as 3,17, got '3,x'"),
        (("--trials", "3"), "both#3 names nothing: study both has no trial yet"),
        (("--front",), "has nothing on its front and no baselines"),
        (("--pick", "knee"), "has no fully trained network to pick from yet"),
        (("--baselines", "--max-params", "3k"), "give --pick best with them"),
        (("--add", "cnntention/rsnet20"), "names nothing: it must be PRESET or FILE (nearest: "),
        (("--add", "as/out", "--serial", "--address", "auto"), "--serial trains in this process"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...],
    said: str,
    here: Path,
    skipsearch: Command,
) -> None:
    status, _, error = skipsearch("retrain", "both.toml", *words)
    assert status == 2 and said in error and error.count("\n") == 1


def test_an_interruption_says_how_to_go_on(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted(trials="1", front=False, rule=None, limits={}, baselines=False, add=())
    status = retrain_and_show(
        "tabulated",
        wanted,
        folder=home,
        storage=None,
        settings={},
        as_json=False,
        command=["retrain", "tabulated", "--trials", "1"],
        serial=True,
        begin=Interrupted,
    )
    assert status == 130
    assert "Go on with: skipsearch retrain tabulated --trials 1" in capsys.readouterr().err
