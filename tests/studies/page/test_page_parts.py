"""What the page computes: curves, hypervolume, importances, parallel axes, drawings."""

import math
import random
from itertools import pairwise

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from skipsearch.searchspace import PRESETS, encode
from skipsearch.studies.page.contents import Contents
from skipsearch.studies.page.history_figures import (
    curves_figure,
    hypervolume_figures,
    most_points,
    thinned,
)
from skipsearch.studies.page.importance_figure import (
    Importances,
    importance_figure,
    importances,
    leading,
    shortened,
)
from skipsearch.studies.page.network_sketch import DrawnStage, sketch
from skipsearch.studies.page.parallel_figure import parallel_figure
from skipsearch.studies.results.front import hypervolume_history
from tests.support.fake_study import EPOCHS, make_study


def test_every_curve_is_drawn_and_those_that_were_stopped_are_grey() -> None:
    study = make_study()
    traces = curves_figure(Contents.of(study))["data"]
    grey, *others = traces
    drawn: dict[int, list[tuple[int, float]]] = {}
    for trace in traces:
        for number, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True):
            if number is not None:
                drawn.setdefault(number, []).append((x, y))
    for trial in study.trials:
        curve = [
            (e, pytest.approx(100 * v, rel=1e-3)) for e, v in trial.intermediate_values.items()
        ]
        assert drawn.get(trial.number, []) == curve
    full = {t.number for t in study.trials if len(t.intermediate_values) == EPOCHS}
    assert {n for n in grey["customdata"] if n is not None}.isdisjoint(full)
    assert grey["line"]["color"] == "@muted"
    assert {n for trace in others for n in trace["customdata"] if n is not None} == full


@given(st.dictionaries(st.integers(1, 500), st.floats(0, 1), min_size=1), st.integers(8, 60))
def test_a_thinned_curve_keeps_its_ends_and_its_lowest_point(
    curve: dict[int, float], most: int
) -> None:
    kept = thinned(curve, most)
    assert len(kept) <= most and kept.items() <= curve.items()
    assert {min(curve), max(curve)} <= set(kept)
    assert min(kept.values()) == min(curve.values())
    assert list(kept) == sorted(kept)


def test_thousands_of_curves_have_few_points_each() -> None:
    assert most_points(10) == 60 and most_points(2000) == 20 and most_points(10**6) == 8


def test_the_hypervolume_is_shown_over_trials_and_over_the_epochs_that_they_took() -> None:
    study = make_study()
    history, drawn = hypervolume_history(study), hypervolume_figures(Contents.of(study))
    over_trials, over_epochs = (drawn[key]["data"][0] for key in ("trials", "epochs"))
    assert over_trials["x"][-1] == 60
    assert over_epochs["x"][-1] == sum(t.user_attrs["epochs"] for t in study.trials)
    assert over_epochs["y"] == over_trials["y"]
    assert history["epochs"].is_monotonic_increasing
    assert history["epochs"].iloc[0] == EPOCHS


def trial(number: int, rng: random.Random) -> FrozenTrial:
    """`a` decides the error, `b.y.c` (where it is) the cost; `idle` nothing."""
    params = {"a": rng.random(), "b": rng.choice("xy"), "idle": rng.random()}
    unit = FloatDistribution(0, 1)
    kinds = {"a": unit, "b": CategoricalDistribution("xy"), "idle": unit}
    if params["b"] == "y":
        params["b.y.c"], kinds["b.y.c"] = rng.random(), unit
    values = [params["a"] ** 2, 2 + params.get("b.y.c", 1.5)]
    return create_trial(values=values, params=params, distributions=kinds)


def test_what_decides_an_objective_is_most_important_for_it_also_where_few_have_it() -> None:
    rng = random.Random(0)
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.add_trials([trial(n, rng) for n in range(200)])
    found = importances(study.trials, ["val_error", "params"])
    for shares in found.values():
        assert math.isclose(sum(shares.values()), 1)
        assert shares["idle"] < 0.1
    assert max(found["val_error"], key=found["val_error"].__getitem__) == "a"
    assert max(found["params"], key=found["params"].__getitem__) == "b.y.c"
    assert set(leading(found, most=2)) == {"a", "b.y.c"}
    bars = importance_figure(found)["data"]
    assert [bar["text"][-1] for bar in bars] == [leading(found)[0]] * 2
    assert [bar["name"] for bar in bars] == ["for validation error", "for parameters"]


def test_how_a_network_is_trained_does_not_matter_for_its_cost() -> None:
    kinds = {"recipe.lr": FloatDistribution(0, 1), "wide": FloatDistribution(0, 1)}
    rng, study = random.Random(0), optuna.create_study(directions=["minimize", "minimize"])
    for lr, wide in ((rng.random(), rng.random()) for _ in range(200)):
        params, values = {"recipe.lr": lr, "wide": wide}, [lr + wide, lr + wide]
        study.add_trial(create_trial(values=values, params=params, distributions=kinds))
    found = importances(study.trials, ["val_error", "params"])
    assert found["val_error"]["recipe.lr"] > 0.1 and found["params"] == {"wide": 1.0}


def test_importances_are_computed_again_only_when_a_tenth_more_trials_are_finished() -> None:
    rng, known = random.Random(0), Importances()
    study = optuna.create_study(directions=["minimize", "minimize"])
    seen = []
    for number in range(60):
        study.add_trial(trial(number, rng))
        known.look(study, ["val_error", "params"])
        seen.append(known.trials)
    assert sorted(set(seen)) == [0, 10, 11, 13, 15, 17, 19, 21, 24, 27, 30, 33, 37, 41, 46, 51, 57]
    assert set(known.by_objective) == {"val_error", "params"}


def test_long_names_are_shortened_to_their_ends() -> None:
    assert shortened("recipe.lr") == "recipe.lr"
    assert shortened("gate.se.place.block.first") == "gate…block.first"


def test_parallel_axes_have_a_place_for_networks_without_a_choice() -> None:
    contents = Contents.of(make_study())
    names = ["shortcut.attention.heads", "width.doubling.channels", "recipe.lr"]
    axes = parallel_figure(contents, names)["data"][0]["dimensions"]
    assert [a["label"] for a in axes[:2]] == ["validation error", "parameters"]
    heads, width, rate = axes[2:]
    assert heads["ticktext"] == ["–", "4"]
    has = [e.shortcut == "attention" for e in contents.full]
    assert heads["values"] == [int(h) for h in has]
    assert [int(t) for t in width["ticktext"]] == sorted(int(t) for t in width["ticktext"])
    assert len(rate["values"]) == len(contents.full) and max(rate["values"]) < 0  # logarithmic
    assert all(len(a["values"]) == len(contents.full) for a in axes)


def test_a_study_with_one_finished_trial_has_no_parallel_axes() -> None:
    assert parallel_figure(Contents.of(make_study(1)), []) == {}


@pytest.mark.parametrize("name", list(PRESETS)[::6])
def test_every_system_can_be_drawn(name: str) -> None:
    arch = PRESETS[name].arch
    drawn = sketch(encode(arch), 32)
    assert drawn is not None
    assert [s.blocks for s in drawn.stages] == list(arch.blocks)
    sides = [s.side for s in drawn.stages]
    assert sides[0] == (8 if arch.stem.label == "conv7" else 32)
    assert all(b == max(1, a // 2) for a, b in pairwise(sides))
    assert drawn.reach == {"none": "none", "sum": "block"}.get(drawn.shortcut, drawn.reach)


def test_a_drawing_has_widths_and_gates_where_they_are() -> None:
    flat = {"stages": 2, "blocks.1": 1, "blocks.2": 3, "width.doubling.channels": 16}
    flat |= {"shortcut": "concat", "shortcut.concat.growth": 0.5, "gate": "se"}
    flat |= {"gate.se.stages": "each", "gate.se.stages.each.gated.1": False}
    drawn = sketch(flat | {"gate.se.stages.each.gated.2": True, "gate.se.place": "stage"}, 28)
    assert drawn is not None
    first, second = DrawnStage(1, 8, 28, (False,)), DrawnStage(3, 16, 14, (False, False, True))
    assert drawn.stages == (first, second)
    assert (drawn.reach, drawn.gate, drawn.place) == ("blocks", "se", "stage")
    assert sketch({"shortcut": "of my own"}, 32) is None
