"""LabelMe's JSON and XML."""

from __future__ import annotations

import base64
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, PictureError, RequestError
from striate.formats import FORMATS, Reading, find_format
from striate.formats.drawn.labelme import EmbeddedSource
from striate.images import FileSource
from striate.structures import Boxes, Instances, Label, Mask, Sample

LABELME = FORMATS.get("labelme")
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def picture(path: Path, size_hw: tuple[int, int] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(np.full(size_hw, 7, np.uint8)))


def shape(label: object = "cat", points: object = SQUARE, kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    found = {"label": label, "points": points, "group_id": None, "flags": {}, **more}
    return found if kind is None else {**found, "shape_type": kind}


def annotate(path: Path, *shapes: dict[str, Any], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": "elsewhere.jpg", "imageData": None}
    path.write_text(json.dumps({**content, "imageHeight": 6, "imageWidth": 8, **more}), encoding="utf-8")
    return path


def one(tmp_path: Path, *shapes: dict[str, Any], task: str | None = None, **more: Any) -> Reading:
    picture(tmp_path / "a.png")
    annotate(tmp_path / "a.json", *shapes, **more)
    return LABELME.read(tmp_path, task)


def objects(reading: Reading, split: str = "", index: int = 0) -> Any:
    return reading.splits[split][index].annotation


def kinds(reading: Reading) -> dict[str, str]:
    return {problem.kind: problem.detail for problem in reading.problems}


def test_outlines_alone_are_instances_and_boxes_where_wanted(tmp_path: Path) -> None:
    reading = one(tmp_path, shape(), shape("dog", [[5, 0], [7, 0], [7, 5]], None))
    assert reading.task == "instances"
    assert reading.classes == ("cat", "dog")
    assert objects(reading).size_hw == (6, 8)
    assert objects(reading).boxes_xyxy[0].tolist() == [1, 1, 4, 3]
    assert objects(reading).areas()[0] == 6
    boxes = LABELME.read(tmp_path, "detection")
    assert boxes.task == "detection"
    assert objects(boxes).boxes_xyxy.tolist() == [[1, 1, 4, 3], [5, 0, 7, 5]]
    assert any("Outlines among 2 objects: 2" in note for note in boxes.notes)


def test_a_rectangle_makes_boxes_and_a_filled_mask_where_wanted(tmp_path: Path) -> None:
    reading = one(tmp_path, shape(points=[[5.5, 4], [1, 2]], kind="rectangle"), shape())
    assert reading.task == "detection"
    assert objects(reading).boxes_xyxy.tolist() == [[1, 2, 5.5, 4], [1, 1, 4, 3]]
    masks = LABELME.read(tmp_path, "instances")
    assert masks.task == "instances"
    assert objects(masks).areas().tolist() == [10, 6]
    assert any("Rectangles among 2 objects: 1" in note for note in masks.notes)
    assert LABELME.read(tmp_path, "segmentation").task == "detection"


def test_a_circle_is_given_by_its_centre_and_a_point_on_it(tmp_path: Path) -> None:
    reading = one(tmp_path, shape(points=[[4, 3], [4, 5]], kind="circle"), task="detection")
    assert objects(reading).boxes_xyxy.tolist() == [[2, 1, 6, 5]]


def test_a_painted_mask_begins_at_its_first_point(tmp_path: Path) -> None:
    painted = np.array([[1, 0, 1], [1, 1, 1]], bool)
    data = base64.b64encode(png(painted)).decode()
    reading = one(tmp_path, shape(points=[[2, 3], [4, 4]], kind="mask", mask=data))
    dense = objects(reading).dense()
    assert dense[0, 3:5, 2:5].tolist() == painted.tolist()
    assert dense.sum() == 5
    assert objects(reading).boxes_xyxy.tolist() == [[2, 3, 5, 5]]


def test_a_group_is_one_object_per_label(tmp_path: Path) -> None:
    parts = [
        shape(points=[[0, 0], [2, 0], [2, 2], [0, 2]], group_id=1, flags={"difficult": True}),
        shape(points=[[6, 4], [8, 4], [8, 6], [6, 6]], group_id=1),
        shape("dog", group_id=1),
        shape("dog"),
    ]
    reading = one(tmp_path, *parts)
    assert objects(reading).boxes_xyxy[0].tolist() == [0, 0, 8, 6]
    assert objects(reading).areas().tolist() == [8, 6, 6]
    assert objects(reading).classes.tolist() == [0, 1, 1]
    assert objects(reading).ignore.tolist() == [True, False, False]


def test_what_cannot_be_used_is_counted_by_kind(tmp_path: Path) -> None:
    reading = one(
        tmp_path,
        shape(),
        shape(kind="point", points=[[1, 1]]),
        shape(kind="linestrip"),
        shape(kind="cuboid"),
        shape(points=[[1, 1], [2, 2]]),
        shape(points=[[1, 1], [2, "x"], [3, 3]]),
        shape(points=None),
        shape(kind="mask", mask="no picture"),
        shape(kind="mask"),
        shape(kind="circle"),
        shape(None),
        shape("__ignore__"),
        "not an object",  # type: ignore[arg-type]
    )
    assert len(objects(reading)) == 1
    assert kinds(reading) == {
        "no-area": "objects that are points or lines and enclose nothing: 2 (the first: a.json: shape 2, 'point').",
        "unknown-shape": "objects of a shape that is not known: 1 (the first: a.json: shape 4, 'cuboid').",
        "broken-object": "objects whose coordinates are missing, too few or no numbers: 7 (the first: a.json: shape 5, "
        "'polygon').",
        "object-without-class": "objects without a class: 1 (the first: a.json: shape 11).",
        "ignored-label": "objects labelled as nothing to be learned: 1 (the first: a.json: shape 12 is '__ignore__').",
    }
    assert all(problem.severity == "dropped" and problem.fix for problem in reading.problems)


def test_a_picture_whose_objects_are_all_unusable_is_no_background(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    annotate(tmp_path / "b.json", shape(kind="point", points=[[1, 1]]))
    picture(tmp_path / "c.png")
    annotate(tmp_path / "c.json")
    reading = one(tmp_path, shape())
    assert [sample.name for sample in reading.splits[""]] == ["a.png", "c.png"]
    assert len(objects(reading, index=1)) == 0
    assert objects(reading, index=1).size_hw == (6, 8)
    assert "no-usable-object" in kinds(reading)
    assert "Pictures annotated with no object, of 2: 1; they are background." in reading.notes


def test_pictures_are_found_by_stem_then_by_image_path(tmp_path: Path) -> None:
    for name in ("images/train/a.png", "images/val/a.png", "images/train/b.png", "images/train/unseen.png"):
        picture(tmp_path / name)
    annotate(tmp_path / "labels/train/a.json", shape(), imagePath="b.png")
    annotate(tmp_path / "labels/val/a.json", shape(), imagePath="..\\..\\images\\val\\a.png")
    annotate(tmp_path / "labels/train/other name.json", shape(), imagePath="C:\\pictures\\b.png")
    annotate(tmp_path / "labels/train/lost.json", shape(), imagePath="lost.png")
    reading = LABELME.read(tmp_path)
    assert {split: [one.name for one in part] for split, part in reading.splits.items()} == {
        "train": ["images/train/a.png", "images/train/b.png"],
        "validation": ["images/val/a.png"],
    }
    assert kinds(reading) == {
        "annotation-without-picture": "annotated pictures that are not here: 1 (the first: labels/train/lost.json: it "
        "is about 'lost.png').",
        "unlabelled": "pictures that no annotation file is about: 1 (the first: images/train/unseen.png).",
    }


def test_one_picture_in_two_files_counts_once(tmp_path: Path) -> None:
    annotate(tmp_path / "copy.json", shape("dog"), imagePath="a.png")
    reading = one(tmp_path, shape())
    assert len(reading.splits[""]) == 1
    assert reading.classes == ("cat",)
    assert kinds(reading)["annotated-twice"].endswith("(the first: a.png: in copy.json too).")


def test_a_name_that_several_pictures_have(tmp_path: Path) -> None:
    picture(tmp_path / "one/x.png")
    picture(tmp_path / "two/x.png")
    annotate(tmp_path / "three/y.json", shape(), imagePath="x.png")
    reading = one(tmp_path, shape())
    assert "three/y.json: x.png could be one/x.png or two/x.png" in kinds(reading)["ambiguous-picture"]


def test_a_resized_picture_is_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "b.png", (3, 4))
    annotate(tmp_path / "b.json", shape())
    for task in ("detection", "instances"):
        reading = one(tmp_path, shape(), task=task)
        assert [sample.name for sample in reading.splits[""]] == ["a.png"]
        assert "b.png: annotated at 8 x 6 (width x height), the file has 4 x 3" in kinds(reading)["size-differs"]


def test_sizes_come_from_the_picture_where_none_is_stated(tmp_path: Path) -> None:
    reading = one(tmp_path, shape(), imageHeight=None, imageWidth="8")
    assert objects(reading).size_hw == (6, 8)
    assert reading.problems == []


def test_a_picture_in_the_json_alone_is_read_from_there(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    file = annotate(tmp_path / "a.json", shape(), imageData=base64.b64encode(png(pixels)).decode())
    reading = LABELME.read(tmp_path)
    (sample,) = reading.splits[""]
    assert sample.name == "a.json"
    assert sample.read().pixels.tolist() == [pixels.tolist()]
    assert pickle.loads(pickle.dumps(sample.source)) == sample.source == EmbeddedSource(file, "a.json")
    assert objects(reading).size_hw == (6, 8)
    LABELME.write({"": [sample]}, reading.classes, tmp_path / "out")
    (again,) = LABELME.read(tmp_path / "out").splits[""]
    assert (again.read().pixels == pixels).all()
    assert again.annotation == sample.annotation


@pytest.mark.parametrize("data", ["bm8gcGljdHVyZQ==", "a", "===="])
def test_a_damaged_embedded_picture_names_the_json(tmp_path: Path, data: str) -> None:
    file = annotate(tmp_path / "a.json", shape(), imageData=data)
    with pytest.raises(PictureError, match="imageData") as caught:
        EmbeddedSource(file, "a.json").read()
    assert str(file) in str(caught.value)
    with pytest.raises(DataError, match="no annotation here can be used"):
        LABELME.read(tmp_path)


def test_broken_files_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    for name in ("b", "c"):
        picture(tmp_path / f"{name}.png")
        file = annotate(tmp_path / f"{name}.json", shape())
        file.write_text(file.read_text()[:-9] if name == "b" else '{"shapes": 5, "imagePath": ""}')
    reading = one(tmp_path, shape())
    assert [sample.name for sample in reading.splits[""]] == ["a.png"]
    assert "cannot be read: 2 (the first: b.json: this is no complete JSON file" in kinds(reading)["broken-annotation"]


def test_a_file_that_ends_before_it_looks_like_labelme_is_broken_too(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    (tmp_path / "b.json").write_text('{"version": "5.5.0", "flags": {')
    (tmp_path / "notes.json").write_text("{")
    seen = kinds(one(tmp_path, shape()))
    assert "cannot be read: 1 (the first: b.json: this is no complete JSON file" in seen["broken-annotation"]
    assert "unlabelled" not in seen


def test_where_all_is_broken_the_reason_is_given(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        one(tmp_path, shape(kind="point", points=[[1, 1]]))
    assert "no annotation here can be used" in str(caught.value)
    with pytest.raises(DataError, match="not one object"):
        one(tmp_path)


def test_labels_txt_orders_the_classes(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\nzebra\nunicorn\ncat\n")
    reading = one(tmp_path, shape(), shape("zebra"), shape("ant"))
    assert reading.classes == ("zebra", "cat", "ant")
    assert any("(unicorn)" in note for note in reading.notes)


def test_pixels_before_the_shapes_do_not_hide_them(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    content = {"imageData": "A" * 30_000, "imagePath": "a.png", "shapes": [shape() for _ in range(100)]}
    (tmp_path / "a.json").write_text(json.dumps(content, sort_keys=True))
    fmt, sniff = find_format(tmp_path)
    assert fmt is LABELME
    assert "a.json" in sniff.reason
    assert len(objects(LABELME.read(tmp_path))) == 100


def test_one_file_can_be_read_alone(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    reading = one(tmp_path, shape())
    alone = LABELME.read(tmp_path / "a.json")
    assert alone.splits == reading.splits
    assert alone.problems == []
    assert LABELME.sniff(tmp_path / "a.json") is not None


def sample(tmp_path: Path, annotation: Any, name: str = "p.png") -> Sample:
    picture(tmp_path / name)
    return Sample(FileSource(tmp_path / name, name), annotation)


def test_flags_fractions_and_class_order_survive(tmp_path: Path) -> None:
    boxes = Boxes(
        np.array([[0.1, 1.7, 3.3, 5.9], [1, 1, 2, 2]], np.float32),
        np.array([1, 0]),
        np.array([False, True]),
        np.array([True, False]),
    )
    LABELME.write({"": [sample(tmp_path, boxes)]}, ("zebra", "ant"), tmp_path / "out")
    reading = LABELME.read(tmp_path / "out")
    assert reading.classes == ("zebra", "ant")
    assert objects(reading) == boxes


def test_pictures_that_differ_by_their_ending_alone(tmp_path: Path) -> None:
    def boxes(edge: int) -> Boxes:
        return Boxes(np.array([[0, 0, edge, edge]], np.float32), np.array([0]))

    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "p.bmp")
    samples = [sample(tmp_path, boxes(2)), Sample(FileSource(tmp_path / "p.bmp", "p.bmp"), boxes(5))]
    LABELME.write({"": samples}, ("cat",), tmp_path / "out")
    reading = LABELME.read(tmp_path / "out")
    assert reading.problems == []
    found = {one.name: one.annotation for one in reading.splits[""]}
    assert found == {"p.png": boxes(2), "p.bmp": boxes(5)}


@pytest.mark.parametrize(
    ("annotation", "seen"),
    [
        (None, "no annotation"),
        (Label(0), "a label"),
        (Mask(np.zeros((6, 8), np.uint8)), "a mask"),
        (Instances.from_dense(np.zeros((1, 6, 8), bool), np.array([0])), "without a single pixel"),
    ],
)
def test_what_it_cannot_hold_is_refused(tmp_path: Path, annotation: Any, seen: str) -> None:
    with pytest.raises(RequestError, match=seen) as caught:
        LABELME.write({"": [sample(tmp_path, annotation)]}, ("cat",), tmp_path / "out")
    assert "p.png" in str(caught.value)
    assert caught.value.fix
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", " cat", "a\nb"])
def test_class_names_that_would_change_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="class name"):
        LABELME.write({"": [sample(tmp_path, Boxes(np.zeros((0, 4)), np.zeros(0)))]}, (name,), tmp_path / "out")  # type: ignore[arg-type]


XML = """<annotation><filename>a.png</filename><folder>set</folder>
<object><name> cat </name><deleted>0</deleted>
  <polygon><pt><x>1</x><y>1</y></pt><pt><x>4</x><y>1</y></pt><pt><x>4</x><y>3</y></pt><pt><x>1</x><y>3</y></pt></polygon>
</object>
<object><name>gone</name><deleted>1</deleted><polygon><pt><x>1</x><y>1</y></pt></polygon></object>
<object><name>dog</name><segm><box><xmin>5</xmin><ymin>2</ymin><xmax>7</xmax><ymax>4</ymax></box>
  <mask>a_mask_2.png</mask></segm></object>
<object><name>cow</name><polygon><pt><x>1</x><y>?</y></pt></polygon></object>
<object><polygon><pt><x>1</x><y>1</y></pt><pt><x>4</x><y>1</y></pt><pt><x>4</x><y>3</y></pt></polygon></object>
</annotation>"""


def test_xml_of_the_web_tool(tmp_path: Path) -> None:
    picture(tmp_path / "Images/set/a.png")
    (tmp_path / "Annotations/set").mkdir(parents=True)
    (tmp_path / "Annotations/set/a.xml").write_text(XML)
    reading = LABELME.read(tmp_path)
    assert reading.classes == ("cat", "dog")
    # Without its mask file, the box stands for the second object.
    assert reading.task == "detection"
    assert objects(reading).boxes_xyxy.tolist() == [[1, 1, 4, 3], [5, 2, 7, 4]]
    assert set(kinds(reading)) == {"mask-without-file", "broken-object", "object-without-class"}

    mask = np.zeros((6, 8, 4), np.uint8)
    mask[2:4, 5:7, 3] = [[150, 90], [10, 160]]
    (tmp_path / "Masks/set").mkdir(parents=True)
    (tmp_path / "Masks/set/a_mask_2.png").write_bytes(png(mask))
    reading = LABELME.read(tmp_path)
    assert reading.task == "instances"
    assert np.argwhere(objects(reading).dense()[1]).tolist() == [[2, 5], [2, 6], [3, 6]]
    assert "unlabelled" not in kinds(reading)


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    entity = '<!DOCTYPE a [<!ENTITY x "y">]>'
    (tmp_path / "a.xml").write_text(entity + XML.replace("cow", "&x;"), encoding="utf-8")
    with pytest.raises(DataError, match="declares XML entities"):
        LABELME.read(tmp_path)
    (tmp_path / "a.xml").write_text(entity + XML, encoding="utf-16")
    assert LABELME.sniff(tmp_path) is None


def test_broken_xml_is_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(XML if name == "a" else XML[:-5])
    reading = LABELME.read(tmp_path)
    assert [sample.name for sample in reading.splits[""]] == ["a.png"]
    assert "1 (the first: b.xml: it is no readable XML" in kinds(reading)["broken-annotation"]
