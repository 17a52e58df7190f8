from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from striate.evaluation.cases import assemble, case_rows, case_summary, means_of, pooled
from striate.evaluation.intervals import group_numbers
from striate.formats import read_folder
from striate.structures import Mask, Sample, SegmentedPicture
from striate.tasks import TASKS
from striate.tasks.pixel_figures import case_dice, count_pixels

CLASSES = ("background", "lesion")


def labelled_volumes(root: Path, count: int = 2) -> list[Sample]:
    """Volumes of 2 x 1 x 1.9 mm voxels with a block of 4 x 3 x 2 voxels of class 1."""
    affine = np.diag([2.0, 1.0, 1.9, 1.0])
    for number in range(count):
        labels = np.zeros((8, 7, 6), np.uint8)
        labels[2:6, 2:5, 2:4] = 1
        for folder, values in (("images", labels.astype(np.int16) * 100), ("labels", labels)):
            (root / folder).mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values, affine), root / folder / f"v{number}.nii.gz")
    return read_folder(root).splits[""]


def answered(samples: list[Sample], shift: int = 0) -> list[tuple[Sample, SegmentedPicture]]:
    """Their own masks as answers, moved to the right."""
    found = []
    for sample in samples:
        mask = sample.read_annotation()
        assert isinstance(mask, Mask)
        found.append((sample, SegmentedPicture(np.roll(mask.classes, shift, axis=1), CLASSES)))
    return found


def test_slices_come_together_to_the_volume_they_were_cut_from(tmp_path: Path) -> None:
    samples = labelled_volumes(tmp_path)
    volumes = list(assemble(answered(samples), truth=True))
    assert [volume.source.volume for volume in volumes] == ["images/v0.nii.gz", "images/v1.nii.gz"]
    assert all(np.array_equal(volume.labels, volume.true) for volume in volumes)
    (row, _) = case_rows(volumes, CLASSES)
    assert row == {
        "case": "images/v0.nii.gz",
        "class": "lesion",
        "dice": 1.0,
        "hd95_mm": 0.0,
        "hd_mm": 0.0,
        "true_ml": 0.0912,
        "found_ml": 0.0912,
    }


def test_an_answer_one_column_aside_is_one_column_of_millimetres_away(tmp_path: Path) -> None:
    rows = list(case_rows(assemble(answered(labelled_volumes(tmp_path), shift=1), truth=True), CLASSES))
    # Columns are the first axis, of 2 mm; three of four columns overlap.
    assert rows[0]["dice"] == pytest.approx(0.75)
    assert rows[0]["hd_mm"] == rows[0]["hd95_mm"] == 2.0
    assert case_summary(rows) == [
        {"class": "lesion", "volumes": 2, "dice": 0.75, "least": 0.75, "hd95_mm": 2.0, "missed": 0}
    ]


def test_a_lesion_that_is_missed_has_no_distance_and_is_counted(tmp_path: Path) -> None:
    samples = labelled_volumes(tmp_path, 1)
    nothing = [(sample, SegmentedPicture(np.zeros_like(answer.mask), CLASSES)) for sample, answer in answered(samples)]
    rows = list(case_rows(assemble(nothing, truth=True), CLASSES))
    assert (rows[0]["dice"], rows[0]["hd95_mm"], rows[0]["found_ml"]) == (0.0, None, 0.0)
    assert case_summary(rows)[0]["missed"] == 1


def test_dice_of_a_volume_is_that_of_all_its_slices(tmp_path: Path) -> None:
    samples = labelled_volumes(tmp_path)
    task = TASKS.get("segmentation")
    pairs = answered(samples[:6]) + answered(samples[6:], shift=1)
    records = []
    for sample, answer in pairs:
        mask = sample.read_annotation()
        assert isinstance(mask, Mask)
        record = count_pixels(mask.classes, answer.mask, 2)
        record["case"] = hash(sample.case) & 0xFFFF or 1
        records.append(record)
    scores = np.concatenate(records)
    # The first volume is right, the second 0.75: each counts as much, however many slices it has.
    assert case_dice(scores, np.ones((1, len(scores))))[0] == pytest.approx((1 + 0.75) / 2)
    twice = np.repeat([[3.0, 0.0]], 1, axis=0) @ np.kron(np.eye(2), np.ones((1, 6)))
    assert case_dice(scores, twice)[0] == pytest.approx(1.0)
    assert task.metrics(scores, np.ones((len(scores), 2)), CLASSES)["case_dice"] == pytest.approx(0.875)


def test_volumes_with_one_class_are_answered_by_the_mean_over_their_slices(tmp_path: Path) -> None:
    for name in ("healthy", "ill"):
        (tmp_path / name).mkdir()
        for number in range(2):
            volume = nibabel.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.eye(4))
            nibabel.save(volume, tmp_path / name / f"{name}{number}.nii")
    samples = [one for one in read_folder(tmp_path).splits[""] if (one.case or "").endswith("0.nii")]
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]], np.float32)
    targets = np.array([0, 0, 0, 1, 1, 1])
    found = pooled(TASKS.get("classification"), scores, targets, samples)
    assert found.scores == pytest.approx(np.array([[0.7, 0.3], [0.3, 0.7]]))
    assert found.targets.tolist() == [0, 1]
    assert "2 whole volumes" in found.notes[0]


def test_pictures_without_a_group_are_groups_of_their_own() -> None:
    assert group_numbers([None, None]) is None
    numbers = group_numbers(["p1", None, "p1", None])
    assert numbers is not None
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3


def test_scores_of_slices_become_means_of_their_volumes() -> None:
    scores = np.array([[0.2, 0.8], [1.0, 0.0], [0.6, 0.4]], np.float32)
    means, first = means_of(scores, ["b", "a", "b"])
    np.testing.assert_allclose(means, [[1.0, 0.0], [0.4, 0.6]], atol=1e-6)
    assert (means.dtype, first.tolist()) == (np.dtype("float32"), [1, 0])
