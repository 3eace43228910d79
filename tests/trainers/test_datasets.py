"""Data sets: loaded, split and converted as asked; whatever is wrong with them is one line."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import MNIST

from skipsearch.trainers.data.arrays import Data, Images, fingerprint, statistics
from skipsearch.trainers.data.convert import Wanted, converted
from skipsearch.trainers.data.datasets import load
from skipsearch.trainers.data.sources import digits
from tests.support import ROOT
from tests.support.image_files import MODULE, write_folder, write_mnist

SHARED = ROOT.parent / "shared" / "data"


def refused(match: str, name: str, **asked: object) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        load(name, **asked)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_digits_come_whole_as_uint8_with_stratified_parts() -> None:
    data = load("digits")
    assert data.shape == (1, 8, 8) and data.num_classes == 10
    assert (len(data.train), len(data.validation), len(data.test)) == (1294, 144, 359)
    for part in (data.train, data.validation, data.test):
        assert part.images.dtype == np.uint8 and part.images.flags.c_contiguous
        assert part.labels.dtype == np.int64
        share = np.bincount(part.labels) / len(part)
        assert abs(share - 0.1).max() < 0.02
    assert data.train.images.max() == 255
    together = np.concatenate([p.images for p in (data.train, data.validation, data.test)])
    assert len(np.unique(together.reshape(1797, 64), axis=0)) == 1797


def test_the_split_depends_on_the_seed_and_the_test_images_never_do() -> None:
    one, same, other = load("digits", seed=1), load("digits", seed=1), load("digits", seed=2)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
    assert np.array_equal(one.test.images, other.test.images)


def test_indices_say_where_each_image_of_a_part_stood_in_its_source(tmp_path: Path) -> None:
    source = digits().train
    for data in (load("digits", seed=3), load("digits", seed=3, train_subset=200)):
        for part in (data.train, data.validation, data.test):
            assert np.array_equal(source.images[part.index], part.images)
            assert np.array_equal(source.labels[part.index], part.labels)
    write_folder(tmp_path / "train", {"a": 20, "b": 10})
    write_folder(tmp_path / "test", {"a": 4, "b": 3})
    data = load(f"folder:{tmp_path}", image_size=6, validation=0.2)
    assert len(data.test.index) == 0  # a part of its own
    together = np.concatenate([data.train.index, data.validation.index])
    assert sorted(together) == list(range(30))
    number = data.validation.images[:, 0, 0, 0] + 20 * data.validation.labels
    assert np.array_equal(data.validation.index, number)


def test_a_fingerprint_tells_labels_and_shapes_apart() -> None:
    part = Images(np.zeros((4, 2, 3, 1), np.uint8), np.array([0, 1, 0, 1]))
    relabelled = Images(part.images, part.labels[::-1].copy())
    turned = Images(part.images.reshape(4, 3, 2, 1), part.labels)
    prints = {
        fingerprint(Data("x", train, part, part, ("a", "b"), (0.0,), (1.0,)))
        for train in (part, relabelled, turned)
    }
    assert len(prints) == 3


def test_a_subset_is_drawn_from_the_training_images_alone_and_stratified() -> None:
    whole, data = load("digits", seed=4), load("digits", seed=4, train_subset=200)
    assert np.array_equal(whole.validation.images, data.validation.images)
    assert np.bincount(data.train.labels).tolist() == pytest.approx([20] * 10, abs=1)
    known = {image.tobytes() for image in whole.train.images}
    assert all(image.tobytes() in known for image in data.train.images)


def test_mean_and_deviation_are_those_of_the_training_images() -> None:
    data = load("digits")
    assert data.mean == pytest.approx([(data.train.images / 255).mean()])
    assert data.std == pytest.approx([(data.train.images / 255).std()])
    assert statistics(np.full((2, 2, 2, 1), 255, np.uint8)) == ((1.0,), (1 / 255,))


def test_images_are_resized_and_recoloured_on_request() -> None:
    data = load("digits", image_size=16, channels=3, train_subset=100)
    assert data.shape == (3, 16, 16) and len(data.mean) == 3
    assert np.array_equal(data.train.images[..., 0], data.train.images[..., 2])


def test_conversion_equals_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 14, 3), np.uint8)
    small = converted(image[None], Wanted(image_size=7))[0]
    cut = Image.fromarray(image[3:17]).resize((7, 7), Image.Resampling.BILINEAR)
    assert abs(small.astype(int) - np.asarray(cut)).max() <= 1
    grey = converted(image[None], Wanted(channels=1))[0, ..., 0]
    assert abs(grey.astype(int) - np.asarray(Image.fromarray(image).convert("L"))).max() <= 1


def test_fashion_mnist_is_found_without_network() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"needs FashionMNIST under {SHARED}")
    data = load("fashion-mnist", data_dir=SHARED, train_subset=1000)
    assert data.shape == (1, 28, 28) and data.classes[9] == "Ankle boot"
    assert (len(data.train), len(data.validation), len(data.test)) == (1000, 6000, 10_000)


def test_torchvision_files_that_are_there_are_used(tmp_path: Path) -> None:
    data = load("mnist", data_dir=write_mnist(tmp_path, 200, 20))
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 20, 20)


@pytest.mark.parametrize("left", [0, 10, 1000])
def test_a_truncated_file_is_named_as_damage(tmp_path: Path, left: int) -> None:
    path = write_mnist(tmp_path, 200, 20) / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:left])
    refused(f"data set mnist under {tmp_path} is damaged .*delete", "mnist", data_dir=tmp_path)


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "mirrors", [f"file://{tmp_path}/nowhere/"])
    refused("mnist is not .*download failed.*--data-dir", "mnist", data_dir=tmp_path / "data")


def test_a_folder_with_train_and_test_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"cat": 20, "dog": 10})
    write_folder(tmp_path / "test", {"cat": 4, "dog": 3})
    data = load(f"folder:{tmp_path}", validation=0.2)
    assert data.classes == ("cat", "dog") and data.shape == (3, 10, 12)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 6, 7)
    for part in (data.train, data.validation, data.test):  # the green channel holds the class
        assert np.array_equal(part.images[:, 0, 0, 1], part.labels)
    assert data.test.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1, 2]


def test_a_folder_with_one_level_of_classes_is_split(tmp_path: Path) -> None:
    data = load(f"folder:{write_folder(tmp_path, {'a': 20, 'b': 20, 'c': 10})}")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [36, 4, 10]
    assert np.bincount(data.test.labels).tolist() == [4, 4, 2]


def test_a_folder_is_grey_only_where_every_image_is(tmp_path: Path) -> None:
    grey = write_folder(tmp_path / "grey", {"a": 10, "b": 10}, mode="L")
    assert load(f"folder:{grey}").channels == 1
    assert load(f"folder:{grey}", channels=3).channels == 3
    Image.new("P", (12, 10)).save(grey / "b" / "palette.png")
    assert load(f"folder:{grey}").channels == 3


def test_images_of_several_sizes_need_an_image_size(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 10, "b": 10})
    Image.new("RGB", (40, 30)).save(tmp_path / "b" / "large.jpg")
    refused(r"large\.jpg must be 10×12 .*got 30×40: set image_size", f"folder:{tmp_path}")
    assert load(f"folder:{tmp_path}", image_size=8).shape == (3, 8, 8)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 10, "b": 10})
    noise = np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(noise).save(jpeg, "JPEG")
    for name, content in {"text": b"no image", "cut": jpeg.getvalue()[:-100], "empty": b""}.items():
        path = tmp_path / "b" / f"{name}.jpg"
        path.write_bytes(content)
        refused(
            rf"image .*{name}\.jpg cannot be read: .*; replace or remove it", f"folder:{tmp_path}"
        )
        path.unlink()
    Image.fromarray(noise[..., 0].astype(np.uint16) * 200).save(tmp_path / "b" / "deep.png")
    refused(r"deep\.png .*convert it to 8 bits", f"folder:{tmp_path}")


def test_a_folder_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    refused("must be an existing folder", f"folder:{tmp_path}/nowhere")
    refused("one sub-folder of images per class", f"folder:{tmp_path}")
    (tmp_path / "a").mkdir()
    refused("must hold images .*got none", f"folder:{tmp_path}")
    write_folder(tmp_path, {"a": 10})
    refused("at least 2 classes, got 1", f"folder:{tmp_path}")
    (tmp_path / "b").mkdir()
    refused("class 'b' must have at least 2 .*got 0", f"folder:{tmp_path}")
    write_folder(tmp_path, {"b": 1})
    refused("class 'b' must have at least 2 .*got 1", f"folder:{tmp_path}")


def test_test_folders_must_match_the_training_folders(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    refused("must hold test/ beside train/", f"folder:{tmp_path}")
    write_folder(tmp_path / "test", {"a": 2, "c": 2})
    refused("test/c must have a folder of the same name in train", f"folder:{tmp_path}")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"made_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_function_of_the_user_gives_tensors(module: str) -> None:
    data, floats = load(f"{module}:good"), load(f"{module}:floats")
    assert data.shape == (1, 6, 5) and data.classes == ("0", "1", "2", "3")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [36, 4, 8]
    assert np.array_equal(data.train.images, floats.train.images)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        ("gaps", "class '0' must have at least 2 training images to be split, got 0"),
        ("negative", "train labels must be 0 … 2 .*got -1: renumber"),
        ("beyond", "test labels must be 0 … 3 .*got 4: renumber"),
        ("normalised", r"train\[0\]: floats must be 0 … 1, got .*leave out the normalisation"),
        ("empty", "train must hold at least one image, got none"),
        ("halves", r"train\[0\]: only integer"),
        ("shapes", r"train\[1\] must have the shape of the first image"),
        ("alone", r"must return \(train, test\)"),
        ("lists", r"train\[0\]: it must be a PIL image or a tensor, got str"),
        ("missing", "must be module:function"),
    ],
)
def test_what_a_function_gives_wrong_is_named(module: str, function: str, match: str) -> None:
    refused(match, f"{module}:{function}")


def test_numbers_out_of_range_and_unknown_names_are_refused() -> None:
    refused(r"got 'cifar' \(nearest: cifar10, cifar100\)", "cifar")
    refused("must be module:function", "no_such_module:function")
    refused("must be digits, .*folder:PATH or module:function", "folder:")
    refused("validation must be above 0 and below 1, got 1", "digits", validation=1.0)
    refused("too few to set 1431 aside", "digits", validation=0.995)
    refused("train_subset must be 10 … 1284 .*got 9", "digits", train_subset=9)
    refused("train_subset must be 10 … 1284 .*got 5000", "digits", train_subset=5000)
    refused("image_size must be 1 … 4096, got 0", "digits", image_size=0)
    refused("channels must be 1 .* or 3 .*got 2", "digits", channels=2)


def test_a_users_data_set_may_be_pictures_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "train", {"a": 10, "b": 10})
    Image.new("RGB", (40, 30)).save(folder / "b" / "large.png")
    (tmp_path / "pictures_of_mine.py").write_text(
        "from torchvision.datasets import ImageFolder\n"
        f"def both(): return ImageFolder({str(folder)!r}), ImageFolder({str(folder)!r})\n"
    )
    monkeypatch.chdir(tmp_path)
    data = load("pictures_of_mine:both", image_size=8)
    assert data.shape == (3, 8, 8) and data.classes == ("a", "b")
    refused("must have the shape of the first image", "pictures_of_mine:both")
