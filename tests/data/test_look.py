import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from striate.data.facts import measure_pictures
from striate.data.look import Look, look, look_anyway, write_look_page
from striate.data.look_page import build_look_page, combine_histograms
from striate.errors import DataError
from striate.images import write_picture
from striate.structures import Picture, Problem

Folders = Callable[..., Path]


@pytest.fixture
def troubled(class_folders: Folders) -> Path:
    """Two classes with an unreadable file, a duplicate, a conflict and a blank picture."""
    root = class_folders({"cat": 12, "a dog": 6})
    (root / "cat" / "bad.png").write_bytes(b"")
    shutil.copy(root / "cat/000.png", root / "cat/copy.png")
    shutil.copy(root / "cat/001.png", root / "a dog/conflict.png")
    blank = Picture(np.full((3, 36, 40), 9, np.uint8), ("red", "green", "blue"))
    write_picture(blank, root / "cat" / "blank.png")
    return root


@pytest.fixture
def seen(troubled: Path) -> Look:
    return look(troubled)


def test_the_document_holds_what_the_design_promises(seen: Look, troubled: Path) -> None:
    answer = json.loads(json.dumps(seen.as_dict()))
    assert answer["task"] == "classification"
    assert answer["format"] == "folders"
    assert answer["classes"] == ["a dog", "cat"]
    assert answer["images"] == sum(answer["splits"].values()) == 21
    assert answer["channels"] == 3
    assert answer["bit_depth"] == 8
    assert answer["given_splits"] == []
    assert answer["duplicate_sets"] == 2
    assert sum(counts["cat"] for counts in answer["class_counts"].values()) == 14
    assert {problem["kind"] for problem in answer["problems"]} == {
        "empty",
        "duplicate",
        "conflicting-labels",
        "blank",
    }
    assert all({"kind", "path", "detail", "fix"} <= set(problem) for problem in answer["problems"])
    assert answer["path"] == str(troubled)
    assert answer["refused"] is None


def test_the_text_is_one_screen(seen: Look) -> None:
    lines = seen.as_text(80).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0] == "photos: classification, 21 pictures, 2 classes"
    text = "\n".join(lines)
    assert "format   folders: one folder for each class" in text
    assert "pictures 36 x 40 pixels; 3 channels (red, green, blue); 8 bit" in text
    assert "cat    14 ####" in text
    assert "problems 1 empty, left out: cat/bad.png: the file is empty (0 bytes)." in text
    assert "1 conflicting-labels: " in text


def test_many_classes_and_kinds_still_fit(class_folders: Folders) -> None:
    root = class_folders({f"class number {i} with quite a long name": 2 + i for i in range(25)}, height=9, width=9)
    lines = look(root).as_text(60).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 60
    assert any("... 16 more classes, the smallest:" in line for line in lines)
    counts = [int(line.split("...")[-1].split()[0]) for line in lines if "#" in line]
    assert counts == [26, 25, 24, 23, 22, 21, 20, 19, 2]


def test_kinds_of_problems_without_a_line_of_their_own_are_counted(seen: Look) -> None:
    problems = tuple(Problem(f"kind-{i}", "a.png", "odd.", "Mend it.") for i in range(9) for _ in range(i + 1))
    many = replace(seen, survey=replace(seen.survey, dataset=replace(seen.dataset, problems=problems)))
    assert many.as_text(80).splitlines()[-1].strip() == "... and 3 kinds more: 7 kind-6, 8 kind-7, 9 kind-8"


def test_nothing_wrong_is_said_too(class_folders: Folders) -> None:
    seen = look(class_folders({"x": 5, "y": 5}))
    assert "problems none found" in seen.as_text(80)
    assert "no problem found" in build_look_page(seen)


def test_problems_that_cost_pictures_come_first(seen: Look) -> None:
    kinds = list(seen.problems_by_kind())
    assert kinds[0] == "empty"
    assert set(kinds[1:]) == {"duplicate", "conflicting-labels", "blank"}


def test_refusals_are_those_of_opening(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder is empty"):
        look(tmp_path)


def test_a_set_of_unreadable_pictures_is_shown_before_it_is_refused(class_folders: Folders) -> None:
    root = class_folders({"cat": 3, "dog": 5})
    for number in range(5):
        (root / "dog" / f"{number:03d}.png").write_bytes(b"")
    seen = look_anyway(root)
    answer = json.loads(json.dumps(seen.as_dict()))
    assert (answer["format"], answer["task"], answer["splits"]) == ("folders", "classification", {"unsplit": 8})
    assert answer["class_counts"] == {"unsplit": {"cat": 3, "dog": 5}}
    assert (answer["channels"], answer["median_size_hw"]) == (3, [36, 40])
    assert [problem["kind"] for problem in answer["problems"]] == ["empty"] * 5
    assert answer["refused"]["message"].startswith("5 of 8 pictures cannot be read (5 empty), so the whole set is")
    assert answer["refused"]["fix"]
    text = seen.as_text(80)
    assert "problems 5 empty, left out: dog/000.png: the file is empty (0 bytes)." in text
    assert "refused 5 of 8 pictures cannot be read" in " ".join(text.split())
    with pytest.raises(DataError, match="5 of 8 pictures cannot be read"):
        look(root)


def test_a_class_that_only_the_test_split_shows_is_refused_with_the_counts(class_folders: Folders) -> None:
    root = class_folders({"train/cat": 3, "train/dog": 4, "test/cat": 2, "test/dog": 2, "test/mouse": 1})
    answer = look_anyway(root).as_dict()
    assert answer["class_counts"]["train"] == {"cat": 3, "dog": 4}
    assert answer["given_splits"] == list(answer["splits"])
    assert answer["channels"] is None
    assert "which never occurs in the training split" in answer["refused"]["message"]
    assert "pictures not looked at" in look_anyway(root).as_text(80)


def test_one_class_is_refused_with_what_there_is(class_folders: Folders) -> None:
    answer = look_anyway(class_folders({"cat": 3})).as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == ("folders", "classification", 3)
    assert answer["classes"] == ["cat"]
    assert "all 3 pictures are of one class, 'cat'" in answer["refused"]["message"]


def test_annotation_that_cannot_be_used_is_refused_with_its_format(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    images = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "photos" / "a.npz", train_images=images, train_labels=np.array([0, 1, 1]))
    seen = look_anyway(tmp_path / "photos")
    answer = seen.as_dict()
    assert (answer["format"], answer["task"], answer["images"]) == ("medmnist", None, 0)
    assert "train_images has 2 pictures and train_labels 3 labels" in answer["refused"]["message"]
    assert seen.as_text(80).splitlines()[0] == "photos: its annotation cannot be used"


def test_a_set_without_a_known_format_is_an_error_still(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder is empty"):
        look_anyway(tmp_path)


class Page(HTMLParser):
    """Headings, pictures and addresses of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        values = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.pictures.append(values)

    def handle_data(self, data: str) -> None:
        if self.tag in ("h2", "h3") and data.strip():
            self.headings.append(data)


def test_the_page_shows_everything_and_fetches_nothing(seen: Look, tmp_path: Path) -> None:
    path = write_look_page(seen, tmp_path / "out" / "look.html")
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    for title in (
        "At a glance",
        "Problems",
        "Pictures by class",
        "Class balance",
        "Sizes",
        "Pixel values",
        "Duplicates",
    ):
        assert title in page.headings
    assert "a dog (7)" in page.headings
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert all(picture["alt"] for picture in page.pictures)
    assert len(page.pictures) >= 7 + 10 + 4
    assert "cat/bad.png" in html


def test_a_page_is_made_though_a_picture_has_gone(seen: Look, troubled: Path) -> None:
    shutil.rmtree(troubled / "a dog")
    assert "Pictures by class" in build_look_page(seen)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_page_shows_other_depths_and_channels(dtype: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(4):
            pixels = (random.random((5, 20 + number, 24)) * 4000).astype(dtype)
            bands = tuple(f"band {i}" for i in range(5))
            write_picture(Picture(pixels, bands), tmp_path / "set" / name / f"{name}{number}.tif")
    html = build_look_page(look(tmp_path / "set"))
    assert "band 0, band 1, band 2 of 5 channels" in html or "showing channel" in html
    assert "(black) to" in html


def test_histograms_add_up_and_count_each_picture_alike() -> None:
    dark = Picture(np.zeros((1, 4, 4), np.uint8), ("gray",))
    bright = Picture(np.full((1, 40, 40), 255, np.uint8), ("gray",))
    facts = measure_pictures(["a"], [dark]) + measure_pictures(["b"], [bright])
    edges, shares = combine_histograms(facts)
    assert (edges[0], edges[-1], len(edges)) == (0.0, 256.0, 33)
    assert shares[0, 0] == pytest.approx(0.5)
    assert shares[0, -1] == pytest.approx(0.5)
    assert shares.sum() == pytest.approx(1.0)


def test_histograms_of_other_ranges_are_laid_over_one_another() -> None:
    low = Picture(np.linspace(0, 1, 1024, dtype=np.float32).reshape(1, 32, 32), ("gray",))
    high = Picture(np.linspace(3, 4, 1024, dtype=np.float32).reshape(1, 32, 32), ("gray",))
    facts = measure_pictures(["a"], [low]) + measure_pictures(["b"], [high])
    edges, shares = combine_histograms(facts)
    assert (edges[0], edges[-1]) == (0.0, 4.0)
    np.testing.assert_allclose(shares[0], [0.0625] * 8 + [0.0] * 16 + [0.0625] * 8, atol=2e-3)


def test_a_long_path_leaves_room_for_what_is_wrong(class_folders: Folders) -> None:
    root = class_folders({f"a-class-with-a-very-long-name-{'x' * 40}-{i}": 3 for i in range(9)})
    for folder in sorted(root.iterdir())[:2]:
        next(folder.iterdir()).write_bytes(b"")
    text = " ".join(look(root).as_text(80).split())
    assert "the file is empty (0 bytes)" in text
