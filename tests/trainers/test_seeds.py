"""Several seeds a trial: a report stands for all of them, whatever happens on the way."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest
from optuna.trial import TrialState, create_trial
from torch import equal

from skipsearch.studies.config.check import load_data
from skipsearch.studies.config.joint_space import derived_seed
from skipsearch.studies.engine.driver import run
from skipsearch.studies.page.contents import Contents
from skipsearch.studies.page.details import details
from skipsearch.studies.page.front_figures import Pair, front_figure
from skipsearch.studies.page.page import page
from skipsearch.studies.results.front import front_records
from skipsearch.studies.results.trial_table import trials
from skipsearch.studies.terminal.front import front_table
from skipsearch.trainers.trial.job import Job, Report
from skipsearch.trainers.trial.seeds import Repeats, together
from skipsearch.trainers.trial.training import Training
from tests.support.driven_searcher import begin, drive
from tests.support.driven_searcher import study_of as cheap_study
from tests.support.fake_study import make_study
from tests.support.kills import Killed
from tests.support.tabulated_training import ByNetwork, Silent, charged, study_of, val_error

SPACE = {"stages": 2, "blocks": 1, "body": "basic", "gate": "none", "shortcut": ["none", "sum"]}
SEEDS = (3, 11, 20)


def job_in(folder: Path) -> Job:
    return Job(0, {}, {}, SEEDS[0], 4, str(folder), 1, "cpu", more_seeds=SEEDS[1:])


def expected(epoch: int) -> float:
    return fmean(val_error(seed, epoch) for seed in SEEDS)


def test_the_value_is_the_mean_of_trainings_that_are_each_as_if_alone(tmp_path: Path) -> None:
    config = study_of(
        trials=2,
        epochs=2,
        seeds_per_trial=2,
        pruner="none",
        keep="all",
        train_subset=60,
        space=SPACE,
    )
    done = run(config, folder=tmp_path, observer=Silent(), in_process=True)
    for trial in charged(done):
        facts, own = trial.user_attrs, tmp_path / "trials" / str(trial.number)
        assert trial.state == TrialState.COMPLETE and trial.values is not None
        assert trial.values[0] == fmean(facts["val_errors"]) == trial.intermediate_values[2]
        assert facts["val_error_sd"] == stdev(facts["val_errors"])
        assert facts["checkpoint"] == str(own / "seed-0" / "checkpoint-00002.pt")
        seeds = [derived_seed(0, facts["identity"]), derived_seed(0, facts["identity"], 1)]
        assert facts["seed"] == seeds[0]
    for number, seed in enumerate(seeds):
        job = Job(9, facts["arch"], facts["recipe"], seed, 2, str(tmp_path / str(seed)), 1, "cpu")
        alone, repeated = Training(job, load_data(config)), own / f"seed-{number}"
        assert [alone.step(), alone.step()][1].val_error == facts["val_errors"][number]
        again = Training(Job(**{**vars(job), "folder": str(repeated)}), load_data(config))
        assert alone.fit is not None and again.fit is not None and again.fit.epoch == 2
        weights = again.fit.model.state_dict()
        assert all(equal(w, weights[name]) for name, w in alone.fit.model.state_dict().items())
    assert (own / "arch.json").exists()


def killed_at(moment: int) -> type[ByNetwork]:
    """Trainings that die before or after the writing of an epoch's checkpoint."""
    passed: Iterator[int] = iter(range(1, 1000))

    class Mortal(ByNetwork):
        def train_epoch(self) -> None:
            if next(passed) == moment:
                raise Killed

        def report(self) -> Report:
            if next(passed) == moment:
                raise Killed
            return super().report()

    return Mortal


def test_trainings_that_died_apart_go_on_together_and_train_no_epoch_twice(tmp_path: Path) -> None:
    for moment in range(1, 2 * 4 * len(SEEDS) + 1):
        job, curve, last = job_in(tmp_path / str(moment)), dict[int, float](), 0
        for kind in (killed_at(moment), ByNetwork):
            repeats = Repeats(job, kind)
            for _ in range(4 - max(0, last - 1)):
                try:
                    report = repeats.step()
                except Killed:
                    break
                assert report.epoch in (last, last + 1), f"killed at {moment}"
                last = report.epoch
                curve[last] = report.val_error
                if last == 4:
                    break
        assert curve == {epoch: expected(epoch) for epoch in (1, 2, 3, 4)}, f"killed at {moment}"
        for number in range(len(SEEDS)):
            trained = (Path(job.folder) / f"seed-{number}" / "trained.txt").read_text().split()
            assert trained == ["1", "2", "3", "4"], f"killed at {moment}"


def test_it_is_over_when_all_are_and_diverged_when_one_is() -> None:
    ended = Report(epoch=2, val_error=0.5, kept_error=0.2, last=True, seconds=2.0)
    other = Report(epoch=3, val_error=0.3, kept_error=0.3, last=False, seconds=3.0)
    both = together(3, [ended, other])
    assert (both.epoch, both.last, both.seconds) == (3, False, 5.0)
    assert (both.val_error, both.kept_error) == (0.4, 0.25)
    assert both.val_errors == [0.2, 0.3] and both.val_error_sd == stdev([0.2, 0.3])
    assert together(3, [ended, replace(other, last=True)]).last
    broken = together(3, [ended, replace(other, val_error=math.nan, diverged="loss is nan")])
    assert math.isnan(broken.val_error) and broken.diverged == "loss is nan (seed-1)"


def test_who_is_over_waits_for_the_others(tmp_path: Path) -> None:
    class Unequal(ByNetwork):
        """The first one ends after two epochs."""

        def report(self) -> Report:
            last = self.job.seed == SEEDS[0] and self.epoch == 2
            return replace(super().report(), last=last or self.epoch == 4)

    repeats = Repeats(job_in(tmp_path), Unequal)
    reports = [repeats.step() for _ in range(4)]
    assert [(r.epoch, r.last) for r in reports] == [
        (1, False), (2, False), (3, False), (4, True)
    ]  # fmt: skip
    assert reports[-1].val_errors == [
        val_error(seed, epoch) for seed, epoch in zip(SEEDS, (2, 4, 4), strict=True)
    ]
    assert Repeats(job_in(tmp_path), Unequal).step() == reports[-1]


@pytest.mark.parametrize(("seeds", "trained"), [(1, 3), (2, 2)])
def test_the_epochs_of_all_seeds_are_paid(tmp_path: Path, seeds: int, trained: int) -> None:
    study = cheap_study(9, pruner="none", seeds_per_trial=seeds, epoch_budget=20)
    searcher = begin(study, tmp_path)
    drive(searcher)
    assert len([t for t in searcher.store.trials if "charged" in t.user_attrs]) == trained


def test_mean_and_deviation_are_shown_with_the_number_of_seeds() -> None:
    study = make_study(1)
    facts = study.trials[0].user_attrs | {"params": 7, "val_errors": [0.1, 0.14]}
    facts |= {"val_error_sd": stdev(facts["val_errors"])}
    study.add_trial(
        create_trial(values=[0.12, 7.0], user_attrs=facts, intermediate_values={9: 0.12})
    )
    stopped = create_trial(state=TrialState.PRUNED, user_attrs=facts, intermediate_values={1: 0.5})
    study.add_trial(stopped)
    table = trials(study).set_index("trial")
    assert table.loc[1, "val_error_sd"] == facts["val_error_sd"]
    assert table["val_error_sd"].isna()[[0, 2]].all()  # of what is no value
    assert "val_error_sd" not in trials(make_study(2))
    records = [r for r in front_records(study) if r["trial"] == 1]
    assert json.loads(json.dumps(records))[0]["val_errors"] == [0.1, 0.14]
    cells = [list(column.cells) for column in front_table(records, 200).columns]
    assert ["88.00 ± 2.83 %"] in cells and ["12.00 ± 2.83 %"] in cells
    assert ">88.00 ± 2.83 %</td>" in page(study) and ">12.00 ± 2.83 %</td>" in page(study)
    contents = Contents.of(study)
    traces = front_figure(contents, Pair("params", "val_error"))["data"]
    bars = {
        number: bar
        for trace in traces
        if "error_y" in trace
        for number, bar in zip(trace["customdata"], trace["error_y"]["array"], strict=True)
    }
    assert bars[1] == 100 * facts["val_error_sd"] and not bars.get(0)
    assert any("(n = 2)" in value for _, value in details(contents)["trials"][1][1])
