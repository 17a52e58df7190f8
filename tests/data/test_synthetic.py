from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from striate.data import open_dataset
from striate.data.synthetic import MAKERS, MakeOptions, make_data, make_digits
from striate.errors import RequestError, UnknownNameError
from striate.images import read_picture


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


def test_every_maker_makes_a_set_that_opens(tmp_path: Path) -> None:
    for maker in MAKERS:
        root = make_data(maker.name, tmp_path / maker.name, MakeOptions(images=40))
        assert open_dataset(root).images == 40
        assert maker.title


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
