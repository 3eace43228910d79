"""GradAttn: a shortcut-free ResNet-18 with a transformer over one token of each stage.

Source: https://arxiv.org/abs/2603.26756. Accuracies are of one run with seed 42, scored with the
weights of the last epoch; the copy of the best ones did not work. Training images of CIFAR-10 and
FashionMNIST were damaged, test images not. Printed counts are those of the column for CIFAR-10 and
SVHN; others are not repeated here.
"""

from dataclasses import replace

from skipsearch.searchspace.arch.arch import Arch, Doubling
from skipsearch.searchspace.arch.blocks import Conv7
from skipsearch.searchspace.arch.gates import CBAM, SE
from skipsearch.searchspace.arch.heads import Tokens
from skipsearch.searchspace.arch.shortcuts import NoShortcut
from skipsearch.searchspace.presets.preset import Figure, Preset, Result, variant

RESNET18 = Arch(
    stem=Conv7(),
    stem_channels=64,
    stages=4,
    blocks=(2, 2, 2, 2),
    width=Doubling(channels=64),
    init="framework",
)
NO_PE = replace(RESNET18, shortcut=NoShortcut(), head=Tokens())
_SMALL = Tokens(channels=32, heads=16, hidden=2)

_DAMAGED = ("cifar10", "fashion-mnist")


def _tests(*rows: tuple[str, float, float | None, str]) -> tuple[Result, ...]:
    """Make results from rows of data set, accuracy, gradient health score and further remarks."""
    return tuple(
        Result(
            dataset=dataset,
            metric="test_accuracy",
            mean=accuracy,
            n=1,
            seeds=(42,),
            table="notebooks",
            note=_note(dataset, health, more),
        )
        for dataset, accuracy, health, more in rows
    )


def _note(dataset: str, health: float | None, more: str) -> str:
    scored = f"gradient health score {health:g}" if health is not None else ""
    damaged = "damaged training images" if dataset in _DAMAGED else ""
    return "; ".join(part for part in (scored, more, damaged) if part)


def _figures(svhn: int, grey: int, eight: int, two: int, six: int, many: int) -> tuple[Figure, ...]:
    """Make figures from counts: SVHN, 10 classes of 1×28×28, 8, 2 and 6 classes, 200 classes."""
    rows = (
        ("svhn", 10, (3, 32, 32), svhn),
        ("fashion-mnist", 10, (1, 28, 28), grey),
        ("tissuemnist", 8, (3, 64, 64), eight),
        ("bloodmnist", 8, (3, 64, 64), eight),
        ("pcam", 2, (3, 96, 96), two),
        ("pad-ufes-20", 6, (3, 224, 224), six),
        ("tiny-imagenet", 200, (3, 64, 64), many),
    )
    return tuple(
        Figure(dataset=dataset, classes=classes, shape=shape, params=params)
        for dataset, classes, shape, params in rows
    )


_RESNET18 = Preset(
    name="gradattn/resnet18",
    arch=RESNET18,
    source="GradAttn, https://arxiv.org/abs/2603.26756",
    table="notebooks",
    printed="11,181,642",
    params=11_181_642,
    figures=_figures(11_181_642, 11_175_370, 11_180_616, 11_177_538, 11_179_590, 11_279_112),
    note="the stem of 7×7 whatever the images: the last stage has one position at 32×32",
    recipe="gradattn/default",
    results=_tests(
        ("tiny-imagenet", 33.21, 100, "2025-08"),
        ("cifar10", 14.07, 100, ""),
        ("svhn", 97.98, 90.48, ""),
        ("fashion-mnist", 64.11, 100, ""),
        ("tissuemnist", 69.88, 100, ""),
        ("bloodmnist", 95.97, 100, ""),
        ("pcam", 80.71, 100, ""),
        ("pad-ufes-20", 55.49, 100, ""),
    ),
)
_NO_PE = replace(
    _RESNET18,
    name="gradattn/no-pe",
    arch=NO_PE,
    printed="12,849,994",
    params=12_849_994,
    figures=_figures(12_849_994, 12_843_722, 12_849_480, 12_847_938, 12_848_966, 12_898_824),
    note="d = 256, 8 heads, hidden width 512, 3 layers",
    results=_tests(
        ("svhn", 98.09, 80, ""),
        ("fashion-mnist", 66.70, 91.43, ""),
        ("bloodmnist", 96.23, 91.43, ""),
    ),
)

SYSTEMS = (
    _RESNET18,
    _NO_PE,
    replace(
        _NO_PE,
        name="gradattn/no-pe-small",
        arch=replace(NO_PE, head=_SMALL),
        printed="11,049,488",
        params=11_049_488,
        figures=_figures(11_049_488, 11_043_216, 11_049_422, 11_049_224, 11_049_356, 11_055_758),
        note="d = 32, 16 heads, hidden width 2: the network of most of the paper's No PE rows, "
        "though its README says d = 256",
        results=_tests(
            ("tiny-imagenet", 33.39, 91.43, "2025-08"),
            ("cifar10", 12.12, 91.43, ""),
            ("svhn", 98.12, 68.57, "2025-08, run again as no-pe"),
            ("fashion-mnist", 70.41, None, "2025-08, run again as no-pe"),
            ("tissuemnist", 70.69, 91.43, ""),
            ("bloodmnist", 96.26, None, "2025-08, run again as no-pe"),
            ("pcam", 80.06, 68.57, ""),
            ("pad-ufes-20", 44.51, 91.43, ""),
        ),
    ),
    variant(
        _NO_PE,
        "gradattn/learnable",
        replace(NO_PE, head=Tokens(position="learned")),
        12_851_274,
        "12,851,274",
        table="notebooks",
        results=_tests(
            ("tiny-imagenet", 34.85, 68.57, "2025-08"),
            ("cifar10", 13.68, 91.43, ""),
            ("svhn", 98.09, 91.43, ""),
            ("fashion-mnist", 75.18, 91.43, ""),
            ("tissuemnist", 69.88, 80, ""),
            ("bloodmnist", 95.70, 91.43, ""),
            ("pcam", 79.74, 80, ""),
            ("pad-ufes-20", 50.58, 91.43, ""),
        ),
    ),
    variant(
        _NO_PE,
        "gradattn/rope",
        replace(NO_PE, head=Tokens(position="rotary")),
        12_847_690,
        "12,847,690",
        table="notebooks",
        note="query, key and value without biases",
        results=_tests(
            ("tiny-imagenet", 38.28, 82.93, "2025-08"),
            ("cifar10", 12.51, 92.68, ""),
            ("svhn", 98.15, 63.41, ""),
            ("fashion-mnist", 62.40, 92.68, ""),
            ("tissuemnist", 69.72, 92.68, ""),
            ("bloodmnist", 95.59, 92.68, ""),
            ("pcam", 79.82, 78.05, ""),
            ("pad-ufes-20", 47.69, 92.68, ""),
        ),
    ),
    variant(
        _RESNET18,
        "gradattn/se",
        replace(RESNET18, gate=SE(bias=False), init="small"),
        11_268_682,
        "11,268,682",
        table="notebooks",
        results=_tests(("svhn", 97.94, 78.38, ""), ("fashion-mnist", 63.11, 97.30, "")),
    ),
    variant(
        _RESNET18,
        "gradattn/cbam",
        replace(RESNET18, gate=CBAM(bias=False, mlp="convolution"), init="small"),
        11_269_466,
        "11,269,466",
        table="notebooks",
        note="no biases, no residual inside; the MLP is of 1×1 convolutions, initialised as those",
        results=_tests(("svhn", 97.99, 88.89, ""), ("fashion-mnist", 66.98, 100, "")),
    ),
)
