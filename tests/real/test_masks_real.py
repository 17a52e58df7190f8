"""Masks as published sets have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.formats import FORMATS, find_format, read_folder
from striate.images import read_header
from striate.structures import Instances, Mask

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
ZOO = "datumaro_format_zoo/"

pytestmark = pytest.mark.real


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def test_campus_rooms() -> None:
    root = real("dhcn_campus")
    found, sniff = find_format(root)
    assert (found.name, sniff.confidence) == ("masks", 0.85)
    reading = read_folder(root)
    assert reading.classes == (
        *("background", "cabinet", "ceiling", "chair", "door", "elevator", "railing", "road", "stair", "tree", "wall"),
    )
    assert {split: len(part) for split, part in reading.splits.items()} == {"train": 150, "validation": 40, "test": 40}
    assert reading.problems == []
    for samples in reading.splits.values():
        for sample in samples[::20]:
            mask = sample.read_annotation()
            assert isinstance(mask, Mask)
            # The values of these files are class indices already.
            assert np.array_equal(mask.classes, np.asarray(Image.open(sample.annotation.path)))  # type: ignore[union-attr]
            assert mask.size_hw == read_header(sample.source.path).size_hw == (640, 640)  # type: ignore[attr-defined]
            assert sample.annotation.inspect() == ()  # type: ignore[union-attr]


def test_nuclei() -> None:
    root = real("dsb2018")
    found, sniff = find_format(root)
    assert (found.name, sniff.confidence) == ("object-masks", 0.9)
    reading = read_folder(root)
    assert (reading.task, reading.classes, reading.problems) == ("instances", ("object",), [])
    (samples,) = reading.splits.values()
    assert len(samples) == 178
    assert sum(len(one.annotation.paths) for one in samples) == 6859  # type: ignore[union-attr,arg-type]
    for sample in samples[::30]:
        objects = sample.read_annotation()
        assert isinstance(objects, Instances)
        paths = sample.annotation.paths  # type: ignore[union-attr]
        assert objects.size_hw == read_header(sample.source.path).size_hw  # type: ignore[attr-defined]
        assert objects.areas().tolist() == [int((np.asarray(Image.open(path)) > 0).sum()) for path in paths]


CAMVID = ("Animal", "Archway", "Bicyclist", "Child", "Road")


@pytest.mark.parametrize(
    ("name", "classes", "splits"),
    [
        (
            "camvid_dataset",
            ("#008040", "#0080c0", "#408040", "#804080", "#808000", "#808080", "#c00080", "#c08040"),
            {"train": 1, "validation": 1, "test": 2},
        ),
        ("common_semantic_segmentation_dataset/dataset", CAMVID, {"": 2}),
        ("common_semantic_segmentation_dataset/non_standard_dataset", (*CAMVID, "Pedestrian", "SignSymbol"), {"": 2}),
        (
            "cityscapes_dataset/train_dataset",
            ("class-3", "class-11", "class-14", "class-16", "class-19"),
            {"train": 1, "validation": 1, "test": 2},
        ),
        ("mapillary_vistas_dataset", ("Bird", "Separator", "Bicycle"), {"train": 1, "validation": 2}),
        ("synthia_dataset/rand_custom_labelmap", ("background", "sky", "building", "person", "road"), {"": 2}),
        ("synthia_dataset/rand_meta_file", ("background", "sky", "building", "person", "road"), {"": 2}),
        ("synthia_dataset/al", ("#0080c0", "#400080", "#404000", "#804080", "#808080"), {"": 2}),
        ("kaggle_dataset/image_mask", ("background", "foreground"), {"": 2}),
        ("kaggle_dataset/image_mask_with_labelmap", ("background", "cat", "dog"), {"": 3}),
    ],
)
def test_pictures_with_masks(name: str, classes: tuple[str, ...], splits: dict[str, int]) -> None:
    root = real(ZOO + name)
    assert find_format(root)[0].name == "masks"
    reading = read_folder(root)
    assert reading.classes == classes
    assert {split: len(part) for split, part in reading.splits.items()} == splits
    for samples in reading.splits.values():
        for sample in samples:
            mask = sample.read_annotation()
            assert isinstance(mask, Mask)
            assert mask.size_hw == read_header(sample.source.path).size_hw  # type: ignore[attr-defined]


def test_names_and_colours_by_hand() -> None:
    reading = read_folder(real(ZOO + "common_semantic_segmentation_dataset/dataset"))
    # The first mask shows (0, 128, 192), Bicyclist, and (128, 64, 128), Road.
    mask = reading.splits[""][0].read_annotation()
    assert [reading.classes[index] for index in np.unique(mask.classes)] == ["Bicyclist", "Road"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "format", "cause"),
    [
        ("cityscapes_dataset/dataset", None, "mask pictures in a folder beside them"),
        ("kitti_dataset/kitti_segmentation", "masks", r"7937 is class 31, object 1"),
        ("kitti_dataset/kitti_segmentation", "label-images", r"a class and an object each"),
        ("common_semantic_segmentation_dataset", "masks", "list different classes"),
        ("nyu_depth_v2_dataset", "masks", "no pictures with labels were found here"),
        ("sign_digits", "masks", "no"),
    ],
)
def test_refused_with_the_cause(name: str, format: str | None, cause: str) -> None:
    root = real(name if name == "sign_digits" else ZOO + name)
    with pytest.raises(DataError, match=cause) as caught:
        read_folder(root, format)
    assert caught.value.fix


@pytest.mark.parametrize(
    "name",
    [
        *("sign_digits", "clothing_small", "bccd_voc", "ships_yolo", "msd_hippocampus_nifti", "exif_orientation"),
        *(ZOO + name for name in ("imagenet_dataset", "celeba_dataset", "vott_csv_dataset", "mvtec_dataset")),
    ],
)
def test_sets_of_other_kinds_are_not_taken(name: str) -> None:
    root = real(name)
    assert [FORMATS.get(one).sniff(root) for one in ("masks", "object-masks", "label-images")] == [None] * 3
