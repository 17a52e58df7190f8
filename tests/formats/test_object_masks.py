"""A mask file for each object, and label images."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from striate.errors import DataError, PictureError, RequestError
from striate.formats import FORMATS, find_format, read_folder
from striate.formats.masks.label_images import LabelImage
from striate.formats.masks.object_masks import ObjectMasks
from striate.images import FileSource
from striate.structures import Instances, Sample

OBJECT_MASKS, LABEL_IMAGES = FORMATS.get("object-masks"), FORMATS.get("label-images")
RANDOM = np.random.default_rng(3)


def save(path: Path, pixels: object, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype)).save(path)
    return path


def photo(path: Path) -> Path:
    return save(path, RANDOM.integers(0, 255, (32, 40, 4)))


def square(path: Path, left: int, size: int = 6, value: int = 255) -> Path:
    mask = np.zeros((32, 40), np.uint8)
    mask[2 : 2 + size, left : left + size] = value
    return save(path, mask)


def nuclei(root: Path, prefix: str = "stage1_train/") -> Path:
    for name, lefts in (("ab", (1, 4, 20)), ("cd", (9,))):
        photo(root / f"{prefix}{name}/images/{name}.png")
        for left in lefts:
            square(root / f"{prefix}{name}/masks/{left:03}.png", left)
    return root


def sample(tmp_path: Path, instances: object) -> Sample:
    return Sample(FileSource(photo(tmp_path / "p.png"), "p.png"), instances)  # type: ignore[arg-type]


def squares(*lefts: int) -> Instances:
    masks = np.zeros((len(lefts), 32, 40), np.bool_)
    for mask, left in zip(masks, lefts, strict=True):
        mask[2:8, left : left + 6] = True
    return Instances.from_dense(masks, np.zeros(len(lefts), np.int64))


@pytest.mark.parametrize("prefix", ["", "stage1_train/", "data/deep/", "all/train/"])
def test_a_mask_for_each_object(tmp_path: Path, prefix: str) -> None:
    nuclei(tmp_path, prefix)
    found, sniff = find_format(tmp_path)
    assert (found, sniff.confidence) == (OBJECT_MASKS, 0.9)
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes, reading.problems) == ("instances", ("object",), [])
    (part,) = reading.splits.values()
    assert [one.name for one in part] == [f"{prefix}{name}/images/{name}.png" for name in ("ab", "cd")]
    first = part[0].read_annotation()
    assert isinstance(first, Instances)
    # Two of them overlap; both keep all their pixels.
    assert first.boxes_xyxy.tolist() == [[1, 2, 7, 8], [4, 2, 10, 8], [20, 2, 26, 8]]
    assert first.areas().tolist() == [36, 36, 36]
    assert pickle.loads(pickle.dumps(part[0].annotation)) == part[0].annotation


def test_splits_of_pictures(tmp_path: Path) -> None:
    nuclei(tmp_path, "train/")
    nuclei(tmp_path, "val/")
    assert {split: len(part) for split, part in read_folder(tmp_path).splits.items()} == {"train": 2, "validation": 2}


def test_empty_masks_show_no_object(tmp_path: Path) -> None:
    paths = (
        square(tmp_path / "1.png", 3),
        square(tmp_path / "2.png", 3, size=0),
        square(tmp_path / "3.png", 9, value=1),
    )
    assert len(ObjectMasks(paths, tmp_path / "none.png", "masks").read()) == 2


def test_a_picture_without_masks_is_background(tmp_path: Path) -> None:
    nuclei(tmp_path)
    photo(tmp_path / "stage1_train/ef/images/ef.png")
    (tmp_path / "stage1_train/ef/masks").mkdir()
    photo(tmp_path / "stage1_train/gh/images/gh.png")
    square(tmp_path / "stage1_train/ij/masks/1.png", 3)
    reading = read_folder(tmp_path)
    objects = {one.name[-6:-4]: one.read_annotation() for one in reading.splits[""]}
    assert {name: len(one) for name, one in objects.items()} == {"ab": 3, "cd": 1, "ef": 0}  # type: ignore[arg-type]
    assert objects["ef"].size_hw == (32, 40)  # type: ignore[union-attr]
    assert [(one.kind, one.path) for one in reading.problems] == [
        ("picture-without-mask", "stage1_train/gh/images/gh.png"),
        ("mask-without-picture", "stage1_train/ij"),
    ]
    assert any(note.startswith("1 picture has an empty folder of masks") for note in reading.notes)


def test_masks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    paths = (square(tmp_path / "1.png", 3), save(tmp_path / "2.png", np.ones((5, 6))))
    with pytest.raises(PictureError, match="the mask has 5 x 6 pixels and another one of the same picture 32 x 40"):
        ObjectMasks(paths, tmp_path / "p.png", "masks").read()


def test_several_pictures_beside_masks_are_refused(tmp_path: Path) -> None:
    nuclei(tmp_path)
    photo(tmp_path / "stage1_train/ab/images/zz.png")
    assert OBJECT_MASKS.sniff(tmp_path) is None
    with pytest.raises(DataError, match="stage1_train/ab/ holds 2 pictures beside one folder of masks"):
        read_folder(tmp_path, "object-masks")


def test_one_mask_of_the_picture_s_name_is_a_semantic_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        photo(tmp_path / name / "images" / f"{name}.png")
        square(tmp_path / name / "masks" / f"{name}.png", 4)
    assert OBJECT_MASKS.sniff(tmp_path) is None
    assert find_format(tmp_path)[0].name == "masks"


def test_overlapping_objects_survive_in_files_of_their_own(tmp_path: Path) -> None:
    original = sample(tmp_path, squares(1, 4))
    OBJECT_MASKS.write({"train": [original, original]}, ("object",), tmp_path / "out")
    reading = read_folder(tmp_path / "out")
    assert [one.name for one in reading.splits["train"]] == ["train/p/images/p.png", "train/p (2)/images/p.png"]
    for one in reading.splits["train"]:
        assert one.read_annotation() == original.annotation


@pytest.mark.parametrize("name", ["train.png", "masks.png", "con?.png", "#1"])
def test_pictures_with_names_that_mean_something(tmp_path: Path, name: str) -> None:
    one = replace(sample(tmp_path, squares(1, 9)), source=FileSource(tmp_path / "p.png", name))
    OBJECT_MASKS.write({"": [one]}, ("object",), tmp_path / "out")
    (part,) = OBJECT_MASKS.read(tmp_path / "out").splits.values()
    assert part[0].read_annotation() == one.annotation


def test_overlapping_objects_are_refused_in_label_images(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"in picture p.png objects overlap in 18 pixels") as caught:
        LABEL_IMAGES.write({"train": [sample(tmp_path, squares(1, 4))]}, ("object",), tmp_path / "out")
    assert "`object-masks` or `coco`" in caught.value.fix


@pytest.mark.parametrize("fmt", [OBJECT_MASKS, LABEL_IMAGES], ids=lambda fmt: fmt.name)
def test_what_would_be_lost_is_refused(tmp_path: Path, fmt: object) -> None:
    crowd = replace(squares(1), iscrowd=np.array([True]))
    with pytest.raises(RequestError, match="marked as a crowd or to be ignored"):
        fmt.write({"train": [sample(tmp_path, crowd)]}, ("object",), tmp_path / "a")  # type: ignore[attr-defined]
    with pytest.raises(RequestError, match=r"p.png: the objects are of 2 classes \(a, b\)") as caught:
        fmt.write({"train": [sample(tmp_path, squares(1))]}, ("a", "b"), tmp_path / "b")  # type: ignore[attr-defined]
    assert "`coco`" in caught.value.fix


def label_set(root: Path, dtype: type, suffix: str, tops: tuple[int, ...] = (3, 5, 0)) -> None:
    for number, top in enumerate(tops):
        photo(root / "images" / f"{number}.png")
        labels = np.zeros((32, 40), dtype)
        for value in range(1, top + 1):
            labels[2:9, value * 2] = value
        (root / "masks").mkdir(exist_ok=True)
        tifffile.imwrite(root / "masks" / f"{number}.tif", labels) if suffix == ".tif" else save(
            root / "masks" / f"{number}{suffix}", labels, dtype
        )


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, ".png"), (np.int32, ".tif"), (np.uint16, ".tif")])
def test_label_images(tmp_path: Path, dtype: type, suffix: str) -> None:
    label_set(tmp_path, dtype, suffix)
    found, sniff = find_format(tmp_path)
    assert (found, sniff.confidence) == (LABEL_IMAGES, 0.85)
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes, reading.problems) == ("instances", ("object",), [])
    objects = [one.read_annotation() for one in reading.splits[""]]
    assert [len(one) for one in objects] == [3, 5, 0]  # type: ignore[arg-type]
    assert objects[0].boxes_xyxy.tolist() == [[2, 2, 3, 9], [4, 2, 5, 9], [6, 2, 7, 9]]  # type: ignore[union-attr]


def test_label_images_of_eight_bit_need_more_evidence(tmp_path: Path) -> None:
    label_set(tmp_path / "few", np.uint8, ".png")
    assert find_format(tmp_path / "few")[0].name == "masks"
    assert len(read_folder(tmp_path / "few", "label-images").splits[""]) == 3
    label_set(tmp_path / "many", np.uint8, ".png", (3, 9, 11, 14, 17))
    assert find_format(tmp_path / "many")[0] is LABEL_IMAGES


def test_too_many_values_for_classes_point_to_label_images(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.png")
    save(tmp_path / "masks" / "1.png", np.arange(1280).reshape(32, 40) // 3, np.uint16)
    with pytest.raises(DataError, match="427 different values; a mask can tell apart 255") as caught:
        read_folder(tmp_path, "masks")
    assert "--format label-images" in caught.value.fix


def test_label_images_in_jpeg_and_below_zero(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", np.zeros((8, 8)))
    with pytest.raises(PictureError, match="a label image in a lossy kind of file"):
        LabelImage(tmp_path / "a.jpg", "a.jpg").read()
    tifffile.imwrite(tmp_path / "a.tif", np.array([[-1, 0, 70_000, 70_000]], np.int32))
    found = LabelImage(tmp_path / "a.tif", "a.tif").read()
    assert found.boxes_xyxy.tolist() == [[2, 0, 4, 1]]


def test_class_and_object_in_one_value_are_no_label_image(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.png")
    save(tmp_path / "instances" / "1.png", [[3, 24001], [24002, 26001]], np.uint16)
    assert LABEL_IMAGES.sniff(tmp_path) is None
    with pytest.raises(DataError, match=r"a class and an object each \(26001 is class 26, object 1\)") as caught:
        read_folder(tmp_path, "label-images")
    assert "COCO" in caught.value.fix
