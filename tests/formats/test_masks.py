"""Pictures and semantic masks as people keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, find_format, read_folder
from striate.images import FileSource
from striate.structures import Boxes, Label, Mask, Sample

MASKS = FORMATS.get("masks")
RANDOM = np.random.default_rng(3)


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)


def mask(path: Path, *values: int, dtype: type = np.uint8) -> None:
    """Vertical bands of these values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values or (0, 1, 2)
    bands = np.array(values, dtype)[np.arange(48) * len(values) // 48][None].repeat(40, 0)
    Image.fromarray(bands).save(path)


def fill(root: Path, **pairs: str) -> Path:
    """Pictures and masks from `picture=mask` in the order of words, as paths."""
    for picture, annotation in pairs.items():
        photo(root / picture)
        mask(root / annotation)
    return root


LAYOUTS = {
    "folders": {"images/1.jpg": "masks/1.png", "images/2.jpg": "masks/2.png"},
    "splits inside": {"images/train/1.jpg": "masks/train/1.png", "images/val/1.jpg": "masks/val/1.png"},
    "splits outside": {"train/images/1.jpg": "train/masks/1.png", "test/images/1.jpg": "test/masks/1.png"},
    "camvid": {"train/1.png": "trainannot/1.png", "val/2.png": "valannot/2.png", "test/3.png": "testannot/3.png"},
    "roboflow": {"train/1.rf.a.jpg": "train/1.rf.a_mask.png", "valid/2.rf.b.jpg": "valid/2.rf.b_mask.png"},
    "wrapped": {"set/v2/images/1.jpg": "set/v2/masks/1.png", "set/v2/images/2.jpg": "set/v2/masks/2.png"},
    "cityscapes": {
        "leftImg8bit/train/bonn/b_1_leftImg8bit.png": "gtFine/train/bonn/b_1_gtFine_labelIds.png",
        "leftImg8bit/val/ulm/u_1_leftImg8bit.png": "gtFine/val/ulm/u_1_gtFine_labelIds.png",
    },
    "isic": {"images/ISIC_1.jpg": "ground_truth/ISIC_1_segmentation.png"},
    "flat": {"1.jpg": "1_seg.png", "2.jpg": "2_seg.png"},
    "masks below": {"1.jpg": "masks/1.png", "2.jpg": "masks/2.png"},
    "numbers": {"images/img_1.jpg": "masks/mask_1.png", "images/img_2.jpg": "masks/mask_2.png"},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    pairs = LAYOUTS[layout]
    fill(tmp_path, **pairs)
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    found, sniff = find_format(tmp_path)
    assert (found, sniff.confidence) == (MASKS, 0.85)
    reading = read_folder(tmp_path)
    samples = [sample for part in reading.splits.values() for sample in part]
    assert {one.name: one.annotation.name for one in samples} == pairs  # type: ignore[union-attr]
    assert reading.task == "segmentation"
    assert reading.classes == ("background", "class-1", "class-2")
    assert reading.problems == []
    first = samples[0].read_annotation()
    assert isinstance(first, Mask)
    assert first.classes[0, [0, 20, 47]].tolist() == [0, 1, 2]


def test_splits_are_those_of_the_folders(tmp_path: Path) -> None:
    reading = read_folder(fill(tmp_path, **LAYOUTS["camvid"]))
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 1, "validation": 1, "test": 1}


def test_roboflow_names_come_from_its_table(tmp_path: Path) -> None:
    fill(tmp_path, **LAYOUTS["roboflow"])
    for split in ("train", "valid"):
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n2, dog")
    reading = read_folder(tmp_path)
    assert reading.classes == ("background", "cat", "dog")
    assert "Class names come from train/_classes.csv." in reading.notes
    (tmp_path / "valid" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, dog\n2, cat")
    with pytest.raises(DataError, match=r"train/_classes.csv and valid/_classes.csv list different classes"):
        read_folder(tmp_path)


def test_what_has_no_partner_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, **LAYOUTS["folders"])
    photo(tmp_path / "images" / "3.jpg")
    mask(tmp_path / "masks" / "4.png")
    reading = read_folder(tmp_path)
    assert len(reading.splits[""]) == 2
    assert [(one.kind, one.path, one.severity) for one in reading.problems] == [
        ("picture-without-mask", "images/3.jpg", "dropped"),
        ("mask-without-picture", "masks/4.png", "dropped"),
    ]
    assert reading.notes[0] == "Masks are masks/: 2 pictures have a mask of the same name."


def test_broken_masks_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, **LAYOUTS["folders"])
    (tmp_path / "masks" / "2.png").write_bytes(b"")
    reading = read_folder(tmp_path)
    assert [one.name for one in reading.splits[""]] == ["images/1.jpg"]
    assert [(one.kind, one.path) for one in reading.problems] == [("mask-empty", "masks/2.png")]
    (tmp_path / "masks" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="no mask can be read"):
        read_folder(tmp_path, "masks")


def test_without_words_in_names_content_decides(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "b" / f"{number}.png")
        mask(tmp_path / "a" / f"{number}.png")
    sniff = MASKS.sniff(tmp_path)
    assert sniff is not None
    assert sniff.confidence == 0.55
    reading = read_folder(tmp_path, "masks")
    assert [one.name for one in reading.splits[""]] == ["b/0.png", "b/1.png", "b/2.png"]


def test_masks_of_the_same_name_in_the_same_folder(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "all" / f"{number}.jpg")
        mask(tmp_path / "all" / f"{number}.png")
    assert find_format(tmp_path)[0] is MASKS
    reading = read_folder(tmp_path)
    assert [one.annotation.name for one in reading.splits[""]] == ["all/0.png", "all/1.png", "all/2.png"]  # type: ignore[union-attr]
    assert reading.notes[0] == "Masks are *.png: 3 pictures have a mask of the same name."


def test_the_same_photographs_in_two_kinds_of_file_are_no_masks(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / f"{number}.jpg")
        photo(tmp_path / f"{number}.png")
    assert MASKS.sniff(tmp_path) is None


def test_two_folders_of_photographs_are_classes(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "mask" / f"{number}.png")
        photo(tmp_path / "no_mask" / f"{number}.png")
    assert MASKS.sniff(tmp_path) is None
    assert read_folder(tmp_path).format == "folders"


def test_class_folders_of_drawings_are_classes(tmp_path: Path) -> None:
    for number in range(3):
        mask(tmp_path / "square" / f"{number}.png")
        mask(tmp_path / "circle" / f"{number}.png")
    assert MASKS.sniff(tmp_path) is None


def test_other_masks_are_named(tmp_path: Path) -> None:
    fill(tmp_path, **LAYOUTS["cityscapes"])
    for place in ("train/bonn/b_1", "val/ulm/u_1"):
        mask(tmp_path / "gtFine" / f"{place}_gtFine_instanceIds.png", 1, 26001, 26002, dtype=np.uint16)
        mask(tmp_path / "gtFine" / f"{place}_gtFine_color.png")
    reading = read_folder(tmp_path)
    assert reading.splits["train"][0].annotation.name.endswith("labelIds.png")  # type: ignore[union-attr]
    assert reading.notes[-1] == (
        "Other masks of the same pictures are left out: gtfine/*_gtfine_color, gtfine/*_gtfine_instanceids."
    )


def test_black_and_white_jpeg_masks(tmp_path: Path) -> None:
    """As Kvasir-SEG has them."""
    for number in range(2):
        photo(tmp_path / "images" / f"{number}.jpg")
        mask(tmp_path / "masks" / f"{number}.jpg", 0, 255)
    assert find_format(tmp_path)[0] is MASKS
    reading = read_folder(tmp_path)
    assert reading.classes == ("background", "foreground")
    first = reading.splits[""][0].read_annotation()
    assert isinstance(first, Mask)
    assert np.array_equal(first.classes, (np.arange(48) >= 24)[None].repeat(40, 0))
    assert "blurred edges (JPEG)" in reading.notes[1]


def test_class_and_object_in_one_value_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "image_2" / "1.png")
    mask(tmp_path / "instance" / "1.png", 768, 6913, 6914, dtype=np.uint16)
    assert MASKS.sniff(tmp_path) is None
    with pytest.raises(DataError, match=r"a class and an object each \(6914 is class 27, object 2\), as Cityscapes"):
        read_folder(tmp_path, "masks")


def test_masks_that_are_photographs_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.png")
    photo(tmp_path / "masks" / "1.png")
    assert MASKS.sniff(tmp_path) is None
    with pytest.raises(DataError, match="the files in masks/ look like photographs"):
        read_folder(tmp_path, "masks")


def test_label_images_are_left_to_their_format(tmp_path: Path) -> None:
    for number, top in enumerate((3, 5)):
        photo(tmp_path / "images" / f"{number}.png")
        mask(tmp_path / "masks" / f"{number}.png", *range(top + 1), dtype=np.uint16)
    assert find_format(tmp_path)[0].name == "label-images"
    # With names for the values, they are classes.
    (tmp_path / "classes.txt").write_text("\n".join("abcdef"))
    assert find_format(tmp_path)[0].name == "masks"


def test_written_files(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "a.jpg")
    classes = np.zeros((40, 48), np.uint8)
    classes[3:9, 4:7] = 1
    classes[0] = 255
    samples = [Sample(FileSource(tmp_path / "in" / name, name), Mask(classes)) for name in ("a.png", "a.jpg")]
    MASKS.write({"train": samples}, ("void", 'a "b", c'), tmp_path / "out")
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == [
        "_classes.csv", "images/train/a (2).jpg", "images/train/a.png", "masks/train/a (2).png", "masks/train/a.png",
    ]  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/masks/train/a.png")), classes)
    reading = read_folder(tmp_path / "out")
    assert reading.classes == ("void", 'a "b", c')
    assert all(one.read_annotation() == Mask(classes) for one in reading.splits["train"])


@pytest.mark.parametrize("annotation", [None, Label(0), Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))])
def test_other_annotation_is_refused(tmp_path: Path, annotation: object) -> None:
    photo(tmp_path / "a.png")
    sample = Sample(FileSource(tmp_path / "a.png", "a.png"), annotation)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"picture a\.png .* was to write a mask of classes"):
        MASKS.write({"train": [sample]}, ("a", "b"), tmp_path / "out")


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can tell apart 255 classes, and there are 256"):
        MASKS.write({"train": []}, tuple(map(str, range(256))), tmp_path / "out")
