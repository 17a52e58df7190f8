"""VGG Image Annotator's JSON, projects and CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError, RequestError
from striate.formats import FORMATS, Reading, find_format
from striate.formats.drawn.via_classes import find_class_attribute, find_split_attribute
from striate.images import FileSource
from striate.structures import Boxes, Instances, Label, Sample

VIA = FORMATS.get("via")


def picture(path: Path, size_hw: tuple[int, int] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size_hw, 7, np.uint8)).save(path)


def region(name: str = "polygon", attributes: Any = None, **shape: Any) -> dict[str, Any]:
    if name in ("polygon", "polyline") and not shape:
        shape = {"all_points_x": [1, 4, 4, 1], "all_points_y": [1, 1, 3, 3]}
    if name == "rect" and not shape:
        shape = {"x": 2, "y": 1, "width": 3, "height": 4}
    found = {"class": "cat"} if attributes is None else attributes
    return {"shape_attributes": {"name": name, **shape}, "region_attributes": found}


def entry(filename: str, *regions: dict[str, Any], **file_attributes: Any) -> dict[str, Any]:
    return {"filename": filename, "size": 99, "regions": list(regions), "file_attributes": file_attributes}


def exported(path: Path, *entries: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({f"{one['filename']}{one['size']}": one for one in entries}), encoding="utf-8")
    return path


def project(path: Path, *entries: dict[str, Any], options: Any = None) -> Path:
    metadata = {f"{one['filename']}{one['size']}": one for one in entries}
    attributes = {"region": {"class": {"type": "dropdown", "options": options or {}}}, "file": {}}
    content = {"_via_settings": {}, "_via_img_metadata": metadata, "_via_attributes": attributes}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def one(tmp_path: Path, *regions: dict[str, Any], task: str | None = None) -> Reading:
    picture(tmp_path / "a.png")
    exported(tmp_path / "via.json", entry("a.png", *regions))
    return VIA.read(tmp_path, task)


def objects(reading: Reading, split: str = "", index: int = 0) -> Any:
    return reading.splits[split][index].annotation


def kinds(reading: Reading) -> dict[str, str]:
    return {problem.kind: problem.detail for problem in reading.problems}


def names(reading: Reading) -> dict[str, list[str]]:
    return {split: [sample.name for sample in part] for split, part in reading.splits.items()}


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (region("rect"), [2, 1, 5, 5]),
        (region("rect", x=5.5, y=3, width=-2, height=1), [3.5, 3, 5.5, 4]),
        (region("polygon"), [1, 1, 4, 3]),
        (region("polyline"), [1, 1, 4, 3]),
        (region("circle", cx=4, cy=3, r=2), [2, 1, 6, 5]),
        (region("ellipse", cx=4, cy=3, rx=3, ry=2), [1, 1, 7, 5]),
        (region("ellipse", cx=4, cy=3, rx=3, ry=2, theta=np.pi / 2), [2, 0, 6, 6]),
    ],
)
def test_each_shape_has_its_box(tmp_path: Path, shape: dict[str, Any], box: list[float]) -> None:
    assert objects(one(tmp_path, shape, task="detection")).boxes_xyxy[0].tolist() == pytest.approx(box)


def test_outlines_alone_are_instances_else_boxes(tmp_path: Path) -> None:
    reading = one(tmp_path, region(), region("polyline"))
    assert reading.task == "instances"
    assert objects(reading).size_hw == (6, 8)
    assert objects(reading).areas().tolist() == [6, 6]
    assert "Open lines among the objects: 1; each is closed from its last point to its first." in reading.notes
    reading = one(tmp_path, region(), region("rect"))
    assert reading.task == "detection"
    assert objects(VIA.read(tmp_path, "instances")).areas().tolist() == [6, 12]


def test_what_cannot_be_used_is_counted_by_kind(tmp_path: Path) -> None:
    reading = one(
        tmp_path,
        region(),
        region("point", cx=1, cy=1),
        region("star"),
        region("rect", x=1, y=1, width=None, height=2),
        region("circle", cx=1, cy=1),
        region("polygon", all_points_x=[1, 2, 3], all_points_y=[1, 2]),
        region("ellipse", cx=1, cy=1, rx=1, ry=1, theta="x"),
        {"shape_attributes": None},
        region(attributes={"class": " "}),
        region(attributes={"class": {"cat": True, "dog": True}}),
    )
    assert len(objects(reading)) == 1
    assert kinds(reading) == {
        "no-area": "objects that are points or lines and enclose nothing: 1 (the first: via.json: a.png, region 2, "
        "'point').",
        "unknown-shape": "objects of a shape that is not known: 2 (the first: via.json: a.png, region 3, 'star').",
        "broken-object": "objects whose coordinates are missing, too few or no numbers: 4 (the first: via.json: a.png, "
        "region 4, 'rect').",
        "object-without-class": "objects without a class: 1 (the first: via.json: a.png, region 9).",
        "several-classes": "objects of several classes: 1 (the first: via.json: a.png, region 10 is cat and dog).",
    }


def test_version_1_keeps_regions_by_number_and_names_no_class(tmp_path: Path) -> None:
    # As in the balloon sample of Mask R-CNN: one file in each split's folder.
    for split in ("train", "val"):
        picture(tmp_path / f"balloon/{split}/1.png")
        picture(tmp_path / f"balloon/{split}/2.png")
        entries = [{**entry(f"{number}.png"), "regions": {"0": region(attributes={})}} for number in (1, 2)]
        exported(tmp_path / f"balloon/{split}/via_region_data.json", *entries)
    assert find_format(tmp_path)[0] is VIA
    reading = VIA.read(tmp_path)
    assert reading.task == "instances"
    assert reading.classes == ("object",)
    assert names(reading) == {
        "train": ["balloon/train/1.png", "balloon/train/2.png"],
        "validation": ["balloon/val/1.png", "balloon/val/2.png"],
    }
    assert any("all are of one class" in note for note in reading.notes)
    assert reading.problems == []


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([{"class": "a", "id": "1"}, {"class": "b", "id": "2"}, {"class": "a", "id": "3"}], "class"),
        ([{"id": "1", "kind": "a"}, {"id": "2", "kind": "b"}, {"id": "3", "kind": "a"}], "kind"),
        ([{"name": "1", "kind": "a"}, {"name": "2", "kind": "b"}, {"name": "3", "kind": "a"}], "kind"),
        ([{"kind": "a"}, {"kind": "b", "label": "x"}, {"kind": "a", "label": "x"}], "kind"),
        ([{"label": "a", "hidden": "no"}, {"label": "a", "hidden": "yes"}, {"label": "a", "hidden": "no"}], "label"),
        ([{"source": "x", "kind": "a"}, {"source": "x", "kind": "b"}, {"source": "x", "kind": "b"}], "kind"),
        ([{"ticks": {"a": True, "b": True}, "kind": "a"}, {"ticks": {"a": True}, "kind": "b"}], "kind"),
        ([{"ticks": {"a": True, "b": False}}, {"ticks": {"a": False, "b": True}}], "ticks"),
        ([{"iscrowd": "0", "kind": "a"}, {"iscrowd": "1", "kind": "b"}], "kind"),
        ([{"n": 7}], "n"),
        ([{}, {"kind": ""}, {"kind": None}, {"kind": []}], ""),
        ([], ""),
    ],
)
def test_the_class_attribute_is_found_by_content(regions: list[dict[str, Any]], expected: str) -> None:
    assert find_class_attribute(regions).name == expected


def test_what_is_left_aside_is_said(tmp_path: Path) -> None:
    reading = one(
        tmp_path,
        region(attributes={"species": {"cat": True, "dog": False}, "id": "1"}),
        region(attributes={"species": {"dog": "true"}, "id": "2"}),
        region(attributes={"species": {"cat": True}, "id": "3"}),
    )
    assert reading.classes == ("cat", "dog")
    assert objects(reading).classes.tolist() == [0, 1, 0]
    assert "Classes come from the region attribute 'species' (2 different values). Left aside: 'id' (3)." in (
        reading.notes
    )


def test_a_file_attribute_can_be_the_split(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.png")
    exported(
        tmp_path / "via.json",
        entry("a.png", region(), caption="test", subset="train"),
        entry("b.png", region(), caption="a cat", subset={"val": True}),
        entry("c.png", region()),
    )
    reading = VIA.read(tmp_path)
    # c.png has no value, and so no split.
    assert names(reading) == {"train": ["a.png"], "validation": ["b.png"], "": ["c.png"]}
    assert "Splits come from the file attribute 'subset'." in reading.notes
    assert find_split_attribute([{"caption": "test"}, {"caption": "a cat"}]) is None


def test_files_above_the_pictures_and_names_that_repeat(tmp_path: Path) -> None:
    for name in ("images/train/1.png", "images/test/1.png", "images/test/2.png", "images/test/3.png"):
        picture(tmp_path / name)
    exported(tmp_path / "annotations/via_train.json", entry("1.png", region()), entry("gone.png", region()))
    exported(tmp_path / "annotations/via_test.json", entry("C:\\x\\test\\1.png", region()), entry("2.png"))
    reading = VIA.read(tmp_path)
    assert names(reading) == {"train": ["images/train/1.png"], "test": ["images/test/1.png", "images/test/2.png"]}
    assert "via_train.json: gone.png" in kinds(reading)["annotation-without-picture"]
    assert kinds(reading)["unlabelled"].endswith("1 (the first: images/test/3.png).")
    assert len(objects(reading, "test", 1)) == 0
    assert "Pictures annotated with no object, of 3: 1; they are background." in reading.notes


def test_the_split_can_stand_in_the_file_name_alone(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png")
    exported(tmp_path / "via_train.json", entry("1.png", region()))
    exported(tmp_path / "via-val.json", entry("https://example.org/some%20set/2.png?size=1", region()))
    assert names(VIA.read(tmp_path)) == {"train": ["1.png"], "validation": ["2.png"]}


def test_a_name_that_fits_several_pictures(tmp_path: Path) -> None:
    for name in ("x/1.png", "y/1.png"):
        picture(tmp_path / name)
    picture(tmp_path / "2.png")
    exported(tmp_path / "via.json", entry("1.png", region()), entry("2.png", region()))
    reading = VIA.read(tmp_path)
    assert names(reading) == {"": ["2.png"]}
    assert "via.json: 1.png" in kinds(reading)["ambiguous-picture"]


def test_a_project_beside_its_export_counts_once(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    entries = [entry("a.png", region(), region("rect")), entry("b.png", region())]
    project(tmp_path / "work.json", *entries, options={"zebra": "", "dog": "", "cat": ""})
    exported(tmp_path / "export.json", *entries)
    write_csv(tmp_path / "export.csv", entries)
    reading = VIA.read(tmp_path)
    assert reading.problems == []
    assert [len(sample.annotation) for sample in reading.splits[""]] == [2, 1]  # type: ignore[arg-type]
    assert "Pictures of export.json that another file holds, too: 2; each counts once." in reading.notes
    exported(tmp_path / "export.json", entry("a.png", region()))
    reading = VIA.read(tmp_path)
    assert [len(sample.annotation) for sample in reading.splits[""]] == [2, 1]  # type: ignore[arg-type]
    assert kinds(reading)["annotated-twice"].endswith("(the first: a.png: in work.json and in export.json).")


def test_an_empty_entry_gives_way_to_one_with_regions(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    project(tmp_path / "work.json", entry("a.png"))
    exported(tmp_path / "export.json", entry("a.png", region()))
    assert len(objects(VIA.read(tmp_path))) == 1


def test_a_project_orders_the_classes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    regions = [region(attributes={"class": name}) for name in ("ant", "cat", "zebra")]
    project(tmp_path / "work.json", entry("a.png", *regions), options={"zebra": "", "dog": "", "cat": ""})
    reading = VIA.read(tmp_path)
    assert reading.classes == ("zebra", "cat", "ant")
    assert any("(dog)" in note for note in reading.notes)


def write_csv(path: Path, entries: list[dict[str, Any]], header: str = "filename") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = ["file_size", "file_attributes", "region_count", "region_id"]
        writer.writerow([header, *columns, "region_shape_attributes", "region_attributes"])
        for one in entries:
            start = [one["filename"], 99, json.dumps(one["file_attributes"]), len(one["regions"])]
            for number, part in enumerate(one["regions"]):
                shape, attributes = part["shape_attributes"], part["region_attributes"]
                writer.writerow([*start, number, json.dumps(shape), json.dumps(attributes)])
            if not one["regions"]:
                writer.writerow([*start, 0, "{}", "{}"])


@pytest.mark.parametrize("header", ["filename", "#filename"])
def test_csv(tmp_path: Path, header: str) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    many = {"all_points_x": [1, *[4] * 60_000], "all_points_y": [1, *[3, 1] * 30_000]}
    write_csv(tmp_path / "via.csv", [entry("a.png", region("rect"), region(**many)), entry("b.png")], header)
    assert find_format(tmp_path)[0] is VIA
    reading = VIA.read(tmp_path / "via.csv")
    assert objects(reading).boxes_xyxy.tolist() == [[2, 1, 5, 5], [1, 1, 4, 3]]
    assert len(objects(reading, index=1)) == 0
    assert reading.classes == ("cat",)
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("via.json", '{"a": {"filename": "a.png", "file_attributes": {}, "regions": [', "no complete JSON file"),
        ("via.json", '[{"filename": "a.png", "file_attributes": {}, "regions": []}]', "no JSON object"),
        ("via.json", '{"a": {"regions": [], "file_attributes": {}, "x": {"filename": 1}}}', "no `filename`"),
        ("via.json", '{"a": {"filename": "a.png", "file_attributes": {}, "regions": 5}}', "are no list"),
        ("via.json", '{"_via_img_metadata": 5}', "`_via_img_metadata` is no JSON object"),
        ("via.csv", "filename,region_shape_attributes,region_attributes\na.png,{,{}\n", "line 2 cannot be understood"),
        ("via.csv", "filename,region_shape_attributes,region_attributes\n,{},{}\n", "line 2 names no file"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, text: str, seen: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / name).write_text(text)
    assert VIA.sniff(tmp_path) is not None
    with pytest.raises(DataError) as caught:
        VIA.read(tmp_path)
    assert seen in str(caught.value)
    assert caught.value.fix
    exported(tmp_path / "sound.json", entry("a.png", region()))
    assert seen in kinds(VIA.read(tmp_path))["broken-annotation"]


def sample(tmp_path: Path, annotation: Any) -> Sample:
    picture(tmp_path / "p.png")
    return Sample(FileSource(tmp_path / "p.png", "p.png"), annotation)


def test_flags_fractions_and_class_order_survive(tmp_path: Path) -> None:
    boxes = Boxes(
        np.array([[0.1, 1.7, 3.3, 5.9], [1, 1, 2, 2]], np.float32),
        np.array([1, 0]),
        np.array([False, True]),
        np.array([True, False]),
    )
    VIA.write({"": [sample(tmp_path, boxes)]}, ("zebra", "ant"), tmp_path / "out")
    reading = VIA.read(tmp_path / "out")
    assert reading.classes == ("zebra", "ant")
    assert objects(reading) == boxes


def test_masks_with_holes_touching_corners_and_parts_survive(tmp_path: Path) -> None:
    masks = np.random.default_rng(1).random((20, 6, 8)) < 0.5
    instances = Instances.from_dense(masks, np.zeros(20, np.int64))
    VIA.write({"": [sample(tmp_path, instances)]}, ("cat",), tmp_path / "out")
    assert objects(VIA.read(tmp_path / "out")) == instances


@pytest.mark.parametrize(
    ("annotation", "seen"),
    [
        (None, "no annotation"),
        (Label(0), "a label"),
        (Instances.from_dense(np.zeros((1, 6, 8), bool), np.array([0])), "without a single pixel"),
    ],
)
def test_what_it_cannot_hold_is_refused(tmp_path: Path, annotation: Any, seen: str) -> None:
    with pytest.raises(RequestError, match=seen) as caught:
        VIA.write({"": [sample(tmp_path, annotation)]}, ("cat",), tmp_path / "out")
    assert "p.png" in str(caught.value)
    assert not (tmp_path / "out").exists()
