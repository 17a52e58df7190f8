"""What every registered format must satisfy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.errors import DataError, RequestError, StriateError
from striate.formats import FORMATS, Format, find_format, read_folder
from striate.formats.base import GIVEN_SPLITS
from striate.images import ArraySource
from striate.structures import Annotation, Label, Labels, Sample

CLASSES = ("ant", "bee", "cat 2", "cat 10")
formats = pytest.mark.parametrize("fmt", list(FORMATS), ids=lambda fmt: fmt.name)


def make_samples(tmp_path: Path, task: str, splits: tuple[str, ...], count: int = 8) -> dict[str, list[Sample]]:
    """8-bit gray pictures of one size, which every format can hold; every class occurs in every split."""
    pixels = np.random.default_rng(5).integers(0, 255, (count * len(splits), 6, 5), dtype=np.uint8)
    path = tmp_path / "pixels.npy"
    np.save(path, pixels)
    made: dict[str, list[Sample]] = {}
    for position, split in enumerate(splits):
        part = []
        for number in range(count):
            index = position * count + number
            chosen: Annotation = Label(number % 4)
            if task == "multilabel":
                chosen = Labels(tuple(sorted({number % 4, (number // 2) % 4})) if number else ())
            part.append(Sample(ArraySource(path, "", index, f"pixels.npy#{index}"), chosen))
        made[split] = part
    return made


def contents(splits: dict[str, list[Sample]]) -> dict[str, list[tuple[bytes, Annotation | None]]]:
    """Pixels and annotation of each split, in an order of their own."""
    return {
        split: sorted(((sample.read().pixels.tobytes(), sample.annotation) for sample in samples), key=lambda p: p[0])
        for split, samples in splits.items()
    }


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
        samples = make_samples(tmp_path, task, splits)
        fmt.write(dict(samples), CLASSES, out)
        reading = fmt.read(out)
        assert reading.format == fmt.name
        assert reading.task == task
        assert reading.classes == CLASSES
        assert reading.problems == []
        assert contents(reading.splits) == contents(samples)
        names = [sample.name for part in reading.splits.values() for sample in part]
        assert len(set(names)) == len(names)


@formats
def test_what_is_written_is_recognised(tmp_path: Path, fmt: Format) -> None:
    for task in fmt.tasks:
        out = tmp_path / task
        fmt.write(dict(make_samples(tmp_path, task, ("train", "test"))), CLASSES, out)
        found, sniff = find_format(out)
        assert found is fmt
        assert 0 < sniff.confidence <= 1
        assert sniff.reason
        assert read_folder(out).format == fmt.name
        assert read_folder(out, fmt.name).format == fmt.name


@formats
def test_reading_twice_gives_the_same(tmp_path: Path, fmt: Format) -> None:
    fmt.write(dict(make_samples(tmp_path, fmt.tasks[0], ("train", "test"))), CLASSES, tmp_path / "out")
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
    if "multilabel" in fmt.tasks:
        pytest.skip("holds several labels")
    samples = make_samples(tmp_path, "multilabel", ("train",))
    with pytest.raises(RequestError, match="may have several labels") as caught:
        fmt.write(dict(samples), CLASSES, tmp_path / "out")
    assert "`table`" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_each_pair_of_formats_converts(tmp_path: Path) -> None:
    original = make_samples(tmp_path, "classification", ("train", "test"))
    for first in FORMATS:
        first.write(dict(original), CLASSES, tmp_path / first.name)
        reading = first.read(tmp_path / first.name)
        for second in FORMATS:
            out = tmp_path / f"{first.name} to {second.name}"
            second.write(dict(reading.splits), reading.classes, out)
            again = second.read(out)
            assert contents(again.splits) == contents(original)
            assert again.classes == CLASSES
