"""CNNtention: ResNet-20 with attention after its stages (https://arxiv.org/abs/2412.11657).

The paper's table 3 was not at hand: results marked "logs" are what the authors' logs hold. Their
images of CIFAR-10 are normalised by (0.49187, 0.49186, 0.49186) and 0.24697, not by the statistics
of each channel. Digits are not normalised, but flipped, and trained at 32×32 but tested at 28×28.
"""

from dataclasses import replace

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.gate_places import AfterBlock, AfterStage
from skipsearch.searchspace.arch.gates import CBAM, MultiHead, SelfAttention
from skipsearch.searchspace.arch.shortcuts import Sum, ZeroPad
from skipsearch.searchspace.presets.preset import Figure, Preset, Result, variant

RESNET20 = Arch(shortcut=Sum(match=ZeroPad()), init="kaiming")


def _after_stages(reduction: int) -> Arch:
    gate = CBAM(place=AfterStage(), reduction=reduction, combine="add")
    return replace(RESNET20, gate=gate)


def _tests(cifar10: float, mnist: float, note: str = "") -> tuple[Result, ...]:
    """Make results from last-epoch accuracies of runs that stopped early on the test error."""
    return tuple(
        Result(dataset=name, metric="test_accuracy", mean=mean, table="logs", note=note)
        for name, mean in (("cifar10", cifar10), ("mnist", mnist))
    )


def _tuning(accuracy: float, table: str, note: str = "") -> Result:
    """Make a result from the last epoch's accuracy on validation images, augmented ones too."""
    return Result(
        dataset="cifar10",
        metric="validation_accuracy",
        mean=accuracy,
        table=table,
        note=note,
    )


_RESNET20 = Preset(
    name="cnntention/resnet20",
    arch=RESNET20,
    source="CNNtention, https://arxiv.org/abs/2412.11657",
    table="logs",
    params=269_722,
    figures=(
        Figure(dataset="cifar100", classes=100, shape=(3, 32, 32), params=275_572),
        Figure(dataset="mnist", classes=10, shape=(1, 28, 28), params=269_434),
    ),
    recipe="cnntention/baseline",
    results=_tests(90.96, 98.52),
)
_ATTENTION = replace(_RESNET20, recipe="cnntention/attention")
_CBAM = replace(_RESNET20, recipe="cnntention/cbam")
_TUNING = replace(_RESNET20, recipe="cnntention/tuning")

SYSTEMS = (
    _RESNET20,
    variant(
        _ATTENTION,
        "cnntention/selfatt",
        replace(RESNET20, gate=SelfAttention(place=AfterStage())),
        286_189,
        table="logs",
        results=(
            *_tests(91.44, 99.30),
            _tuning(90.06, "logs", "printed as 90.01; trained on 40,000 images"),
        ),
    ),
    variant(
        _ATTENTION,
        "cnntention/mha",
        replace(RESNET20, gate=MultiHead(place=AfterStage())),
        291_677,
        table="logs",
        note="the authors' code exchanges the names of query and key: the same function",
        results=_tests(91.06, 98.84, "its gates ended at 7.6e-5 and below: plain ResNet-20"),
    ),
    variant(
        _CBAM,
        "cnntention/cbam",
        _after_stages(16),
        270_691,
        table="table 2, logs",
        note="reduction 16, the tuned final; a residual inside the module, unlike CBAM's own",
        results=(*_tests(91.32, 98.00), _tuning(90.32, "table 2")),
    ),
    variant(
        _TUNING,
        "cnntention/cbam-r8",
        _after_stages(8),
        271_363,
        table="table 2",
        note="reduction 8",
        results=(
            _tuning(90.66, "table 2", "images were not normalised, unlike for 16 and 32"),
            Result(
                dataset="cifar10",
                metric="test_accuracy",
                mean=88.51,
                table="last figure",
                note="a run with SGD, which the figure shows as CBAM in place of the tuned final",
            ),
        ),
    ),
    variant(
        _TUNING,
        "cnntention/cbam-r32",
        _after_stages(32),
        270_371,
        table="table 2",
        note="reduction 32; the hidden width of 0 after the first stage is clamped to 1",
        results=(_tuning(89.94, "table 2"),),
    ),
    variant(
        _TUNING,
        "cnntention/cbam-blocks",
        replace(RESNET20, gate=CBAM(place=AfterBlock(first=False), reduction=4, combine="add")),
        275_692,
        table="",
        note="reduction 4 after the second and third block of each stage: one tuning run, where "
        "the text says after every block",
    ),
    variant(
        _TUNING,
        "cnntention/selfatt-ungated",
        replace(RESNET20, gate=SelfAttention(place=AfterStage(), combine="add")),
        286_186,
        table="logs",
        note="x + F(x), one parameter less in each module",
        results=(_tuning(88.96, "logs", "printed as 88.00; trained on 45,000 images"),),
    ),
    variant(
        replace(_RESNET20, recipe="cnntention/no-residual"),
        "cnntention/selfatt-no-residual",
        replace(
            RESNET20,
            gate=SelfAttention(place=AfterStage(), combine="replace", over="queries"),
        ),
        286_186,
        table="",
        note="F(x) alone, three modules, summed over the queries with weights that do not add up "
        "to 1: the early run of 14.31 %, which is no result here, since it is not known whether "
        "that is an accuracy or an error, nor on which images",
    ),
)
