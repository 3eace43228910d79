"""The published errors and accuracies that presets carry, against literals from the papers."""

import pytest

from skipsearch.searchspace import PRESETS
from skipsearch.searchspace.presets import Result


def of(name: str, dataset: str, metric: str = "test_accuracy") -> Result:
    """The first such result of a preset."""
    return next(r for r in PRESETS[name].results if (r.dataset, r.metric) == (dataset, metric))


@pytest.mark.parametrize(
    ("name", "cifar10", "cifar100"),
    [  # Attention Shortcuts, ERA 33(8)
        ("as/out", (5.63, 0.13), (24.72, 0.35)),
        ("as/kv", (5.97, 0.10), (24.92, 0.51)),
        ("as/stages", (5.06, 0.09), (22.47, 0.34)),
        ("as/resnet50", (5.10, 0.10), (22.12, 0.38)),
        ("as/resnet50-half", (5.74, 0.14), (24.08, 0.26)),
        ("as/resnet50-plain", (8.41, 0.20), (40.02, 2.15)),
    ],
)
def test_attention_shortcuts_has_errors_of_five_runs(
    name: str, cifar10: tuple[float, float], cifar100: tuple[float, float]
) -> None:
    for dataset, (mean, sd) in (("cifar10", cifar10), ("cifar100", cifar100)):
        found = of(name, dataset, "test_error")
        assert (found.mean, found.sd, found.n) == (mean, sd, 5)


@pytest.mark.parametrize(
    ("name", "cifar10", "mnist"),
    [  # the logs of CNNtention's authors
        ("cnntention/resnet20", 90.96, 98.52),
        ("cnntention/selfatt", 91.44, 99.30),
        ("cnntention/mha", 91.06, 98.84),
        ("cnntention/cbam", 91.32, 98.00),
    ],
)
def test_cnntention_has_the_accuracies_of_its_logs(name: str, cifar10: float, mnist: float) -> None:
    assert (of(name, "cifar10").mean, of(name, "mnist").mean) == (cifar10, mnist)
    assert of(name, "cifar10").table == of(name, "mnist").table == "logs"


def test_cnntentions_tuning_runs_are_validation_accuracies() -> None:
    names = ("cbam-r8", "cbam", "cbam-r32", "selfatt", "selfatt-ungated")
    found = [of(f"cnntention/{n}", "cifar10", "validation_accuracy").mean for n in names]
    assert found == [90.66, 90.32, 89.94, 90.06, 88.96]
    assert of("cnntention/cbam-r8", "cifar10").mean == 88.51


def test_logged_values_say_what_is_printed_instead() -> None:
    for name, printed in (("selfatt", "90.01"), ("selfatt-ungated", "88.00")):
        found = of(f"cnntention/{name}", "cifar10", "validation_accuracy")
        assert found.table == "logs" and f"printed as {printed}" in found.note


def test_a_figure_of_which_nothing_is_said_is_no_result() -> None:
    early = PRESETS["cnntention/selfatt-no-residual"]
    assert early.results == () and "14.31 %" in early.note
    assert early.recipe == "cnntention/no-residual"


def test_aicnn_has_its_ablations_on_cifar100() -> None:
    labels = ("-plain", "-channel", "-spatial", "", "-r2", "-r4", "-r16")
    found = [of(f"aicnn/resnet50-cifar{label}", "cifar100").mean for label in labels]
    assert found == [73.1, 75.0, 75.5, 77.5, 76.8, 77.2, 77.1]
    assert of("aicnn/resnet50-cifar", "cifar10").mean == 96.2
    assert [r.mean for r in PRESETS["aicnn/resnet50"].results] == [79.8, 95.1]


GRADATTN = {  # the notebooks of GradAttn's authors; the No PE rows with a star are no-pe-small
    "tiny-imagenet": (33.21, None, 33.39, 34.85, 38.28, None, None),
    "cifar10": (14.07, None, 12.12, 13.68, 12.51, None, None),
    "svhn": (97.98, 98.09, 98.12, 98.09, 98.15, 97.94, 97.99),
    "fashion-mnist": (64.11, 66.70, 70.41, 75.18, 62.40, 63.11, 66.98),
    "tissuemnist": (69.88, None, 70.69, 69.88, 69.72, None, None),
    "bloodmnist": (95.97, 96.23, 96.26, 95.70, 95.59, None, None),
    "pcam": (80.71, None, 80.06, 79.74, 79.82, None, None),
    "pad-ufes-20": (55.49, None, 44.51, 50.58, 47.69, None, None),
}
MODELS = ("resnet18", "no-pe", "no-pe-small", "learnable", "rope", "se", "cbam")


@pytest.mark.parametrize("dataset", GRADATTN)
def test_gradattn_has_the_accuracies_of_its_notebooks(dataset: str) -> None:
    for model, expected in zip(MODELS, GRADATTN[dataset], strict=True):
        own = [r for r in PRESETS[f"gradattn/{model}"].results if r.dataset == dataset]
        assert [r.mean for r in own] == ([] if expected is None else [expected])
        for result in own:
            assert (result.n, result.seeds, result.sd) == (1, (42,), None)
            damaged = dataset in ("cifar10", "fashion-mnist")
            assert ("damaged training images" in result.note) == damaged


def test_gradattns_claims_follow_from_its_accuracies() -> None:
    """Five wins of eight, and 11.07 on FashionMNIST, as its abstract says."""
    variants = slice(1, 5)
    wins = [max(a or 0 for a in row[variants]) > (row[0] or 0) for row in GRADATTN.values()]
    assert sum(wins) == 5
    best, base = (of(f"gradattn/{m}", "fashion-mnist").mean for m in ("learnable", "resnet18"))
    assert round(best - base, 2) == 11.07


def test_dias_two_accuracies_of_one_system_are_both_kept() -> None:
    found = {r.table: (r.mean, r.n) for r in PRESETS["dia/resnet164"].results}
    assert found == {"table 3": (93.16, 15), "table 4": (93.39, 15)}
    assert of("dia/resnet164-dia-without-stage1", "cifar100").mean == 76.85
    assert of("dia/resnet164-dia-without-stage3", "cifar100").mean == 75.78
