"""Pascal VOC as people make it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, PictureError, RequestError
from striate.formats import FORMATS, Reading, find_format
from striate.formats.voc.mask_files import voc_colour
from striate.images import FileSource
from striate.structures import Boxes, Instances, Mask, Problem, Sample

VOC = FORMATS.get("voc")
SIZE = "<size><width>8</width><height>6</height><depth>3</depth></size>"


def picture(path: Path, size_hw: tuple[int, int] = (6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size_hw, 3), 90, np.uint8)).save(path)
    return path


def element(name: str, *corners: object, extra: str = "") -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    return f"<object><name>{name}</name>{extra}<bndbox>{box}</bndbox></object>"


def xml(path: Path, *objects: str, filename: str = "", size: str = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>")
    return path


def pair(root: Path, name: str, *objects: str) -> None:
    picture(root / "JPEGImages" / f"{name}.jpg")
    xml(root / "Annotations" / f"{name}.xml", *(objects or [element("cat", 1, 1, 2, 2)]))


def lists(root: Path, folder: str = "Main", **names: str) -> None:
    for split, content in names.items():
        path = root / "ImageSets" / folder / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def indexed(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8))
    image.putpalette([part for value in range(256) for part in voc_colour(value)])
    image.save(path)
    return path


def names(reading: Reading) -> dict[str, list[str]]:
    return {split: [sample.name for sample in part] for split, part in reading.splits.items()}


def boxes_of(reading: Reading, split: str = "", index: int = 0) -> Boxes:
    annotation = reading.splits[split][index].annotation
    assert isinstance(annotation, Boxes)
    return annotation


def problem(reading: Reading, kind: str) -> Problem:
    (found,) = [one for one in reading.problems if one.kind == kind]
    return found


def test_corners_count_from_one_and_belong_to_the_box(tmp_path: Path) -> None:
    pair(tmp_path, "a", element("cat", 1, 1, 8, 6), element("dog", 3, 2, 3.5, 4, extra="<difficult>1</difficult>"))
    found, sniff = find_format(tmp_path)
    assert (found, sniff.confidence, sniff.reason) == (VOC, 0.9, "Annotations/a.xml is VOC's XML")
    reading = VOC.read(tmp_path)
    assert (reading.task, reading.classes, reading.problems) == ("detection", ("cat", "dog"), [])
    boxes = boxes_of(reading)
    assert boxes.boxes_xyxy.tolist() == [[0, 0, 8, 6], [2, 1, 3.5, 4]]
    assert boxes.classes.tolist() == [0, 1]
    assert boxes.ignore.tolist() == [False, True]


@pytest.mark.parametrize(
    ("image", "annotation", "split"),
    [
        ("a.jpg", "a.xml", ""),
        ("images/a.PNG", "annotations/a.xml", ""),
        ("train/a.jpg", "train/a.xml", "train"),
        ("valid/images/a.jpg", "valid/annotations/a.xml", "train"),
        ("images/test/a.jpg", "labels/test/a.xml", "train"),
        ("images/train2017/a.b.jpg", "Annotations/train2017/a.b.xml", "train"),
        ("wrapper/VOCdevkit/VOC2007/JPEGImages/a.jpg", "wrapper/VOCdevkit/VOC2007/Annotations/a.xml", ""),
        ("pictures/x/a.jpg", "elsewhere/a.xml", ""),
    ],
)
def test_layouts(tmp_path: Path, image: str, annotation: str, split: str) -> None:
    picture(tmp_path / image)
    xml(tmp_path / annotation, element("cat", 1, 1, 2, 2))
    picture(tmp_path / "train" / "images" / "z.jpg") if split else None
    xml(tmp_path / "train" / "annotations" / "z.xml", element("cat", 1, 1, 2, 2)) if split else None
    assert find_format(tmp_path)[0] is VOC
    reading = VOC.read(tmp_path)
    found = {name: split for split, part in names(reading).items() for name in part}
    expected = "validation" if "valid" in image else "test" if "test" in image else split
    assert found[image] == expected
    assert reading.problems == []


def test_lists_decide_the_splits(tmp_path: Path) -> None:
    for name in ("a", "b c", "d", "e", "f"):
        pair(tmp_path, name)
    lists(
        tmp_path,
        train="# made by hand\na\nmissing\n",
        val="b c\n",
        test="JPEGImages/d.jpg\na  1\n",
        trainval="a\nb c\nf\n",
        cat_train="a 1\ne -1\n",
        default="e\n",
    )
    reading = VOC.read(tmp_path)
    assert names(reading) == {
        "train": ["JPEGImages/a.jpg"],
        "validation": ["JPEGImages/b c.jpg"],
        "test": ["JPEGImages/d.jpg"],
        "": ["JPEGImages/f.jpg"],
    }
    assert (
        "1 picture is annotated, but in no list of a split (JPEGImages/e.jpg)." in problem(reading, "unlisted").detail
    )
    assert "1 name in the lists fits no picture (missing in " in problem(reading, "listed-without-picture").detail
    assert "1 picture is in the lists of several splits (a in " in problem(reading, "listed-twice").detail


def test_lists_of_other_pictures_are_not_used(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    lists(tmp_path, train="x\ny\n")
    reading = VOC.read(tmp_path)
    assert names(reading) == {"": ["JPEGImages/a.jpg"]}
    assert "none of the 2 names in the lists" in problem(reading, "lists-of-other-pictures").detail


def test_two_years_side_by_side(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        pair(tmp_path / year, "a")
        pair(tmp_path / year, "b")
    lists(tmp_path / "VOC2007", train="a\n", test="b\n")
    lists(tmp_path / "VOC2012", train="a\nb\n")
    assert names(VOC.read(tmp_path)) == {
        "train": ["VOC2007/JPEGImages/a.jpg", "VOC2012/JPEGImages/a.jpg", "VOC2012/JPEGImages/b.jpg"],
        "test": ["VOC2007/JPEGImages/b.jpg"],
    }


def test_the_name_of_the_file_counts_before_the_name_in_it(tmp_path: Path) -> None:
    for name in ("a", "b", "c.d"):
        picture(tmp_path / f"{name}.jpg")
    xml(tmp_path / "a.xml", element("one", 1, 1, 2, 2), filename="b.jpg")
    xml(tmp_path / "0001.xml", element("two", 1, 1, 2, 2), filename="C:\\pictures\\b.jpeg")
    xml(tmp_path / "0002.xml", element("three", 1, 1, 2, 2), filename="c.d")
    xml(tmp_path / "0003.xml", element("three", 1, 1, 2, 2), filename="gone.jpg")
    reading = VOC.read(tmp_path)
    classes = {s.name: reading.classes[s.annotation.classes[0]] for s in reading.splits[""]}  # type: ignore[union-attr]
    assert classes == {"a.jpg": "one", "b.jpg": "two", "c.d.jpg": "three"}
    lonely = problem(reading, "annotation-without-picture")
    assert (lonely.path, lonely.severity) == ("0003.xml", "dropped")
    assert "1 XML file has no picture" in lonely.detail


def test_pictures_without_xml_are_unknown_and_those_with_an_empty_one_background(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    picture(tmp_path / "JPEGImages/b.jpg")
    xml(tmp_path / "Annotations/b.xml")
    picture(tmp_path / "JPEGImages/c.jpg")
    reading = VOC.read(tmp_path)
    assert names(reading) == {"": ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]}
    assert len(boxes_of(reading, "", 1)) == 0
    assert "1 XML file holds no object: background." in reading.notes
    assert "1 picture has no XML file (JPEGImages/c.jpg)." in problem(reading, "unlabelled").detail


def test_objects_that_are_not_complete(tmp_path: Path) -> None:
    nameless = "<object><bndbox/></object>"
    bare = "<object><name>cat</name></object>"
    twice = element("cat", 1, 1, 2, 2).replace("</object>", element("x", 3, 3, 4, 4)[len("<object><name>x</name>") :])
    part = element("head", 1, 1, 2, 2).replace("object", "part")
    nested = element("white cat", 2, 2, 4, 4, extra=part)
    odd = element("cat", "left", 1, 2, 2)
    lacking = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>nan</xmax></bndbox></object>"
    pair(tmp_path, "a", nameless, bare, twice, nested, odd, lacking)
    reading = VOC.read(tmp_path)
    assert reading.classes == ("cat", "white cat")
    assert boxes_of(reading).boxes_xyxy.tolist() == [[0, 0, 2, 2], [2, 2, 4, 4], [1, 1, 4, 4]]
    told = {one.kind: one for one in reading.problems}
    assert set(told) == {"object-without-class", "object-without-box", "several-boxes", "bad-box"}
    assert told["object-without-class"].detail == "object 1 has no <name>."
    assert told["object-without-box"].detail == "object 2 (cat) has no <bndbox>."
    assert told["several-boxes"].detail == "object 3 (cat) has 2 boxes."
    assert told["bad-box"].detail.startswith(
        "xmin of object 5 (cat) is 'left', which is no position in a picture (2 such places"
    )
    assert "xmax of object 6 (cat) is 'nan', which is no position in a picture" in told["bad-box"].detail
    assert told["bad-box"].severity == "dropped"
    assert all(one.path == "Annotations/a.xml" for one in reading.problems)


def test_sizes_that_do_not_fit(tmp_path: Path) -> None:
    for name, size in (
        ("a", SIZE.replace("8", "80")),
        ("b", ""),
        ("c", "<size><width>6</width><height>8</height></size>"),
    ):
        picture(tmp_path / f"{name}.png")
        xml(tmp_path / f"{name}.xml", element("cat", 1, 1, 2, 2), size=size)
    reading = VOC.read(tmp_path)
    told = {(one.kind, one.path): one.detail for one in reading.problems}
    assert told == {
        ("wrong-size", "a.xml"): "it says 80 x 6 (width x height), and the picture is 8 x 6.",
        ("no-size", "b.xml"): "it does not say how large the picture is.",
        ("wrong-size", "c.xml"): "it says 6 x 8 (width x height), and the picture is 8 x 6, so it may have been "
        "turned since.",
    }
    assert len(reading.splits[""]) == 3


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ("<annotation><object>", "broken-xml", "it is no readable XML (no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "broken-xml", "it declares XML entities"),
        ("<annotations/>", "not-voc", "its outermost element is <annotations>, not <annotation>"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "broken-xml", "it is no readable XML"),
    ],
)
def test_files_that_are_no_annotation(tmp_path: Path, text: str, kind: str, detail: str) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    (tmp_path / "Annotations/b.xml").write_text(text)
    reading = VOC.read(tmp_path)
    assert names(reading) == {"": ["JPEGImages/a.jpg"]}
    (found,) = reading.problems
    assert (found.kind, found.path, found.severity) == (kind, "Annotations/b.xml", "dropped")
    assert detail in found.detail
    assert found.fix


def test_many_alike_problems_are_counted(tmp_path: Path) -> None:
    for number in range(14):
        picture(tmp_path / f"{number}.png")
        xml(tmp_path / f"{number}.xml", element("cat", 1, 1, 2, 2), size="")
    found = VOC.read(tmp_path).problems
    assert len(found) == 11
    assert found[-1].path == "4 more files"
    assert found[-1].detail == "4 more files, after the first 10, have the same problem (as in 10.xml)."


def test_corners_that_are_one_point_have_no_area_and_corners_at_zero_are_noted(tmp_path: Path) -> None:
    """A click that drew nothing leaves them. A box one pixel wide and three high is one that was drawn."""
    pair(tmp_path, "a", element("cat", 4, 3, 4, 3), element("cat", 4, 3, 4, 5), element("cat", 0, 1, 3, 3))
    reading = VOC.read(tmp_path)
    assert boxes_of(reading).boxes_xyxy.tolist() == [[3, 2, 3, 2], [3, 2, 4, 5], [-1, 0, 3, 3]]
    assert any("1 XML file has corners at 0" in note for note in reading.notes)


def test_a_box_of_one_pixel_that_is_written_is_read_again(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "a.png"), "a.png")
    pixels = Boxes(np.array([[3, 2, 4, 3], [0, 0, 1, 1], [5, 5, 5, 5]], np.float32), np.array([0, 0, 0]))
    VOC.write({"": [Sample(source, pixels)]}, ("cat",), tmp_path / "out")
    assert boxes_of(VOC.read(tmp_path / "out")) == pixels


def test_annotation_without_any_picture(tmp_path: Path) -> None:
    xml(tmp_path / "Annotations/a.xml", element("cat", 1, 1, 2, 2))
    with pytest.raises(DataError, match=r"1 XML files \(Annotations/a.xml, ...\) and no picture") as caught:
        VOC.read(tmp_path)
    assert "JPEGImages" in caught.value.fix


def test_something_else(tmp_path: Path) -> None:
    picture(tmp_path / "a/1.png")
    (tmp_path / "a/1.xml").write_text("<html/>")
    assert VOC.sniff(tmp_path) is None
    with pytest.raises(DataError, match="neither an XML file of Pascal VOC nor a folder SegmentationClass"):
        VOC.read(tmp_path)


def test_outlines_of_labelme_are_not_its_own(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text("<annotation><filename>a.png</filename><object><polygon/></object></annotation>")
    assert VOC.sniff(tmp_path) is None


def masked(root: Path, name: str, classes: np.ndarray, objects: np.ndarray | None = None) -> None:
    picture(root / "JPEGImages" / f"{name}.jpg", classes.shape)
    indexed(root / "SegmentationClass" / f"{name}.png", classes)
    if objects is not None:
        indexed(root / "SegmentationObject" / f"{name}.png", objects)


CLASSES = np.array([[0, 15, 15, 255], [0, 15, 8, 8], [0, 0, 8, 8]], np.uint8)
OBJECTS = np.array([[0, 1, 1, 255], [0, 1, 2, 2], [0, 0, 2, 2]], np.uint8)


def test_masks_of_voc(tmp_path: Path) -> None:
    masked(tmp_path, "a", CLASSES)
    assert find_format(tmp_path)[0] is VOC
    reading = VOC.read(tmp_path)
    assert (reading.task, len(reading.classes), reading.classes[15]) == ("segmentation", 21, "person")
    assert reading.splits[""][0].read_annotation() == Mask(CLASSES)
    assert "those seen are 0 to 15" in reading.notes[0]


def test_objects_have_the_class_that_most_of_their_pixels_have(tmp_path: Path) -> None:
    masked(tmp_path, "a", CLASSES, OBJECTS)
    reading = VOC.read(tmp_path)
    assert (reading.task, len(reading.classes)) == ("instances", 20)
    found = reading.splits[""][0].read_annotation()
    assert isinstance(found, Instances)
    assert [reading.classes[kind] for kind in found.classes] == ["person", "cat"]
    assert found.boxes_xyxy.tolist() == [[1, 0, 3, 2], [2, 1, 4, 3]]
    assert np.array_equal(found.dense()[0], OBJECTS == 1)
    assert not found.ignore.any()
    assert VOC.read(tmp_path, "segmentation").task == "segmentation"
    assert VOC.read(tmp_path, "detection").task == "instances"


def test_an_object_of_no_class_is_ignored(tmp_path: Path) -> None:
    masked(tmp_path, "a", np.where(CLASSES == 15, 0, CLASSES), OBJECTS)
    found = VOC.read(tmp_path).splits[""][0].read_annotation()
    assert isinstance(found, Instances)
    assert found.ignore.tolist() == [True, False]


def test_boxes_come_first_and_masks_where_they_are_asked_for(tmp_path: Path) -> None:
    masked(tmp_path, "a", CLASSES, OBJECTS)
    pair(tmp_path, "a", element("zebra", 1, 1, 2, 2))
    assert VOC.read(tmp_path).task == "detection"
    assert VOC.read(tmp_path, "instances").task == "instances"
    # A class that is none of VOC's says that the values are not VOC's either.
    assert VOC.read(tmp_path, "segmentation").classes == tuple(f"class-{value}" for value in range(16))


def test_values_beyond_those_of_voc(tmp_path: Path) -> None:
    masked(tmp_path, "a", np.where(CLASSES == 15, 23, CLASSES))
    assert len(VOC.read(tmp_path).classes) == 24


@pytest.mark.parametrize("coloured", [False, True])
def test_a_label_map_names_colours(tmp_path: Path, coloured: bool) -> None:
    """The tool that wrote the map numbers its values anew, so the colours count."""
    masked(tmp_path, "a", CLASSES)
    path = tmp_path / "SegmentationClass/a.png"
    if coloured:
        with Image.open(path) as image:
            image.convert("RGB").save(path)
    rows = [
        "# label:color_rgb:parts:actions",
        "grass:64,0,0::",
        "void:224,224,192::",
        "a:b:192,128,128::",
        "background:0,0,0::",
    ]
    (tmp_path / "labelmap.txt").write_text("\n".join(rows))
    reading = VOC.read(tmp_path)
    assert reading.classes == ("grass", "a:b", "background")
    assert reading.splits[""][0].read_annotation() == Mask(
        np.array([[2, 1, 1, 255], [2, 1, 0, 0], [2, 2, 0, 0]], np.uint8)
    )


def test_a_label_map_names_values_where_the_mask_is_gray(tmp_path: Path) -> None:
    masked(tmp_path, "a", CLASSES)
    Image.fromarray(np.array([[0, 1], [1, 255]], np.uint8)).save(tmp_path / "SegmentationClass/a.png")
    (tmp_path / "labelmap.txt").write_text("floor:::\nwall:10,10,10::\n")
    reading = VOC.read(tmp_path)
    assert reading.classes == ("floor", "wall")
    assert reading.splits[""][0].read_annotation() == Mask(np.array([[0, 1], [1, 255]], np.uint8))


def test_values_that_stand_for_nothing(tmp_path: Path) -> None:
    masked(tmp_path, "a", CLASSES)
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nperson:192,128,128::\n")
    with pytest.raises(PictureError, match="the mask holds value 8, which stands for none of the 2 classes") as caught:
        VOC.read(tmp_path).splits[""][0].read_annotation()
    assert "labelmap.txt" in caught.value.fix
    (tmp_path / "SegmentationClass/a.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(PictureError, match="the file ends before the picture does"):
        VOC.read(tmp_path).splits[""][0].read_annotation()


def test_lists_for_masks_are_in_a_folder_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        masked(tmp_path, name, CLASSES)
    pair(tmp_path, "c")
    pair(tmp_path, "d")
    lists(tmp_path, "Main", train="c\n", val="a\n")
    lists(tmp_path, "Segmentation", train="b\nd\n", val="a -1\n")
    reading = VOC.read(tmp_path, "segmentation")
    assert names(reading) == {"train": ["JPEGImages/b.jpg"], "validation": ["JPEGImages/a.jpg"]}
    assert problem(reading, "unlabelled").path == "JPEGImages/d.jpg"
    assert "1 picture has no annotation for segmentation and no list; left out." in reading.notes


def test_decimals_and_flags_are_read_again(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "in/é.png"), "é.png")
    boxes = Boxes(
        np.array([[0.1, 1 / 3, 5.123456, 6], [-2.5, 0, 3, 3], [1e-4, 0, 8, 6]], np.float32),
        np.array([1, 0, 0]),
        np.array([False, True, False]),
        np.array([True, False, False]),
    )
    VOC.write({"train": [Sample(source, boxes)]}, ("z", "a <b> & c"), tmp_path / "out")
    reading = VOC.read(tmp_path / "out")
    assert reading.classes == ("z", "a <b> & c")
    assert boxes_of(reading, "train") == boxes
    text = (tmp_path / "out/Annotations/é.xml").read_text(encoding="utf-8")
    assert "<xmin>1.1</xmin>" in text
    assert "<ymax>6</ymax>" in text
    assert text.count("<difficult>1</difficult>") == 2
    assert (tmp_path / "out/ImageSets/Main/train.txt").read_text(encoding="utf-8") == "é\n"


def test_pictures_that_differ_in_their_suffix_only(tmp_path: Path) -> None:
    samples = [
        Sample(
            FileSource(picture(tmp_path / name), name), Boxes(np.array([[0, 0, size, 2]], np.float32), np.array([0]))
        )
        for name, size in (("a.png", 1), ("a.bmp", 2))
    ]
    VOC.write({"": samples}, ("x",), tmp_path / "out")
    reading = VOC.read(tmp_path / "out")
    assert [(s.name, s.annotation.boxes_xyxy[0, 2]) for s in reading.splits[""]] == [  # type: ignore[union-attr]
        ("JPEGImages/a (2).bmp", 2),
        ("JPEGImages/a.png", 1),
    ]


def test_what_masks_cannot_hold(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "a.png"), "a.png")
    plane = np.zeros((2, 6, 8), np.bool_)
    plane[:, 1:3, 1:3] = True
    kinds = np.zeros(2, np.int64)
    empty = plane.copy()
    empty[1] = False
    for annotation, cause in (
        (Instances.from_dense(plane, kinds), "has objects that overlap"),
        (Instances.from_dense(empty, kinds), "has an object without a pixel"),
        (Instances.from_dense(plane[:1], kinds[:1], iscrowd=np.array([True])), "crowds or to be ignored"),
    ):
        with pytest.raises(RequestError, match=cause) as caught:
            VOC.write({"": [Sample(source, annotation)]}, ("x",), tmp_path / "out")
        assert "picture a.png" in str(caught.value)
        assert "`coco`" in caught.value.fix
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", " x", "#x", "a\nb"])
def test_class_names_that_would_not_be_read_again(tmp_path: Path, name: str) -> None:
    sample = Sample(
        FileSource(picture(tmp_path / "a.png"), "a.png"), Boxes(np.zeros((1, 4), np.float32), np.array([0]))
    )
    with pytest.raises(RequestError, match=r"would not be read again as it is|would be taken for a comment"):
        VOC.write({"": [sample]}, (name,), tmp_path / "out")


def test_annotation_of_two_kinds_is_refused(tmp_path: Path) -> None:
    source = FileSource(picture(tmp_path / "a.png"), "a.png")
    first = Sample(source, Boxes(np.zeros((1, 4), np.float32), np.array([0])))
    second = Sample(FileSource(source.path, "b.png"), Mask(np.zeros((6, 8), np.uint8)))
    with pytest.raises(RequestError, match=r"picture b.png has a mask of classes, and `voc` was to write boxes\."):
        VOC.write({"": [first, second]}, ("x",), tmp_path / "out")
