"""Real data sets are recognised, and those that are not for classification are refused by their right name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError
from striate.formats import find_format, read_folder

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = pytest.mark.real


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


@pytest.mark.parametrize(
    ("name", "format", "classes", "splits"),
    [
        ("mnist_idx_t10k", "idx", 10, {"": 10_000}),
        ("sign_digits", "folders", 10, {"": 2060}),
        ("clothing_small", "folders", 10, {"train": 380, "validation": 120}),
        ("pneumoniamnist", "medmnist", 2, {"train": 2428, "validation": 270, "test": 468}),
        ("datumaro_format_zoo/imagenet_dataset", "folders", 2, {"": 3}),
        ("datumaro_format_zoo/imagenet_subsets_dataset", "folders", 2, {"train": 3, "validation": 3, "test": 3}),
        ("datumaro_format_zoo/vgg_face2_dataset", "folders", 2, {"train": 3}),
        ("datumaro_format_zoo/lfw_dataset", "folders", 2, {"": 3}),
        ("datumaro_format_zoo/kaggle_dataset/image_csv", "table", 2, {"": 5}),
        ("datumaro_format_zoo/kaggle_dataset/image_csv_multi_label", "table", 3, {"": 6}),
        ("datumaro_format_zoo/kaggle_dataset/image_txt", "table", 2, {"": 5}),
        ("datumaro_format_zoo/roboflow_dataset/multiclass", "table", 2, {"train": 2, "validation": 1}),
        ("datumaro_format_zoo/imagenet_txt_dataset/basic", "table", 2, {"train": 2}),
    ],
)
def test_recognised(name: str, format: str, classes: int, splits: dict[str, int]) -> None:
    reading = read_folder(real(name))
    assert reading.format == format
    assert len(reading.classes) == classes
    assert {split: len(samples) for split, samples in reading.splits.items()} == splits
    for samples in reading.splits.values():
        assert samples[0].read().channels in (1, 3)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("lums_road_crlf_damaged", "lost carriage returns"),
        ("exif_orientation", "18 pictures, but no class folders, no table and no annotation"),
        ("weights_resnet_cifar10", "no pictures with labels were found here"),
        ("datumaro_format_zoo/cifar10_dataset", "CIFAR's pickled batches"),
        ("datumaro_format_zoo/mvtec_dataset", "mask pictures in a folder beside them"),
    ],
)
def test_refused_with_the_cause(name: str, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        find_format(real(name))
    assert cause in str(caught.value)
    assert caught.value.fix


def test_mnist_says_that_its_training_pictures_are_missing() -> None:
    reading = read_folder(real("mnist_idx_t10k"))
    assert [(problem.kind, problem.path) for problem in reading.problems] == [
        ("labels-without-pictures", "train-labels-idx1-ubyte.gz")
    ]
    assert "'test' (10000 pictures) count as unsplit" in reading.notes[0]
    assert reading.classes == tuple("0123456789")
    first = reading.splits[""][0]
    # The first picture of MNIST's test set is a seven.
    assert reading.classes[first.annotation.index] == "7"  # type: ignore[union-attr]
    assert first.read().size_hw == (28, 28)


def test_pneumoniamnist_has_its_class_names() -> None:
    reading = read_folder(real("pneumoniamnist"))
    assert reading.classes == ("normal", "pneumonia")
    indices = np.array([sample.annotation.index for sample in reading.splits["test"]])  # type: ignore[union-attr]
    assert np.bincount(indices).tolist() == [234, 234]
