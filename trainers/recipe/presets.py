"""Recipes by name: ours and those of the papers, each with the source of its settings.

Common to the papers' recipes (`PAPER`): weight decay on everything, no Nesterov momentum, no
warm-up, no label smoothing. Images are always normalised by the statistics of the training images;
dropout belongs to the architecture, the number of training images to the study.

>>> RECIPES["cnntention/attention"].lr
0.0005
"""

from dataclasses import dataclass, replace

from skipsearch.trainers.recipe.recipe import SGD, Adam, AdamW, Recipe
from skipsearch.trainers.recipe.schedule import OneCycle, Plateau, Step


@dataclass(frozen=True)
class Preset:
    """A recipe and its source.

    The source says which settings are "stated" (the paper prints them), "read" (from its code or
    logs) and "chosen" (by us, since neither has them).
    """

    recipe: Recipe
    source: str


# Few epochs leave no time for a rate that does not suit a network, nor for augmented images (a crop
# moves a digit of 8 pixels by up to an eighth). 9 epochs of random networks of
# examples/digits.toml, each with an lr of its own from the range; validation errors in %:
#
# | optimiser          | crop | peak | networks | above 20 | median | mean | epoch 3 ranks as 9 |
# |--------------------|------|------|----------|----------|--------|------|--------------------|
# | SGD, 0.02 … 0.5    | 1    | 0.25 | 100      | 20       | 10.3   | 17.3 | 0.53               |
# | AdamW, 2e-3 … 4e-2 | 0    | 0.1  | 100      | 0        | 3.3    | 4.1  | 0.51               |
# | AdamW, 2e-3 … 4e-2 | 0    | 0.1  | 40       | 0        | 3.5    | 4.1  | 0.62               |
# | AdamW, 2e-3 … 4e-2 | 0    | 0.25 | 40       | 0        | 2.9    | 3.9  | 0.40               |
# | SGD, 0.02 … 0.5    | 0    | 0.25 | 20       | 2        | 3.6    | 10.8 |                    |
# | AdamW, 1e-3 … .025 | 1    | 0.25 | 20       | 4        | 6.7    | 14.2 |                    |
#
# Clipped gradients changed nothing, averaged weights only the ranks (100 networks: 0.61). Muon had
# a mean of 3.7 instead of 4.4 (20 networks) and took 1.2 times as long.
SHORT = Recipe(optimizer=AdamW(), lr=0.01, schedule=OneCycle(peak=0.1))
PAPER = Recipe(optimizer=SGD(nesterov=False), weight_decay=1e-4, decay="all", crop=4, flip=True)
HE2016 = replace(PAPER, epochs=2000, iterations=64_000, schedule=Step(first=0.5, second=0.75))
DIA = replace(PAPER, epochs=164, schedule=Step(first=81 / 164, second=122 / 164))
CNNTENTION = replace(
    PAPER,
    epochs=182,
    schedule=Step(first=91 / 182, second=136 / 182),
    patience=20,
    min_improvement=1e-3,
)
AICNN = replace(PAPER, weight_decay=5e-4, jitter=0.2)
GRADATTN = replace(
    PAPER,
    epochs=100,
    optimizer=Adam(),
    lr=1e-3,
    schedule=Plateau(),
    patience=7,
    keep="best",
    crop=0,
    rotate=10.0,
    jitter=0.1,
)
GRADATTN_PLAIN = replace(GRADATTN, flip=False, rotate=0.0, jitter=0.0)

_DIA = (
    "Its scripts normalise with standard deviations of 0.2023, 0.1994, 0.2010, here those of the "
    "training images, and report the best test error of all epochs: refused, test chooses nothing."
)
_CNNTENTION = (
    "Its constants (means of 0.4919, deviation 0.24697) are replaced by the statistics of the "
    "training images."
)

PRESETS: dict[str, Preset] = {
    "short": Preset(SHORT, "ours: for searches of 1 to 30 epochs, with lr from 0.002 to 0.04"),
    "he2016": Preset(
        HE2016,
        "https://arxiv.org/abs/1512.03385, section 4.2. Stated: all (64k iterations of 128 images, "
        "lr 0.1 divided by 10 at 32k and 48k, weight decay 1e-4, crop and flip), but that it "
        "subtracts a mean image.",
    ),
    "as/cifar": Preset(
        HE2016,
        "Introducing attention shortcuts in convolutional neural networks, ERA 33(8). Stated: all; "
        "the numbers are those of he2016.",
    ),
    "dia/resnet": Preset(
        DIA,
        "DIA, tables 3, 4, 10 to 13. Stated: 164 epochs, falls at 81 and 122, weight decay 1e-4. "
        "Read: lr, momentum, batch size, crop, flip; 0.1 for the penalty of SPEM, the default "
        f"here. {_DIA}",
    ),
    "dia/resnet-plain": Preset(
        replace(DIA, crop=0, flip=False),
        "DIA, table 15: dia/resnet without augmentation. Stated: that; the rest as in "
        f"dia/resnet. {_DIA}",
    ),
    "dia/wrn": Preset(
        replace(
            DIA,
            epochs=200,
            schedule=Step(first=0.4, second=0.6, third=0.8, factor=0.2),
            weight_decay=5e-4,
        ),
        "DIA, table 4, WRN52-4. Read: all (200 epochs, × 0.2 at 80, 120 and 160, weight decay "
        "5e-4). Its dropout of 0.3 belongs to the architecture. "
        f"{_DIA}",
    ),
    "dia/resnext": Preset(
        replace(DIA, epochs=300, schedule=Step(first=0.5, second=0.75), weight_decay=5e-4),
        "DIA, table 4, ResNeXt. Read: all (300 epochs, a default of the script; falls at 150 and "
        f"225, weight decay 5e-4). {_DIA}",
    ),
    "dia/repository": Preset(
        replace(DIA, epochs=180, schedule=Step(first=60 / 180, second=120 / 180)),
        "The ResNet command of DIA's repository, which differs from the paper's dia/resnet. Read: "
        f"all (180 epochs, falls at 60 and 120, weight decay 1e-4). {_DIA}",
    ),
    "cnntention/baseline": Preset(
        CNNTENTION,
        "CNNtention, https://arxiv.org/abs/2412.11657, its ResNet-20 on CIFAR-10. Read: all. It "
        "trains on all 50,000 images and stops on the test error: refused, here it is the "
        f"validation error. {_CNNTENTION}",
    ),
    "cnntention/mnist": Preset(
        replace(CNNTENTION, patience=10),
        "CNNtention, its ResNet-20 on MNIST (SelfAtt, MHA and CBAM: their own recipes). Read: as "
        "cnntention/baseline with a patience of 10; digits are flipped there too. Not expressible: "
        "images that are not normalised at all (here by the statistics of the training images), "
        "crops of 32×32 out of the padded 36×36 beside test images of 28×28 (here all are 28×28).",
    ),
    "cnntention/attention": Preset(
        replace(
            CNNTENTION,
            optimizer=Adam(),
            lr=5e-4,
            weight_decay=1e-3,
            schedule=Step(first=91 / 182, second=115 / 182),
        ),
        "CNNtention, the final runs of SelfAtt and MHA. Read: all; stops like cnntention/baseline. "
        f"{_CNNTENTION}",
    ),
    "cnntention/cbam": Preset(
        replace(
            CNNTENTION,
            optimizer=Adam(),
            lr=5e-3,
            schedule=Step(first=45 / 182, second=91 / 182, third=136 / 182),
        ),
        "CNNtention, the final run of CBAM-16. Read: all; stops like cnntention/baseline. "
        f"{_CNNTENTION}",
    ),
    "cnntention/tuning": Preset(
        replace(CNNTENTION, patience=0, validation_images="augmented"),
        "CNNtention, the runs behind table 2. Read: validation images (10 % or 20 %) are augmented "
        "like those of training, the last epoch counts. Chosen: the optimiser of the baseline. "
        f"{_CNNTENTION}",
    ),
    "cnntention/no-residual": Preset(
        replace(CNNTENTION, lr=1e-3, patience=0),
        "CNNtention, the early run of SelfAtt without a residual (14.31 %; of what is not said). "
        "Read: SGD, lr 1e-3. Chosen: the rest, as in cnntention/baseline, but for all 182 epochs. "
        f"{_CNNTENTION}",
    ),
    "aicnn/cifar": Preset(
        replace(AICNN, epochs=200, schedule=Step(first=0.5, second=0.75)),
        "AICNN on CIFAR. Stated: SGD, lr 0.1 × 0.1, weight decay 5e-4, 200 epochs of batches of "
        "128; flip, crop and jitter without numbers. Chosen: falls at 100 and 150, 4 pixels, 0.2.",
    ),
    "aicnn/imagenet": Preset(
        replace(AICNN, epochs=90, batch_size=256, schedule=Step(first=30 / 90, second=60 / 90)),
        "AICNN on ImageNet. Stated: 90 epochs of batches of 256, the rest as in aicnn/cifar. "
        "Chosen: falls at 30 and 60, a crop of 4 pixels (no resized crop here), jitter 0.2.",
    ),
    "gradattn/default": Preset(
        GRADATTN,
        "GradAttn as it was meant, on TissueMNIST, BloodMNIST, CIFAR-10 and FashionMNIST. Read: "
        "Adam, lr 1e-3 × 0.2 on a plateau of 3 epochs, stop after 7, 100 epochs, and for MedMNIST "
        "rotation, flip, jitter, normalised as ImageNet (here by the training images). Chosen: the "
        "same augmentation for CIFAR-10 and FashionMNIST. PAD-UFES-20 wants batch_size = 64, and a "
        "resized crop besides jitter, which is not here.",
    ),
    "gradattn/plain": Preset(
        GRADATTN_PLAIN,
        "GradAttn as it was meant, on SVHN, PCam and Tiny ImageNet. Read: no augmentation; the "
        "rest as in gradattn/default.",
    ),
    "gradattn/as-published": Preset(
        replace(GRADATTN, keep="last", train_images="recast"),
        "GradAttn on CIFAR-10 and FashionMNIST as it was run. Read: training images recast at 8 "
        "bits, best weights never restored; the rest as in gradattn/default. TissueMNIST and "
        "BloodMNIST as they were run: gradattn/default with keep = last (PAD-UFES-20 also with "
        "batch_size = 64).",
    ),
    "gradattn/as-published-plain": Preset(
        replace(GRADATTN_PLAIN, keep="last"),
        "GradAttn on SVHN, PCam and Tiny ImageNet as it was run. Read: no augmentation, best "
        "weights never restored; images are not recast. The rest as in gradattn/default.",
    ),
}
RECIPES: dict[str, Recipe] = {name: preset.recipe for name, preset in PRESETS.items()}
