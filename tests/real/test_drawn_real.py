"""LabelMe's and VIA's formats on real data: their own, and other formats' that resemble them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.formats import FORMATS

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "datumaro_format_zoo"

pytestmark = pytest.mark.real


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def test_labelme_xml() -> None:
    reading = FORMATS.get("labelme").read(real("labelme_dataset"), "instances")
    assert reading.problems == []
    assert reading.classes == ("b1", "hg", "license plate", "m1", "o1", "q1", "window")
    (sample,) = reading.splits[""]
    assert sample.name == "Images/subset1/img1.png"
    found = sample.read_annotation()
    assert found.size_hw == sample.read().size_hw == (77, 102)  # type: ignore[union-attr]
    # The window is a polygon of 2 x 3 pixels, the plate a mask file, b1 a rectangle of 10 x 11.
    areas = dict(zip((reading.classes[index] for index in found.classes), found.areas(), strict=True))  # type: ignore[union-attr]
    assert areas["window"] == 6
    assert areas["license plate"] == 4
    assert areas["b1"] == 110


def test_labelme_boxes_are_those_of_the_file() -> None:
    reading = FORMATS.get("labelme").read(real("labelme_dataset"))
    assert reading.task == "detection"
    boxes = reading.splits[""][0].annotation
    window = boxes[boxes.classes == reading.classes.index("window")]  # type: ignore[union-attr, index]
    assert window.boxes_xyxy.tolist() == [[43, 34, 45, 37]]
    # The file states 56, 14, 70, 23 around the pixels of its mask, the faintest among them.
    mask = boxes[boxes.classes == reading.classes.index("m1")]  # type: ignore[union-attr, index]
    assert np.abs(mask.boxes_xyxy - [[56, 14, 70, 23]]).max() <= 1


def test_nothing_else_is_taken_for_theirs() -> None:
    folders = [folder for folder in sorted(real("").iterdir()) if folder.is_dir() and folder.name != "labelme_dataset"]
    assert len(folders) > 20
    for name in ("labelme", "via"):
        taken = [folder.name for folder in folders if FORMATS.get(name).sniff(folder) is not None]
        assert taken == [], name
    assert FORMATS.get("via").sniff(real("labelme_dataset")) is None
