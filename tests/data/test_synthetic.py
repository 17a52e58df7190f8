from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from striate.data import open_dataset
from striate.data.bands import TELLING, compose_bands
from striate.data.synthetic import MAKERS, TASK_WORDS, USUAL_FORMATS, MakeOptions, Maker, make_data, make_digits
from striate.errors import RequestError, UnknownNameError
from striate.formats import FORMATS, Reading, read_folder
from striate.images import read_picture
from striate.structures import SPATIAL_TASKS


def test_the_digits_are_scikit_learns(tmp_path: Path) -> None:
    root = make_digits(tmp_path / "digits", images=30)
    truth = load_digits()
    paths = sorted(root.rglob("*.png"))
    assert [len(list((root / str(digit)).iterdir())) for digit in range(10)] == [3] * 10
    for path in paths:
        index = int(path.stem.removeprefix("digit_"))
        pixels = read_picture(path).pixels
        assert pixels.shape == (1, 8, 8)
        np.testing.assert_array_equal(np.rint(pixels[0] * (16 / 255)), truth.images[index])
        assert truth.target[index] == int(path.parent.name)
    assert max(read_picture(path).pixels.max() for path in paths) == 255


def test_any_number_has_nearly_equal_shares_and_the_seed_decides(tmp_path: Path) -> None:
    def names(out: str, seed: int) -> list[str]:
        root = make_digits(tmp_path / out, images=25, seed=seed)
        return sorted(path.name for path in root.rglob("*.png"))

    assert names("a", 0) == names("b", 0) != names("c", 1)
    counts = [len(list((tmp_path / "a" / str(digit)).iterdir())) for digit in range(10)]
    assert sorted(counts) == [2] * 5 + [3] * 5


def test_digits_can_be_enlarged_and_opened(tmp_path: Path) -> None:
    data = open_dataset(make_digits(tmp_path / "digits", images=60, scale=3))
    assert (data.format, data.images, data.channels, data.median_size_hw) == ("folders", 60, 1, (24, 24))
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("maker", "task"),
    [pytest.param(maker, task, id=f"{maker.name}-{task}") for maker in MAKERS for task in maker.tasks],
)
def test_every_maker_makes_a_set_that_opens(maker: Maker, task: str, tmp_path: Path) -> None:
    root = make_data(maker.name, tmp_path / "set", MakeOptions(images=40, task=task))
    data = open_dataset(root)
    assert (data.images, data.task, data.format) == (40, task, USUAL_FORMATS[task])
    assert not [problem for problem in data.problems if problem.severity == "dropped"]
    assert maker.title


@pytest.mark.parametrize(
    ("task", "format"),
    [(task, fmt.name) for task in SPATIAL_TASKS for fmt in FORMATS if task in fmt.tasks and fmt.names_classes],
)
def test_scenes_are_written_in_every_format_that_holds_them(task: str, format: str, tmp_path: Path) -> None:
    root = make_data("digits", tmp_path / "set", MakeOptions(images=12, task=task, format=format))
    reading = read_folder(root, format, task)
    assert {split: len(samples) for split, samples in reading.splits.items()} == {
        "train": 8,
        "validation": 2,
        "test": 2,
    }
    assert set(reading.classes) <= {"background", *"0123456789"}


def test_other_words_for_tasks_are_understood(tmp_path: Path) -> None:
    for word in ("detect", "segment"):
        root = make_data("digits", tmp_path / word, MakeOptions(images=10, task=word))
        assert open_dataset(root).task == TASK_WORDS[word]


def test_a_format_that_cannot_hold_the_task_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the format folders holds classification, and detection was asked") as seen:
        make_data("digits", tmp_path / "out", MakeOptions(task="detect", format="folders"))
    assert "coco" in seen.value.fix
    with pytest.raises(UnknownNameError, match=r"cannot be made for the task 'detekt'\. Known: classification, "):
        make_data("digits", tmp_path / "out", MakeOptions(task="detekt"))
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match=r"there is something here already\. Name a new or empty folder\."):
        make_digits(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (MakeOptions(scale=0), "scale: must be 1 or more, got 0."),
        (MakeOptions(images=-1), "images: must be 1 or more, got -1."),
        (MakeOptions(images=3, task="detection"), "images: scenes are made ten or more at a time, got 3."),
        (MakeOptions(images=5000), "images: there are 1797 digits, got 5000. Ask for 10 to 1797."),
    ],
)
def test_numbers_out_of_range_are_refused(options: MakeOptions, text: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        make_data("digits", tmp_path / "out", options)
    assert text in str(caught.value)


def test_an_unknown_name_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no built-in data set named 'digit'\. Nearest: digits"):
        make_data("digit", tmp_path / "out")


@pytest.mark.parametrize("format", ["label-images", "object-masks"])
def test_objects_are_of_one_class_where_the_format_names_none(format: str, tmp_path: Path) -> None:
    options = MakeOptions(images=10, task="instances", format=format)
    named = read_folder(make_data("digits", tmp_path / "named", MakeOptions(images=10, task="instances")))
    found = read_folder(make_data("digits", tmp_path / "bare", options), format)
    assert (len(named.classes), len(found.classes)) == (10, 1)

    def counts(reading: Reading) -> list[int]:
        return sorted(len(one.read_annotation()) for samples in reading.splits.values() for one in samples)

    # A picture without an object may be left out, where nothing says that it has none.
    assert [count for count in counts(found) if count] == [count for count in counts(named) if count]


def test_bands_carry_the_class_in_one_of_five_channels(tmp_path: Path) -> None:
    data = open_dataset(make_data("bands", tmp_path / "bands", MakeOptions(images=20, seed=3)))
    assert (data.classes, data.images, data.channels, data.bit_depth) == (("dry", "wet"), 20, 5, 32)
    assert data.median_size_hw == (32, 32)
    for sample in compose_bands(20, 1, 3):
        pixels = sample.read().pixels
        assert (pixels.dtype.name, pixels.shape) == ("float32", (5, 32, 32))
        assert 0 <= pixels.min() <= pixels.max() <= 1
        # Farthest from the middle of its ground lies the patch.
        band = pixels[TELLING] - np.median(pixels[TELLING])
        assert (band.mean() > 0) == bool(sample.annotation.index)
    with pytest.raises(RequestError, match="ten or more at a time, got 3"):
        make_data("bands", tmp_path / "few", MakeOptions(images=3))
