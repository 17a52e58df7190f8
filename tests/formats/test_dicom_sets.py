"""DICOM series as data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom")


from striate.data import open_dataset
from striate.formats import find_format, read_folder
from striate.images.volumes.dicom import series_at
from striate.images.volumes.dicom_seg import write_segmentation
from striate.structures import Mask

MakeSeries = Callable[..., np.ndarray]


def make_labels(folder: Path, out: Path, name: str = "lesion") -> np.ndarray:
    labels = np.zeros((4, 8, 6), np.uint8)
    labels[1:3, 2:5, 1:4] = 1
    write_segmentation(labels, series_at(folder), ("background", name), out)
    return labels


def test_series_and_their_seg_files_are_pictures_and_masks(tmp_path: Path, dicom_series: MakeSeries) -> None:
    values = dicom_series(tmp_path / "a" / "ct", "P1")
    labels = make_labels(tmp_path / "a" / "ct", tmp_path / "a" / "seg.dcm")
    assert find_format(tmp_path)[0].name == "volumes"
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("segmentation", ("background", "lesion"))
    samples = reading.splits[""]
    assert [sample.name for sample in samples] == [f"a/ct#{index}" for index in range(4)]
    for index, sample in enumerate(samples):
        picture, mask = sample.read(), sample.read_annotation()
        assert np.array_equal(picture.pixels[1], values[index])
        assert picture.levels is not None
        assert picture.levels.unit == "HU"
        assert picture.spacing_mm == (0.5, 0.5)
        assert isinstance(mask, Mask)
        assert np.array_equal(mask.classes, labels[index])


def test_one_patient_is_one_group_and_is_not_named(tmp_path: Path, dicom_series: MakeSeries) -> None:
    for number in range(6):
        dicom_series(tmp_path / f"s{number}", f"SECRET{number // 2}", seed=number)
        make_labels(tmp_path / f"s{number}", tmp_path / f"s{number}.dcm")
    data = open_dataset(tmp_path)
    groups = {name: {sample.group for sample in part} for name, part in data.splits.items()}
    assert sum(map(len, groups.values())) == 3
    assert "SECRET" not in repr(data)


def test_a_table_may_name_patients(tmp_path: Path, dicom_series: MakeSeries) -> None:
    for number in range(6):
        dicom_series(tmp_path / f"s{number}", f"SECRET{number}", seed=number)
    rows = "\n".join(f"SECRET{number},{'ill' if number % 2 else 'healthy'}" for number in range(6))
    (tmp_path / "labels.csv").write_text(f"patient_id,diagnosis\n{rows}\n")
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("classification", ("healthy", "ill"))
    assert len(reading.splits[""]) == 6 * 4
    assert "SECRET" not in repr(reading)


def test_classes_are_the_folders_in_which_series_differ(tmp_path: Path, dicom_series: MakeSeries) -> None:
    for number in range(4):
        kind = "ill" if number % 2 else "healthy"
        dicom_series(tmp_path / "data" / kind / f"patient{number}" / "ct", f"P{number}", seed=number)
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes) == ("classification", ("healthy", "ill"))


def test_a_seg_without_its_series_and_the_reverse_are_named(tmp_path: Path, dicom_series: MakeSeries) -> None:
    dicom_series(tmp_path / "a", "P1", seed=1)
    make_labels(tmp_path / "a", tmp_path / "a.dcm")
    dicom_series(tmp_path / "b", "P2", seed=2)
    dicom_series(tmp_path.parent / "elsewhere", "P3", seed=3)
    make_labels(tmp_path.parent / "elsewhere", tmp_path / "stray.dcm")
    problems = {problem.kind: problem for problem in read_folder(tmp_path).problems}
    assert problems["mask-without-picture"].path == "stray.dcm"
    assert problems["picture-without-mask"].path == "b"
