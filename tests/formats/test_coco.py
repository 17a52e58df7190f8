"""COCO's JSON files: hand-made ones with everything that real ones have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, Reading, find_format
from striate.formats.coco.segmentations import Outline, Runs, parse_segmentation
from striate.images import FileSource
from striate.structures import Boxes, Instances, Label, Mask, Problem, Sample

COCO = FORMATS.get("coco")
WIDTH, HEIGHT = 10, 8
SQUARE = [1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]
CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width), np.uint8)).save(path, **options)


def image(number: int, name: str, **more: object) -> dict[str, object]:
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, **more}


def thing(picture: int, category: int = 3, **more: object) -> dict[str, object]:
    return {"image_id": picture, "category_id": category, **more}


def document(path: Path, images: list[object], annotations: list[object], categories: object = CATEGORIES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def one_picture(root: Path, *annotations: dict[str, object], categories: object = CATEGORIES, **size: object) -> Path:
    picture(root / "a.png")
    return document(root / "_annotations.coco.json", [image(1, "a.png", **size)], list(annotations), categories)


def objects_of(reading: Reading, name: str = "a.png") -> Boxes | Instances:
    (sample,) = [sample for part in reading.splits.values() for sample in part if sample.name.endswith(name)]
    annotation = sample.read_annotation()
    assert isinstance(annotation, Boxes | Instances)
    return annotation


def problem(reading: Reading, kind: str) -> Problem:
    (found,) = [one for one in reading.problems if one.kind == kind]
    return found


def test_boxes_of_a_file(tmp_path: Path) -> None:
    one_picture(tmp_path, thing(1, 7, bbox=[1, 2, 3.5, 4]), thing(1, 3, bbox=[0, 0, 1, 1], iscrowd=1, ignore=1))
    fmt, sniff = find_format(tmp_path)
    assert fmt is COCO
    assert sniff.confidence == 0.9
    reading = COCO.read(tmp_path)
    assert reading.task == "detection"
    assert reading.classes == ("cat", "dog")
    boxes = objects_of(reading)
    assert isinstance(boxes, Boxes)
    assert boxes.boxes_xyxy.tolist() == [[1, 2, 4.5, 6], [0, 0, 1, 1]]
    assert boxes.classes.tolist() == [1, 0]
    assert boxes.iscrowd.tolist() == boxes.ignore.tolist() == [False, True]
    assert reading.problems == []
    assert COCO.read(tmp_path / "_annotations.coco.json").splits.keys() == {""}


LAYOUTS: tuple[dict[str, str], ...] = (
    {"annotations/instances_train2017.json": "train2017/{}", "annotations/instances_val2017.json": "val2017/{}"},
    {"annotations/instances_train.json": "images/train/{}", "annotations/instances_val.json": "images/val/{}"},
    {f"{split}/_annotations.coco.json": f"{split}/{{}}" for split in ("train", "valid", "test")},
    {"set/train.json": "set/train/{}", "set/test.json": "set/test/{}"},
    {"train/labels.json": "train/data/{}", "test/labels.json": "test/data/{}"},
)
SPLIT_NAMES = {"train": "train", "train2017": "train", "val": "validation", "val2017": "validation"}
SPLIT_NAMES |= {"valid": "validation", "test": "test"}


@pytest.mark.parametrize("files", LAYOUTS)
def test_layouts(tmp_path: Path, files: dict[str, str]) -> None:
    for name, where in files.items():
        # The same names in each split: only folders tell the pictures apart.
        for number in (1, 2):
            picture(tmp_path / where.format(f"{number}.png"))
        boxes = [thing(1, bbox=[0, 0, 2, 2]), thing(2, bbox=[1, 1, 2, 2])]
        document(tmp_path / name, [image(1, "1.png"), image(2, "2.png")], boxes)
    reading = COCO.read(tmp_path)
    assert reading.problems == []
    expected = {}
    for name, where in files.items():
        (split,) = {split for word, split in SPLIT_NAMES.items() if word in where.split("/")}
        expected[split] = [where.format("1.png"), where.format("2.png")]
        assert any(name in note for note in reading.notes)
        # A single file finds its pictures from where it lies, too.
        assert sum(map(len, COCO.read(tmp_path / name).splits.values())) == 2
    assert {split: [sample.name for sample in part] for split, part in reading.splits.items()} == expected


def test_names_with_folders_of_another_machine(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "Ä b.png")
    document(tmp_path / "labels.json", [image(1, "C:\\data\\images\\Ä b.png")], [thing(1, bbox=[0, 0, 1, 1])])
    assert len(objects_of(COCO.read(tmp_path), "images/Ä b.png")) == 1


def test_masks_of_the_same_name_are_no_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "a.png")
    document(tmp_path / "coco.json", [image(1, "a.png")], [thing(1, bbox=[0, 0, 1, 1])])
    assert len(objects_of(COCO.read(tmp_path), "images/a.png")) == 1


def test_splits_from_the_folders_of_pictures(tmp_path: Path) -> None:
    for name in ("train/a.png", "val/b.png"):
        picture(tmp_path / "images" / name)
    both = [thing(1, bbox=[0, 0, 1, 1]), thing(2, bbox=[0, 0, 1, 1])]
    document(tmp_path / "all.json", [image(1, "train/a.png"), image(2, "val/b.png")], both)
    reading = COCO.read(tmp_path)
    assert {split: [one.name for one in part] for split, part in reading.splits.items()} == {
        "train": ["images/train/a.png"],
        "validation": ["images/val/b.png"],
    }
    assert "Splits come from the folders that the pictures lie in." in reading.notes


def test_the_files_of_instances_are_chosen_from_cocos_own_set(tmp_path: Path) -> None:
    picture(tmp_path / "train2017" / "a.png")
    box = thing(1, bbox=[0, 0, 1, 1])
    document(tmp_path / "annotations" / "instances_train2017.json", [image(1, "a.png")], [box])
    document(tmp_path / "annotations" / "person_keypoints_train2017.json", [image(1, "a.png")], [box, box])
    document(tmp_path / "annotations" / "captions_train2017.json", [image(1, "a.png")], [thing(1, caption="a cat")])
    assert len(objects_of(COCO.read(tmp_path))) == 1


def test_several_files_for_one_split_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    document(tmp_path / "first.json", [image(1, "a.png")], [thing(1, bbox=[0, 0, 1, 1])])
    document(tmp_path / "second.json", [image(1, "a.png")], [thing(1, bbox=[0, 0, 2, 1])])
    with pytest.raises(DataError, match="several COCO files could be meant for all pictures") as caught:
        COCO.read(tmp_path)
    assert "first.json, second.json" in str(caught.value)
    assert "Give the path of one of these files" in caught.value.fix
    assert objects_of(COCO.read(tmp_path / "second.json")).boxes_xyxy.tolist() == [[0, 0, 2, 1]]


def test_pictures_that_lie_elsewhere(tmp_path: Path) -> None:
    file = document(tmp_path / "set" / "annotations" / "x.json", [image(1, "a.png")], [thing(1, bbox=[0, 0, 1, 1])])
    picture(tmp_path / "elsewhere" / "a.png")
    for path in (tmp_path / "set", file):
        with pytest.raises(DataError, match=r"1 picture is listed, and none was found \('a.png'\)") as caught:
            COCO.read(path)
        assert f"looked in {tmp_path / 'set'}" in str(caught.value)
        assert "(0 pictures)" in str(caught.value)
        assert "give the folder that holds both" in caught.value.fix


@pytest.mark.parametrize("absolute", [True, False])
def test_pictures_that_are_named_outside_of_the_folder(tmp_path: Path, absolute: bool) -> None:
    there = tmp_path / "elsewhere" / "a.png"
    picture(there)
    name = str(there) if absolute else "../elsewhere/a.png"
    document(tmp_path / "set" / "x.json", [image(1, name)], [thing(1, bbox=[0, 0, 1, 1])])
    with pytest.raises(DataError) as caught:
        COCO.read(tmp_path / "set")
    assert caught.value.fix.startswith(
        f"{there.resolve()} is there, but outside: put pictures and JSON into one folder"
    )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('{"images": [{"file_name": "a.png"}], "annotations": [{"image_id": 1, "bbox": [1', "no complete JSON file"),
        ('{"images": {"file_name": "a.png"}, "annotations": [{"image_id": 1, "bbox": 1}]}', "holds the lists `images`"),
        ('{"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}', "lists no pictures"),
        (
            '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 2, "bbox": 1}]}',
            "not one object",
        ),
    ],
)
def test_files_that_are_broken_as_a_whole(tmp_path: Path, content: str, cause: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "coco.json").write_text(content)
    with pytest.raises(DataError, match=cause) as caught:
        COCO.read(tmp_path)
    assert caught.value.fix


@pytest.mark.parametrize(
    "content",
    [
        [{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}],
        {"image": {"image_id": 1}, "annotations": [{"bbox": [0, 0, 1, 1], "segmentation": []}]},
        {"images": [image(1, "a.png")], "annotations": [{"image_id": 1, "segments_info": [{"bbox": [0, 0, 1, 1]}]}]},
        {"images": [image(1, "a.png")], "annotations": [{"image_id": 1, "caption": "a cat"}]},
        {"shapes": [], "imagePath": "a.png"},
    ],
)
def test_other_json_is_not_claimed(tmp_path: Path, content: object) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert COCO.sniff(tmp_path) is None
    assert COCO.sniff(tmp_path / "a.json") is None


def test_a_large_file_is_recognised_by_its_ends(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    many = [image(number, f"{number}.png") for number in range(5000)]
    document(tmp_path / "x.json", [image(9999, "a.png"), *many], [thing(9999, bbox=[0, 0, 1, 1])] * 5000)
    assert COCO.sniff(tmp_path) is not None
    reading = COCO.read(tmp_path)
    assert problem(reading, "missing-file").detail == (
        "5000 pictures are listed and there is no such file (0.png, 1.png, 2.png, 3.png, 4.png, ...)."
    )
    assert problem(reading, "missing-file").severity == "dropped"


def test_category_ids(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "zero"}, {"id": 90, "name": "ninety"}, {"id": 5, "name": "never"}]
    one_picture(tmp_path, thing(1, 90, bbox=[0, 0, 1, 1]), thing(1, 0, bbox=[1, 1, 1, 1]), categories=categories)
    reading = COCO.read(tmp_path)
    assert reading.classes == ("zero", "ninety")
    assert objects_of(reading).classes.tolist() == [1, 0]
    assert "1 listed class left out, never used (never)." in reading.notes


def test_categories_that_are_wrong(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}, {"id": 3}, {"name": "lost"}, "dog"]
    boxes = [thing(1, category, bbox=[category, 0, 1, 1]) for category in (1, 2, 3, 44)]
    one_picture(tmp_path, *boxes, categories=categories)
    reading = COCO.read(tmp_path)
    assert reading.classes == ("cat", "3")
    assert objects_of(reading).classes.tolist() == [0, 0, 1]
    assert "category_id 44" in problem(reading, "unknown-class").detail
    assert problem(reading, "unknown-class").severity == "dropped"
    assert "'cat'" in problem(reading, "duplicate-class").detail
    assert "id 3" in problem(reading, "class-without-name").detail
    assert "categories[3] has no id, categories[4] is str" in problem(reading, "broken-record").detail


def test_without_categories_ids_are_names(tmp_path: Path) -> None:
    one_picture(tmp_path, thing(1, 10, bbox=[0, 0, 1, 1]), thing(1, 9, bbox=[0, 0, 1, 1]), categories=None)
    reading = COCO.read(tmp_path)
    assert reading.classes == ("9", "10")
    assert "2 categories have no name" in problem(reading, "class-without-name").detail


def test_classes_of_two_files_are_joined_by_name(tmp_path: Path) -> None:
    for split, categories in (("train", CATEGORIES), ("val", [{"id": 3, "name": "dog"}, {"id": 4, "name": "cat"}])):
        picture(tmp_path / split / f"{split}.png")
        boxes = [thing(1, int(str(one["id"])), bbox=[0, 0, 1, 1]) for one in categories]
        document(tmp_path / split / "_annotations.coco.json", [image(1, f"{split}.png")], list(boxes), categories)
    reading = COCO.read(tmp_path)
    assert reading.classes == ("cat", "dog")
    assert objects_of(reading, "train.png").classes.tolist() == [0, 1]
    assert objects_of(reading, "val.png").classes.tolist() == [1, 0]


def test_records_that_fit_nothing(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    picture(tmp_path / "extra.png")
    images = [image(1, "a.png"), image("2", "b.png"), image(1, "other.png"), {"file_name": "x.png"}, {"id": 4}, 5]
    good = [0, 0, 1, 1]
    annotations = [
        thing(1, bbox=good),
        thing(99, bbox=good),
        thing(None, bbox=good),  # type: ignore[arg-type]
        thing(1, bbox=[1, 2, 3]),
        thing(1, bbox=[1, 2, 3, "x"]),
        thing(1, bbox=[0, 0, float("nan"), 1]),
        thing(1, bbox=[0, 0, 10**400, 1]),
        thing(1),
        "nothing",
    ]
    document(tmp_path / "coco.json", images, annotations)
    reading = COCO.read(tmp_path)
    assert len(objects_of(reading)) == 1
    assert len(objects_of(reading, "b.png")) == 0
    assert "1 picture has no objects and counts as background." in reading.notes
    assert problem(reading, "annotation-without-picture").detail.startswith("2 objects belong to a picture that is")
    assert problem(reading, "broken-box").detail.startswith("5 objects have a box that is not four numbers")
    assert "other.png: id 1" in problem(reading, "duplicate-id").detail
    assert (
        "images[3] has no id, images[4] has no file_name, images[5] is int" in problem(reading, "broken-record").detail
    )
    unlisted = problem(reading, "unlabelled")
    assert unlisted.detail == "1 picture lies beside others, not named in coco.json (extra.png)."
    assert {one.path for one in reading.problems} == {"coco.json", "extra.png"}


def test_the_same_picture_twice(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    same, other = [0, 0, 1, 1], [2, 2, 3, 3]
    annotations = [thing(1, bbox=same), thing(2, bbox=same), thing(2, bbox=other)]
    document(tmp_path / "coco.json", [image(1, "a.png"), image(2, "./a.png")], annotations)
    reading = COCO.read(tmp_path)
    assert objects_of(reading).boxes_xyxy.tolist() == [[0, 0, 1, 1], [2, 2, 5, 5]]
    assert "1 picture is listed more than once (a.png)" in problem(reading, "duplicate-picture").detail


def test_a_picture_in_two_splits_stays_in_the_later(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "images" / name)
    boxes = [thing(1, bbox=[0, 0, 1, 1]), thing(2, bbox=[0, 0, 1, 1])]
    document(tmp_path / "train.json", [image(1, "a.png"), image(2, "b.png")], list(boxes))
    document(tmp_path / "test.json", [image(1, "b.png")], [boxes[0]])
    reading = COCO.read(tmp_path)
    assert {split: [one.name for one in part] for split, part in reading.splits.items()} == {
        "train": ["images/a.png"],
        "test": ["images/b.png"],
    }
    assert problem(reading, "leakage").detail == "1 picture is in several splits (images/b.png)."


def test_a_split_without_any_object_is_read_as_well(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a.png")
    picture(tmp_path / "test" / "b.png")
    document(tmp_path / "train" / "_annotations.coco.json", [image(1, "a.png")], [thing(1, bbox=[0, 0, 1, 1])])
    document(tmp_path / "test" / "_annotations.coco.json", [image(1, "b.png")], [])
    assert {split: len(part) for split, part in COCO.read(tmp_path).splits.items()} == {"train": 1, "test": 1}


def test_polygons_of_several_parts(tmp_path: Path) -> None:
    second = [6.0, 4.0, 8.0, 4.0, 8.0, 6.0, 6.0, 6.0]
    one_picture(tmp_path, thing(1, segmentation=[SQUARE, second], bbox=[1, 1, 7, 5]))
    reading = COCO.read(tmp_path)
    assert reading.task == "instances"
    objects = objects_of(reading)
    assert isinstance(objects, Instances)
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[1:3, 1:4] = expected[4:6, 6:8] = True
    assert np.array_equal(objects.dense()[0], expected)
    assert objects.boxes_xyxy.tolist() == [[1, 1, 8, 6]]
    assert isinstance(objects_of(COCO.read(tmp_path, "detection")), Boxes)


def test_run_lengths_in_both_forms(tmp_path: Path) -> None:
    plane = np.zeros((1, HEIGHT, WIDTH), np.bool_)
    plane[0, 2:6, 3:8] = True
    plane[0, 3, 4] = False
    packed = Instances.from_dense(plane, np.array([0])).packed()[0]["counts"]
    assert isinstance(packed, bytes)
    flat, counts, value = plane[0].T.ravel(), [0], False
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = not value
        counts[-1] += 1
    size = [HEIGHT, WIDTH]
    one_picture(
        tmp_path,
        thing(1, segmentation={"size": size, "counts": counts}),
        thing(1, 7, segmentation={"size": size, "counts": packed.decode()}, iscrowd=1),
    )
    objects = objects_of(COCO.read(tmp_path))
    assert isinstance(objects, Instances)
    assert np.array_equal(objects.dense(), np.concatenate([plane, plane]))
    assert objects.iscrowd.tolist() == [False, True]
    # Boxes that are not written come from the masks.
    assert objects.boxes_xyxy.tolist() == [[3, 2, 8, 6], [3, 2, 8, 6]]
    assert objects_of(COCO.read(tmp_path, "detection")).boxes_xyxy.tolist() == [[3, 2, 8, 6], [3, 2, 8, 6]]


def test_a_missing_box_comes_from_the_outline(tmp_path: Path) -> None:
    one_picture(tmp_path, thing(1, segmentation=[SQUARE]), thing(1, bbox=[5, 5, 2, 2]))
    reading = COCO.read(tmp_path)
    assert reading.task == "detection"
    assert objects_of(reading).boxes_xyxy.tolist() == [[1, 1, 4, 3], [5, 5, 7, 7]]


def test_objects_without_a_mask_among_others_that_have_one(tmp_path: Path) -> None:
    one_picture(tmp_path, thing(1, segmentation=[SQUARE]), thing(1, bbox=[5, 5, 2, 20], segmentation=[]))
    reading = COCO.read(tmp_path, "instances")
    objects = objects_of(reading)
    assert isinstance(objects, Instances)
    assert objects.ignore.tolist() == [False, True]
    assert objects.areas().tolist() == [6, 6]
    assert objects.boxes_xyxy[1].tolist() == [5, 5, 7, 25]
    assert problem(reading, "missing-mask").detail == "1 object has no mask (annotations[1])."
    # A crowd without a mask is no reason to doubt that the set has masks.
    one_picture(tmp_path, thing(1, segmentation=[SQUARE]), thing(1, bbox=[5, 5, 2, 2], iscrowd=1))
    assert COCO.read(tmp_path).task == "instances"
    one_picture(tmp_path, thing(1, bbox=[5, 5, 2, 2]))
    assert COCO.read(tmp_path, "instances").task == "detection"


@pytest.mark.parametrize(
    ("segmentation", "cause"),
    [
        ([[0, 0, 1, 1, 2]], "5 coordinates, which are no pairs"),
        ([["a", 0, 1, 1, 2, 2]], "a polygon is a list of numbers"),
        ([[0, 0, float("nan"), 1, 2, 2]], "farther than 100000 pixels away"),
        ([[0, 0, 1e9, 1, 2, 2]], "farther than 100000 pixels away"),
        ("mask.png", "str instead of polygons or run lengths"),
        ({"size": [8], "counts": [80]}, "the size of a mask is height and width"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "larger than any picture that is read"),
        ({"size": [8, 10], "counts": [40, 39]}, r"add up to 79 pixels instead of 8 x 10 = 80"),
        ({"size": [8, 10], "counts": [90, -10]}, "add up to 80 pixels"),
        ({"size": [8, 10], "counts": None}, "run lengths are whole numbers, or a text"),
        ({"size": [8, 10], "counts": "12"}, "add up to 3 pixels"),
        ({"size": [8, 10], "counts": "o"}, "end in the middle"),
        ({"size": [8, 10], "counts": "é"}, "add up to"),
        ({"size": [8, 10], "counts": "\x01"}, "a character that means nothing"),
    ],
)
def test_masks_that_cannot_be_read(tmp_path: Path, segmentation: object, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_segmentation(segmentation)
    one_picture(tmp_path, thing(1, segmentation=segmentation, bbox=[0, 0, 2, 2]), thing(1, segmentation=segmentation))
    reading = COCO.read(tmp_path)
    assert objects_of(reading).boxes_xyxy.tolist() == [[0, 0, 2, 2]]
    assert problem(reading, "broken-mask").severity == "note"
    assert problem(reading, "broken-box").severity == "dropped"


def test_what_a_segmentation_may_be() -> None:
    assert parse_segmentation([]) is None
    assert parse_segmentation([[]]) is None
    assert parse_segmentation([[0, 0, 5, 5]]) is None
    assert parse_segmentation([0, 0, 5, 0, 5, 5]) == Outline(((0, 0, 5, 0, 5, 5),))
    assert parse_segmentation({"size": [2, 3], "counts": [1, 2, 3]}) == Runs((2, 3), b"123")


def test_masks_of_another_size(tmp_path: Path) -> None:
    runs = {"size": [HEIGHT, WIDTH], "counts": [0, 8, 72]}
    small = {"size": [2, 2], "counts": [0, 4]}
    one_picture(tmp_path, thing(1, segmentation=small), thing(1, segmentation=runs), thing(1, segmentation=[SQUARE]))
    reading = COCO.read(tmp_path)
    objects = objects_of(reading)
    assert isinstance(objects, Instances)
    assert objects.size_hw == (HEIGHT, WIDTH)
    assert objects.areas().tolist() == [8, 6]
    assert "annotations[0]: 2 x 2 instead of 10 x 8" in problem(reading, "mask-size").detail


def test_a_size_that_is_not_the_files(tmp_path: Path) -> None:
    one_picture(tmp_path, thing(1, segmentation=[SQUARE]), width=20, height=16)
    reading = COCO.read(tmp_path)
    found = problem(reading, "wrong-size")
    assert "a.png: 20 x 16 instead of 10 x 8" in found.detail
    assert found.fix.startswith("The file's size counts, and coordinates are taken as they are written.")
    objects = objects_of(reading)
    assert isinstance(objects, Instances)
    assert objects.size_hw == (HEIGHT, WIDTH)
    for size in ({"width": 0, "height": 0}, {"width": "?", "height": None}, {"width": float("inf"), "height": 5}):
        one_picture(tmp_path, thing(1, segmentation=[SQUARE]), **size)
        assert COCO.read(tmp_path).problems == []


def test_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    one_picture(tmp_path, thing(1, segmentation=[SQUARE]))
    images = [image(1, "a.png"), {"id": 2, "file_name": "b.png"}]
    annotations = [thing(1, segmentation=[SQUARE]), thing(2, segmentation=[SQUARE])]
    document(tmp_path / "_annotations.coco.json", list(images), list(annotations))
    reading = COCO.read(tmp_path)
    assert [one.name for one in reading.splits[""]] == ["a.png"]
    assert "b.png" in problem(reading, "unreadable").detail
    # Boxes need no size; that the picture is damaged is found when pictures are opened.
    assert len(COCO.read(tmp_path, "detection").splits[""]) == 2


def rotated(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(path, exif=exif.tobytes())


def test_annotation_of_stored_pixels_is_turned_upright(tmp_path: Path) -> None:
    rotated(tmp_path / "a.jpg", 6)
    document(tmp_path / "coco.json", [image(1, "a.jpg")], [thing(1, bbox=[0, 0, 2, 1], segmentation=[SQUARE])])
    reading = COCO.read(tmp_path)
    assert reading.problems == []
    assert any("1 picture was annotated without regard to the EXIF orientation" in note for note in reading.notes)
    objects = objects_of(reading, "a.jpg")
    assert isinstance(objects, Instances)
    assert objects.size_hw == reading.splits[""][0].read().size_hw == (WIDTH, HEIGHT)
    assert objects.boxes_xyxy.tolist() == [[HEIGHT - 1, 0, HEIGHT, 2]]
    stored = np.zeros((HEIGHT, WIDTH), np.bool_)
    stored[1:3, 1:4] = True
    assert np.array_equal(objects.dense()[0], np.rot90(stored, -1))
    assert objects_of(COCO.read(tmp_path, "detection"), "a.jpg").boxes_xyxy.tolist() == [[HEIGHT - 1, 0, HEIGHT, 2]]
    # The upright size: the annotation was made on the upright picture.
    document(tmp_path / "coco.json", [image(1, "a.jpg", width=HEIGHT, height=WIDTH)], [thing(1, bbox=[0, 0, 2, 1])])
    assert objects_of(COCO.read(tmp_path), "a.jpg").boxes_xyxy.tolist() == [[0, 0, 2, 1]]


def test_flags_groups_and_fractions_come_back(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    values = np.array([[0.1, 1 / 3, 5.7, 7.123456], [1e-3, 2, 9, 8]], np.float32)
    boxes = Boxes(values, np.array([1, 0]), np.array([False, True]), np.array([True, False]))
    sample = Sample(FileSource(tmp_path / "a.png", "a.png"), boxes, group="patient 7")
    COCO.write({"": [sample]}, ("cat", "Ä dog"), tmp_path / "out")
    (back,) = COCO.read(tmp_path / "out").splits[""]
    assert back.annotation == boxes
    assert back.group == "patient 7"


def test_annotation_of_other_kinds_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    source = FileSource(tmp_path / "a.png", "a.png")
    for annotation, what in ((Label(0), "a label"), (Mask(np.zeros((2, 2), np.uint8)), "a mask of classes")):
        with pytest.raises(RequestError, match=rf"picture a\.png has {what}, and `coco` was to write boxes or masks"):
            COCO.write({"": [Sample(source, annotation)]}, ("cat",), tmp_path / "out")
    assert not (tmp_path / "out").exists()
