"""What look says about data sets that somebody else made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from striate.data.look import Look, look
from striate.data.look_page import build_look_page
from striate.errors import DataError

pytestmark = pytest.mark.real


def kinds(seen: Look) -> dict[str, int]:
    return {kind: len(problems) for kind, problems in seen.problems_by_kind().items()}


def test_mnist_without_its_training_pictures(look_at: Callable[[str], Look]) -> None:
    seen = look_at("mnist_idx_t10k")
    answer = seen.as_dict()
    assert (answer["task"], answer["format"], answer["images"]) == ("classification", "idx", 10_000)
    assert answer["classes"] == list("0123456789")
    assert answer["splits"] == {"train": 7000, "validation": 1500, "test": 1500}
    assert (answer["channels"], answer["bit_depth"], answer["median_size_hw"]) == (1, 8, [28, 28])
    assert kinds(seen) == {"labels-without-pictures": 1}, "different digits are no duplicates"


@pytest.mark.slow
def test_sign_digits_and_the_picture_from_another_camera(look_at: Callable[[str], Look]) -> None:
    seen = look_at("sign_digits")
    answer = seen.as_dict()
    assert (answer["format"], answer["images"], answer["channels"]) == ("folders", 2060, 3)
    assert answer["classes"] == list("0123456789")
    assert sum(answer["splits"].values()) == 2060
    assert kinds(seen) == {"orientation": 1, "odd-size": 1, "identifying": 1}
    assert {problem["path"] for problem in answer["problems"]} == {"Dataset/0/IMG_1118.JPG", "Dataset/7/IMG_5935.JPG"}
    assert "3024 x 3024 pixels, where 2059 of 2060 pictures have 100 x 100." in str(answer["problems"])


def test_clothing_without_a_test_split(look_at: Callable[[str], Look]) -> None:
    seen = look_at("clothing_small")
    answer = seen.as_dict()
    assert answer["splits"] == {"train": 380, "validation": 120}
    assert answer["given_splits"] == ["train", "validation"]
    assert len(answer["classes"]) == 10
    assert kinds(seen) == {"mixed-sizes": 1, "no-test-split": 1}
    assert "no test split" in seen.as_text(80)


def test_pneumonia_whose_test_pictures_are_of_another_kind(look_at: Callable[[str], Look]) -> None:
    seen = look_at("pneumoniamnist")
    answer = seen.as_dict()
    assert (answer["format"], answer["classes"]) == ("medmnist", ["normal", "pneumonia"])
    assert answer["splits"] == {"train": 2428, "validation": 270, "test": 468}
    assert kinds(seen) == {"split-shift": 1, "leakage": 3, "duplicate": 4}
    (shift,) = seen.problems_by_kind()["split-shift"]
    assert shift.path == "test"


@pytest.mark.parametrize("name", ["mnist_idx_t10k", "sign_digits", "clothing_small", "pneumoniamnist"])
def test_the_answer_fits_a_screen_and_the_page_is_whole(name: str, look_at: Callable[[str], Look]) -> None:
    seen = look_at(name)
    lines = seen.as_text(80).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "</html>" in build_look_page(seen)


def test_files_that_a_text_conversion_has_damaged_are_refused(shared_data: Path) -> None:
    with pytest.raises(DataError) as caught:
        look(shared_data / "lums_road_crlf_damaged")
    assert "a conversion of line endings went over them and they lost carriage returns" in str(caught.value)
    assert "binary mode" in str(caught.value)
