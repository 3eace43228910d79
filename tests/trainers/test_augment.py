"""Augmentation of a batch equals augmentation image by image with the same random numbers."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from skipsearch.trainers.loop.augment import Draws, augment, draw, normalise, recast, rotate
from skipsearch.trainers.recipe.recipe import Recipe

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def slow_twin(image: np.ndarray, draws: Draws, i: int, padding: int, channels: int) -> np.ndarray:
    """One image (H, W, C) → (C, H, W), step by step, in the order in which one would say it."""
    height, width = image.shape[:2]
    image = turned(image, math.radians(float(draws.angle[i])))
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = int(draws.top[i]), int(draws.left[i])
    x = padded[top : top + height, left : left + width].astype(np.float64)
    if draws.flip[i]:
        x = x[:, ::-1]
    x = x * float(draws.brightness[i])
    luma = np.array([1.0] if channels == 1 else [0.299, 0.587, 0.114])
    level = (x @ luma).mean()
    x = (x - level) * float(draws.contrast[i]) + level
    x = (x / 255 - np.array(MEAN[:channels])) / np.array(STD[:channels])
    return x.transpose(2, 0, 1)


def turned(image: np.ndarray, angle: float) -> np.ndarray:
    """Each pixel is the one nearest to where it was before the image was turned, else black."""
    height, width = image.shape[:2]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = row - middle_y, column - middle_x
            from_y = math.floor(math.sin(angle) * x + math.cos(angle) * y + middle_y + 0.5)
            from_x = math.floor(math.cos(angle) * x - math.sin(angle) * y + middle_x + 0.5)
            if 0 <= from_y < height and 0 <= from_x < width:
                out[row, column] = image[from_y, from_x]
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("crop", "flip", "rotate", "jitter"),
    [(0, False, 0.0, 0.0), (4, True, 0.0, 0.4), (2, False, 10.0, 0.9), (0, True, 45.0, 0.1)],
)
def test_a_batch_is_augmented_as_each_image_alone_would_be(
    channels: int, crop: int, flip: bool, rotate: float, jitter: float
) -> None:
    recipe = Recipe(crop=crop, flip=flip, rotate=rotate, jitter=jitter)
    images = torch.randint(256, (16, 9, 7, channels), generator=seeded(1)).to(torch.uint8)
    draws = draw(recipe, 16, seeded(2))
    x_BCHW = augment(images, draws, recipe, MEAN[:channels], STD[:channels])
    for i in range(16):
        expected = slow_twin(images[i].numpy(), draws, i, crop, channels)
        np.testing.assert_allclose(x_BCHW[i].numpy(), expected, atol=2e-5)


def test_images_leave_augmentation_in_channels_last_memory() -> None:
    recipe = Recipe(crop=4, flip=True, rotate=10)
    images = torch.zeros(4, 8, 8, 3, dtype=torch.uint8)
    x_BCHW = augment(images, draw(recipe, 4, seeded(0)), recipe, MEAN, STD)
    assert x_BCHW.is_contiguous(memory_format=torch.channels_last)
    assert x_BCHW.dtype == torch.float32


def test_draws_differ_between_images_and_cover_their_ranges() -> None:
    draws = draw(Recipe(crop=2, flip=True, rotate=15, jitter=0.3), 2000, seeded(0))
    assert set(draws.top.tolist()) == set(draws.left.tolist()) == set(range(5))
    assert 0.45 < draws.flip.float().mean() < 0.55
    for factor in (draws.brightness, draws.contrast):
        assert 0.7 <= factor.min() < 0.71 and 1.29 < factor.max() <= 1.3
    assert -15 <= draws.angle.min() < -14.9 and 14.9 < draws.angle.max() <= 15
    together = torch.stack([draws.brightness, draws.contrast, draws.angle])
    assert (torch.corrcoef(together) - torch.eye(3)).abs().max() < 0.1


def test_the_same_generator_draws_the_same_numbers() -> None:
    recipe = Recipe(crop=2, flip=True, rotate=5, jitter=0.3)
    one, other = draw(recipe, 8, seeded(3)), draw(recipe, 8, seeded(3))
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_normalisation_gives_the_training_images_mean_0_and_deviation_1() -> None:
    images = torch.randint(256, (64, 8, 8, 3), generator=seeded(0)).to(torch.uint8)
    mean = tuple((images / 255).mean((0, 1, 2)).tolist())
    std = tuple((images / 255).std((0, 1, 2)).tolist())
    x_BCHW = normalise(images, mean, std)
    assert x_BCHW.mean((0, 2, 3)).abs().max() < 1e-5
    assert (x_BCHW.std((0, 2, 3)) - 1).abs().max() < 1e-5


def test_the_grey_level_of_contrast_is_that_of_pillow() -> None:
    """An image of contrast 0 is its mean grey level everywhere."""
    image = torch.randint(256, (1, 8, 8, 3), generator=seeded(5)).to(torch.uint8)
    one = torch.ones(1)
    draws = Draws(one.long(), one.long(), one.bool(), one, contrast=torch.zeros(1), angle=one)
    level = normalise(image, (0.0,) * 3, (1 / 255,) * 3, jitter=draws)
    grey = np.asarray(Image.fromarray(image[0].numpy()).convert("L"), np.float64).mean()
    assert (level - grey).abs().max() < 0.5  # Pillow rounds each pixel
    assert level.max() - level.min() < 1e-3


@pytest.mark.parametrize("size", [(9, 7), (8, 8), (32, 32)])
def test_rotation_turns_as_pillow_does(size: tuple[int, int]) -> None:
    """But for ties: Pillow counts in 65,536ths of a pixel."""
    images = torch.randint(1, 256, (21, *size, 3), generator=seeded(3)).to(torch.uint8)
    angles = torch.linspace(-45, 45, 21)
    for image, angle, found in zip(images, angles, rotate(images, angles), strict=True):
        expected = np.asarray(Image.fromarray(image.numpy()).rotate(float(angle)))
        assert (found.numpy() != expected).mean() < 0.02
    assert torch.equal(rotate(images, torch.zeros(21)), images)


def test_images_recast_at_8_bits_are_those_of_gradattn() -> None:
    """The values of GradAttn's images after recasting, then whole images as torchvision does it."""
    values = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]
    printed = [0.008, 0.510, 0.004, 0.506, 0, 0.498, 1.0, 0.494, 0.996]
    black = torch.zeros(1, 1, 1, 1, dtype=torch.uint8)
    found = [recast(black, mean=(-value,), std=(1.0,)).item() / 255 for value in values]
    assert found == pytest.approx(printed, abs=5e-4)

    image = torch.randint(256, (1, 32, 32, 3), generator=seeded(0)).to(torch.uint8)
    normalised = functional.normalize(functional.to_tensor(image[0].numpy()), MEAN, STD)
    expected = np.asarray(functional.to_pil_image(normalised))
    assert np.array_equal(recast(image, MEAN, STD)[0].numpy(), expected)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
