"""What every registered format must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError, RequestError, StriateError
from striate.formats import FORMATS, Format, find_format, read_folder
from striate.formats.base import GIVEN_SPLITS
from striate.formats.objects import leave_out_flagged
from striate.images import ArraySource
from striate.structures import Annotation, Boxes, Instances, Label, Labels, Mask, Sample
from striate.tasks import TASKS

CLASSES = ("ant", "bee", "cat 2", "cat 10")
ONE_CLASS = ("object",)
formats = pytest.mark.parametrize("fmt", list(FORMATS), ids=lambda fmt: fmt.name)


def make_samples(tmp_path: Path, task: str, splits: tuple[str, ...], count: int = 8) -> dict[str, list[Sample]]:
    """8-bit gray pictures of one size, which every format can hold; every class occurs in every split."""
    size_hw = (6, 5) if task in ("classification", "multilabel") else (24, 20)
    pixels = np.random.default_rng(5).integers(0, 255, (count * len(splits), *size_hw), dtype=np.uint8)
    path = tmp_path / f"pixels-{size_hw[0]}.npy"
    np.save(path, pixels)
    made: dict[str, list[Sample]] = {}
    for position, split in enumerate(splits):
        part = []
        for number in range(count):
            index = position * count + number
            part.append(Sample(ArraySource(path, "", index, f"pixels.npy#{index}"), ANNOTATIONS[task](number)))
        made[split] = part
    return made


def make_labels(number: int) -> Labels:
    return Labels(tuple(sorted({number % 4, (number // 2) % 4})) if number else ())


def make_boxes(number: int) -> Boxes:
    """None in the first picture, else one of each class but one; whole pixels, one box up to two edges."""
    kinds = np.array([kind for kind in range(4) if kind != number % 5] if number else [], np.int64)
    left, top = 2 * kinds + number % 3, 3 * kinds
    return Boxes(np.column_stack([left, top, left + 5 + kinds, top + 6]).astype(np.float32), kinds)


def make_instances(number: int) -> Instances:
    """None in the first picture; else two objects that do not touch: one with a hole, one of two parts."""
    masks = np.zeros((2 if number else 0, 24, 20), np.bool_)
    if number:
        masks[0, 1:9, 2 : 8 + number % 3] = True
        masks[0, 4:6, 4:6] = False
        masks[1, 12:20, 1:4] = masks[1, 14:18, 10:19] = True
    return Instances.from_dense(masks, np.array([number % 4, (number + 1) % 4][: len(masks)], np.int64))


def make_mask(number: int) -> Mask:
    """Every class, in bands; a corner that nobody knows."""
    classes = ((np.arange(24)[:, None] // 6 + number) % 4 + np.zeros((24, 20))).astype(np.uint8)
    classes[:2, :2] = 255
    return Mask(classes)


ANNOTATIONS: dict[str, Callable[[int], Annotation]] = {
    "classification": lambda number: Label(number % 4),
    "multilabel": make_labels,
    "detection": make_boxes,
    "segmentation": make_mask,
    "instances": make_instances,
}


def classes_of(fmt: Format, task: str) -> tuple[str, ...]:
    """Class names for a test; formats that know no classes have one."""
    return ONE_CLASS if task == "instances" and not fmt.names_classes else CLASSES


def of_one_class(samples: dict[str, list[Sample]]) -> dict[str, list[Sample]]:
    """The same objects, all of the first class."""
    return {split: [one_of_one_class(one) for one in part] for split, part in samples.items()}


def one_of_one_class(sample: Sample) -> Sample:
    instances = sample.read_annotation()
    assert isinstance(instances, Instances)
    return replace(sample, annotation=replace(instances, classes=np.zeros(len(instances), np.int64)))


def written_samples(tmp_path: Path, fmt: Format, task: str, splits: tuple[str, ...]) -> dict[str, list[Sample]]:
    samples = make_samples(tmp_path, task, splits)
    return of_one_class(samples) if classes_of(fmt, task) == ONE_CLASS else samples


def contents(splits: dict[str, list[Sample]]) -> dict[str, list[tuple[bytes, Annotation | None]]]:
    """Pixels and annotation of each split, in an order of their own."""
    return {
        split: sorted(
            ((sample.read().pixels.tobytes(), in_order(sample.read_annotation())) for sample in samples),
            key=lambda pair: pair[0],
        )
        for split, samples in splits.items()
    }


def in_order(annotation: Annotation | None) -> Annotation | None:
    """Objects sorted by place, coordinates to a hundredth of a pixel: formats write decimals, in any order."""
    if not isinstance(annotation, Boxes | Instances):
        return annotation
    rounded = replace(annotation, boxes_xyxy=annotation.boxes_xyxy.round(2))
    return rounded[np.lexsort([rounded.classes, *rounded.boxes_xyxy.T])]


@formats
def test_all_that_it_holds_can_be_trained(fmt: Format) -> None:
    assert set(fmt.tasks) <= set(TASKS.names())


@formats
def test_it_is_described(fmt: Format) -> None:
    assert fmt.name == fmt.name.lower()
    assert fmt.title
    assert fmt.tasks
    assert FORMATS.get(fmt.name) is fmt


@formats
@pytest.mark.parametrize("splits", [GIVEN_SPLITS, ("train", "test"), ("",)], ids=lambda splits: "+".join(splits))
def test_what_is_written_is_read_again(tmp_path: Path, fmt: Format, splits: tuple[str, ...]) -> None:
    for task in fmt.tasks:
        out = tmp_path / task
        samples = written_samples(tmp_path, fmt, task, splits)
        fmt.write(dict(samples), classes_of(fmt, task), out)
        reading = fmt.read(out, task)
        assert reading.format == fmt.name
        assert reading.task == task
        assert reading.classes == classes_of(fmt, task)
        assert reading.problems == []
        assert contents(reading.splits) == contents(samples)
        names = [sample.name for part in reading.splits.values() for sample in part]
        assert len(set(names)) == len(names)


@formats
def test_what_is_written_is_recognised(tmp_path: Path, fmt: Format) -> None:
    for task in fmt.tasks:
        out = tmp_path / task
        fmt.write(dict(written_samples(tmp_path, fmt, task, ("train", "test"))), classes_of(fmt, task), out)
        found, sniff = find_format(out)
        assert found is fmt
        assert 0 < sniff.confidence <= 1
        assert sniff.reason
        assert read_folder(out).format == fmt.name
        assert read_folder(out, fmt.name).format == fmt.name


@formats
def test_reading_twice_gives_the_same(tmp_path: Path, fmt: Format) -> None:
    task = fmt.tasks[0]
    fmt.write(dict(written_samples(tmp_path, fmt, task, ("train", "test"))), classes_of(fmt, task), tmp_path / "out")
    first, second = fmt.read(tmp_path / "out"), fmt.read(tmp_path / "out")
    assert first.splits == second.splits
    assert first.notes == second.notes


@formats
def test_an_empty_folder_is_not_its_own(tmp_path: Path, fmt: Format) -> None:
    assert fmt.sniff(tmp_path) is None
    assert fmt.sniff(tmp_path / "nowhere") is None
    with pytest.raises(DataError) as caught:
        fmt.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.fix
    with pytest.raises(DataError):
        fmt.read(tmp_path / "nowhere")


@formats
def test_files_of_something_else_are_not_its_own(tmp_path: Path, fmt: Format) -> None:
    for name in ("a.txt", "b.csv", "c.npz", "d.gz", "train-images-idx3-ubyte.gz", "e.json", "f.jpg"):
        (tmp_path / name).write_bytes(b"\x00\x01junk,\nmore\n")
    assert fmt.sniff(tmp_path) is None
    for path in tmp_path.iterdir():
        assert fmt.sniff(path) is None


@formats
def test_it_never_writes_over_something(tmp_path: Path, fmt: Format) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(RequestError, match="there is something here already") as caught:
        fmt.write(dict(make_samples(tmp_path, fmt.tasks[0], ("train",))), CLASSES, tmp_path / "out")
    assert "new" in caught.value.fix
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@formats
def test_pictures_without_a_label_are_refused(tmp_path: Path, fmt: Format) -> None:
    (sample, *_) = make_samples(tmp_path, fmt.tasks[0], ("train",))["train"]
    unlabelled = Sample(sample.source)
    with pytest.raises(StriateError) as caught:
        fmt.write({"train": [unlabelled]}, CLASSES, tmp_path / "out")
    assert "pixels.npy#0" in str(caught.value)


@formats
def test_several_labels_are_refused_where_one_fits(tmp_path: Path, fmt: Format) -> None:
    if "classification" not in fmt.tasks or "multilabel" in fmt.tasks:
        pytest.skip("holds several labels, or none")
    samples = make_samples(tmp_path, "multilabel", ("train",))
    with pytest.raises(RequestError, match="may have several labels") as caught:
        fmt.write(dict(samples), CLASSES, tmp_path / "out")
    assert "`table`" in caught.value.fix
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", list(ANNOTATIONS))
def test_each_pair_of_formats_converts(tmp_path: Path, task: str) -> None:
    able = [fmt for fmt in FORMATS if task in fmt.tasks]
    for first in able:
        original = written_samples(tmp_path, first, task, ("train", "test"))
        first.write(dict(original), classes_of(first, task), tmp_path / first.name)
        reading = first.read(tmp_path / first.name, task)
        for second in able:
            out = tmp_path / f"{first.name} to {second.name}"
            source, classes = reading.splits, reading.classes
            if classes_of(second, task) == ONE_CLASS:
                source, classes = of_one_class(source), ONE_CLASS
            second.write(dict(source), classes, out)
            again = second.read(out, task)
            assert contents(again.splits) == contents(source)
            assert again.classes == classes


@formats
@pytest.mark.parametrize("task", ["detection", "instances"])
def test_crowds_and_objects_to_ignore_are_kept_or_refused_and_can_be_left_out(
    tmp_path: Path, fmt: Format, task: str
) -> None:
    if task not in fmt.tasks:
        pytest.skip("for other tasks")
    plain = written_samples(tmp_path, fmt, task, ("train",))["train"]
    flagged = [*plain[:-1], with_flags(plain[-1])]
    kept, problems = leave_out_flagged({"train": flagged}, fmt, task)
    if task not in fmt.unflagged_tasks:
        assert (kept, problems) == ({"train": flagged}, [])
        fmt.write({"train": flagged}, classes_of(fmt, task), tmp_path / "out")
        assert contents(fmt.read(tmp_path / "out", task).splits) == contents({"train": flagged})
        return
    with pytest.raises(RequestError):
        fmt.write({"train": flagged}, classes_of(fmt, task), tmp_path / "out")
    (problem,) = problems
    assert (problem.kind, problem.path, problem.severity) == ("flagged-object", plain[-1].name, "dropped")
    assert "a crowd or need not be found, as 2 objects are marked in 1 picture (" in problem.detail
    fmt.write(dict(kept), classes_of(fmt, task), tmp_path / "left")
    assert contents(fmt.read(tmp_path / "left", task).splits) == contents(kept)


def with_flags(sample: Sample) -> Sample:
    """The same with a crowd and an object to ignore in front."""
    objects = sample.read_annotation()
    assert isinstance(objects, Boxes | Instances)
    numbers = np.arange(len(objects))
    return replace(sample, annotation=replace(objects, iscrowd=numbers == 0, ignore=numbers == 1))
