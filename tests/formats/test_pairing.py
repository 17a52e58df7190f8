"""Pictures and annotation files find each other by name."""

from __future__ import annotations

import pytest

from striate.formats.folder_names import place_of, read_folder_name
from striate.formats.pairing import mask_ending, pair_files


@pytest.mark.parametrize(
    ("picture", "annotation", "how"),
    [
        ("images/a.jpg", "masks/a.png", "the same name"),
        ("train/images/a.jpg", "train/masks/a.png", "the same name"),
        ("images/train/a.jpg", "masks/TRAIN/A.PNG", "the same name"),
        ("images/val/a.jpg", "annotations/validation/a.png", "the same name"),
        ("train/a.png", "trainannot/a.png", "the same name"),
        ("train_images/a.png", "train_masks/a.png", "the same name"),
        ("imagesTr/a.png", "labelsTr/a.png", "the same name"),
        ("JPEGImages/a.jpg", "SegmentationClass/a.png", "the same name"),
        ("a.jpg", "a_mask.png", "the same name but for words like _mask"),
        ("a.rf.0f.jpg", "a.rf.0f_mask.png", "the same name but for words like _mask"),
        ("images/a.jpg", "masks/a.jpg.png", "the same name but for words like _mask"),
        ("images/x_rgb.jpg", "masks/x_rgb_gt.png", "the same name but for words like _mask"),
        ("x_image.png", "x_label.png", "the same name but for words like _mask"),
        ("01_training.tif", "1st_manual/01_manual1.gif", "the same name but for words like _mask"),
        (
            "leftImg8bit/val/bonn/bonn_1_leftImg8bit.png",
            "gtFine/val/bonn/bonn_1_gtFine_labelIds.png",
            "the same name but for words like _mask",
        ),
        ("images/image_0001.png", "masks/gt_0001.png", "the same name but for words like mask_ in front"),
        ("images/img7.png", "masks/mask7.png", "the same name but for words like mask_ in front"),
        ("here/a.jpg", "there/a.png", "the same name in another folder"),
        ("here/a.jpg", "there/a_seg.png", "the same name but for words like _mask in another folder"),
    ],
)
def test_it_pairs(picture: str, annotation: str, how: str) -> None:
    found = pair_files([picture], [annotation])
    assert found.pairs == {picture: annotation}
    assert (found.pictures, found.annotations, found.how) == ([], [], how)


@pytest.mark.parametrize(
    ("picture", "annotation"),
    [("images/a.jpg", "masks/b.png"), ("images/a.jpg", "masks/amask.png"), ("images/a1.jpg", "masks/a10.png")],
)
def test_other_names_do_not_pair(picture: str, annotation: str) -> None:
    found = pair_files([picture], [annotation])
    assert (found.pairs, found.pictures, found.annotations, found.how) == ({}, [picture], [annotation], "")


def test_places_decide_where_names_repeat() -> None:
    pictures = ["train/images/1.png", "val/images/1.png", "images/1.png"]
    masks = ["val/masks/1.png", "train/masks/1.png", "masks/1.png"]
    assert pair_files(pictures, masks).pairs == {
        "train/images/1.png": "train/masks/1.png",
        "val/images/1.png": "val/masks/1.png",
        "images/1.png": "masks/1.png",
    }


def test_nothing_is_taken_where_two_fit() -> None:
    found = pair_files(["images/a.jpg", "images/b.jpg"], ["masks/a.png", "masks/a.tif", "masks/b.png"])
    assert found.pairs == {"images/b.jpg": "masks/b.png"}
    assert found.pictures == ["images/a.jpg"]
    assert found.annotations == ["masks/a.png", "masks/a.tif"]
    found = pair_files(["images/a.jpg", "images/a.png"], ["masks/a.png"])
    assert found.pairs == {}


def test_the_same_name_goes_before_a_similar_one() -> None:
    found = pair_files(["images/a.jpg", "images/a_l.jpg"], ["masks/a_l.png", "masks/a.png"])
    assert found.pairs == {"images/a.jpg": "masks/a.png", "images/a_l.jpg": "masks/a_l.png"}


def test_it_says_all_ways_that_it_needed() -> None:
    found = pair_files(["images/a.jpg", "images/b.jpg"], ["masks/a.png", "masks/b_mask.png"])
    assert found.how == "the same name, or the same name but for words like _mask"


@pytest.mark.parametrize(
    ("name", "split", "role", "rest"),
    [
        ("trainannot", "train", "mask", ""),
        ("validannot", "validation", "mask", ""),
        ("Masks_Test", "test", "mask", ""),
        ("val", "validation", None, ""),
        ("validation", "validation", None, ""),
        ("gtFine", None, "mask", ""),
        ("SegmentationObject", None, "instance", ""),
        ("Depth", None, "other", ""),
        ("JPEGImages", None, "picture", ""),
        ("devices", None, None, "devices"),
        ("with_mask", None, None, "with_mask"),
        ("Bonn", None, None, "bonn"),
    ],
)
def test_folder_names(name: str, split: str | None, role: str | None, rest: str) -> None:
    found = read_folder_name(name)
    assert (found.split, found.role, found.rest) == (split, role, rest)


def test_places_leave_out_what_the_folder_is_for() -> None:
    assert place_of("Data/images/val/bonn/a.png") == ("data", "validation", "bonn")
    assert place_of("a.png") == ()


def test_mask_endings() -> None:
    assert mask_ending("Cell_Mask") == ("cell", "mask")
    assert mask_ending("a.jpg_seg") == ("a", "seg")
    assert mask_ending("mask") is None
    assert mask_ending("unmask") is None
