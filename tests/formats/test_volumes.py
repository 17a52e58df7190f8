from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from striate.data import open_dataset
from striate.errors import DataError
from striate.formats import find_format, read_folder
from striate.formats.volumes.files import look_for_volumes
from striate.images.volumes import SliceSource
from striate.structures import Mask, Slicing

RAS = np.diag([1.0, 1.0, 2.5, 1.0])


def save(path: Path, values: np.ndarray, affine: np.ndarray = RAS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def make_set(root: Path, count: int = 8, names: str = "case_{:03d}") -> None:
    """Volumes of 6 x 5 x 4 voxels (i, j, k) with a bright block that is class 1 in all but the last slice."""
    rng = np.random.default_rng(0)
    for number in range(count):
        values = rng.integers(0, 50, (6, 5, 4), dtype=np.int16)
        labels = np.zeros((6, 5, 4), np.uint8)
        labels[1:3, 1:4, :3] = 1
        values[labels == 1] += 500
        save(root / "images" / f"{names.format(number)}.nii.gz", values)
        save(root / "labels" / f"{names.format(number)}.nii.gz", labels)


def test_slices_are_pictures_and_the_volume_is_their_group(tmp_path: Path) -> None:
    make_set(tmp_path)
    found, sniff = find_format(tmp_path)
    assert (found.name, sniff.confidence) == ("volumes", 0.95)
    reading = read_folder(tmp_path)
    samples = reading.splits[""]
    assert len(samples) == 8 * 4
    assert reading.classes == ("background", "class 1")
    assert {sample.group for sample in samples[:4]} == {"images/case_000"}
    assert samples[0].case == "images/case_000.nii.gz"
    # NIfTI's first axis goes to the right, and so do the columns of an upright picture from the other side.
    volume = np.asarray(nibabel.load(tmp_path / "images/case_000.nii.gz").dataobj)
    picture = samples[1].read()
    assert picture.channel_names == ("slice -1", "slice +0", "slice +1")
    assert np.array_equal(picture.pixels, np.stack([volume[::-1, ::-1, k].T for k in (0, 1, 2)]))
    assert picture.spacing_mm == (1.0, 1.0)
    mask = samples[1].read_annotation()
    assert isinstance(mask, Mask)
    assert np.array_equal(
        mask.classes, np.asarray(nibabel.load(tmp_path / "labels/case_000.nii.gz").dataobj)[::-1, ::-1, 1].T
    )


def test_a_volume_never_straddles_two_splits(tmp_path: Path) -> None:
    make_set(tmp_path, 12)
    data = open_dataset(tmp_path)
    cases = {name: {sample.case for sample in part} for name, part in data.splits.items()}
    assert sum(map(len, cases.values())) == 12
    assert set(cases) == {"train", "validation", "test"}


def test_planes_and_neighbours_can_be_chosen(tmp_path: Path) -> None:
    make_set(tmp_path, 2)
    reading = read_folder(tmp_path, slicing=Slicing("sagittal", 2))
    sample = reading.splits[""][0]
    assert isinstance(sample.source, SliceSource)
    assert (sample.source.plane, len(reading.splits[""])) == (2, 12)
    assert sample.read().pixels.shape == (5, 4, 5)


@pytest.mark.parametrize("labels", [{"0": "background", "1": "lesion"}, {"background": 0, "lesion": 1}])
def test_classes_are_listed_as_the_decathlon_and_nnunet_do(tmp_path: Path, labels: dict[str, object]) -> None:
    make_set(tmp_path, 3)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert read_folder(tmp_path).classes == ("background", "lesion")


def test_nnunet_names_channels_in_four_digits(tmp_path: Path) -> None:
    make_set(tmp_path, 3)
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_name(path.name.replace(".nii.gz", "_0000.nii.gz")))
    reading = read_folder(tmp_path)
    assert (len(reading.splits[""]), reading.problems) == (12, [])
    save(tmp_path / "images" / "case_000_0001.nii.gz", np.zeros((6, 5, 4), np.uint8))
    save(tmp_path / "images" / "case_001_0001.nii.gz", np.ones((6, 5, 4), np.uint8))
    reading = read_folder(tmp_path, slicing=Slicing(neighbours=0))
    assert len(reading.splits[""]) == 8
    (problem,) = reading.problems
    assert (problem.kind, problem.path) == ("missing-channel", "images/case_002_0000.nii.gz")
    assert "there is no file for 0001, where other volumes have 0000, 0001." in problem.detail
    assert "Channels of a volume lie in files of their own (0000, 0001)." in reading.notes
    picture = reading.splits[""][4].read()
    assert picture.channel_names == ("0000", "0001")
    assert picture.pixels[1].tolist() == np.ones((5, 6)).tolist()
    assert reading.splits[""][4].group == "images/case_001"


def test_numbers_of_volumes_are_no_channels(tmp_path: Path) -> None:
    for number in range(4):
        for name in (f"ill/a_{number:04d}", f"well/b_{number:04d}"):
            save(tmp_path / f"{name}.nii.gz", np.random.default_rng(number).integers(0, 9, (6, 5, 4), dtype=np.int16))
    reading = read_folder(tmp_path)
    assert (reading.classes, len(reading.splits[""])) == (("ill", "well"), 8 * 4)


def test_channels_on_different_grids_are_not_put_together(tmp_path: Path) -> None:
    make_set(tmp_path, 3)
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_name(path.name.replace(".nii.gz", "_0000.nii.gz")))
        save(path.with_name(path.name.replace(".nii.gz", "_0001.nii.gz")), np.zeros((3, 5, 4), np.int16))
    reading = read_folder(tmp_path, slicing=Slicing(neighbours=0))
    assert reading.splits[""][0].read().channel_names == ("gray",)
    (problem,) = reading.problems
    assert problem.kind == "further-channel"
    assert "it lies on another grid" in problem.detail


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    make_set(tmp_path, 4)
    (tmp_path / "labels/case_001.nii.gz").unlink()
    (tmp_path / "images/case_002.nii.gz").unlink()
    problems = {problem.kind: problem for problem in read_folder(tmp_path).problems}
    assert "case_001" in problems["picture-without-mask"].detail
    assert "case_002" in problems["mask-without-picture"].detail


def test_labels_on_another_grid_are_brought_over_or_refused(tmp_path: Path) -> None:
    make_set(tmp_path, 5)
    fine = np.zeros((12, 10, 8), np.uint8)
    fine[2:6, 2:8, :6] = 1
    # Voxels of half the side whose block covers the same places.
    affine = np.diag([0.5, 0.5, 1.25, 1.0])
    affine[:3, 3] = -0.25, -0.25, -0.625
    save(tmp_path / "labels/case_000.nii.gz", fine, affine)
    far = np.eye(4)
    far[:3, 3] = 500
    save(tmp_path / "labels/case_001.nii.gz", fine, far)
    data = open_dataset(tmp_path, test_share=0)
    kept = {sample.case: sample for part in data.splits.values() for sample in part}
    assert "images/case_001.nii.gz" not in kept
    mask = kept["images/case_000.nii.gz"].read_annotation()
    other = next(
        sample for part in data.splits.values() for sample in part if sample.name == "images/case_002.nii.gz#0"
    )
    first = next(
        sample for part in data.splits.values() for sample in part if sample.name == "images/case_000.nii.gz#0"
    )
    assert isinstance(mask, Mask)
    assert first.read_annotation() == other.read_annotation()
    assert "mask-on-another-grid" in {problem.kind for problem in data.problems}


def test_volumes_in_class_folders(tmp_path: Path) -> None:
    for name in ("healthy", "ill"):
        for number in range(6):
            save(tmp_path / name / f"{name}{number}.nii.gz", np.full((6, 5, 4), number, np.int16))
    reading = read_folder(tmp_path)
    assert (reading.format, reading.task, reading.classes) == ("volumes", "classification", ("healthy", "ill"))
    assert len(reading.splits[""]) == 2 * 6 * 4
    assert reading.splits[""][0].read().channels == 1


def test_values_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    make_set(tmp_path, 1)
    save(tmp_path / "labels/case_000.nii.gz", np.full((6, 5, 4), 0.5, np.float32))
    with pytest.raises(DataError, match=r"holds 0\.5 where class numbers"):
        read_folder(tmp_path)


def test_a_damaged_volume_is_left_out_and_named(tmp_path: Path) -> None:
    make_set(tmp_path, 8)
    whole = (tmp_path / "images/case_003.nii.gz").read_bytes()
    (tmp_path / "images/case_003.nii.gz").write_bytes(whole[:-20])
    (tmp_path / "images/case_004.nii.gz").write_bytes(b"")
    data = open_dataset(tmp_path)
    cases = {sample.case for part in data.splits.values() for sample in part}
    assert cases == {f"images/case_{number:03d}.nii.gz" for number in (0, 1, 2, 5, 6, 7)}
    dropped = [(problem.path, problem.kind) for problem in data.problems if problem.severity == "dropped"]
    assert sorted(dropped) == [("images/case_003.nii.gz", "truncated"), ("images/case_004.nii.gz", "empty")]


def test_a_patient_in_two_given_splits_is_told(tmp_path: Path) -> None:
    for split, patients in (("train", "abcd"), ("test", "de")):
        for name in patients:
            values = np.random.default_rng(ord(name)).integers(0, 50, (6, 5, 4), dtype=np.int16)
            labels = (values > 25).astype(np.uint8)
            save(tmp_path / split / f"patient_{name}" / f"{split}.nii.gz", values + (split == "test"))
            save(tmp_path / split / f"patient_{name}" / f"{split}_seg.nii.gz", labels)
    data = open_dataset(tmp_path)
    (leak,) = (problem for problem in data.problems if problem.kind == "leakage")
    assert "1 patient or group is in train and in test" in leak.detail
    assert "patient_d" in leak.detail


def test_a_table_names_volumes_and_labels(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / "scans" / f"s{number}.nii.gz", np.full((6, 5, 4), number, np.int16))
    rows = "\n".join(f"s{number},{'ill' if number % 2 else 'healthy'}" for number in range(7))
    (tmp_path / "labels.csv").write_text(f"scan,diagnosis\n{rows}\nnobody,ill\n")
    reading = read_folder(tmp_path)
    assert (reading.task, reading.classes, len(reading.splits[""])) == ("classification", ("healthy", "ill"), 7 * 4)
    assert {problem.kind for problem in reading.problems} == {"missing-file", "unlabelled"}
    # Cells may be the ids of patients.
    assert not any("nobody" in problem.detail for problem in reading.problems)


def test_several_scans_of_a_patient_and_one_label_volume(tmp_path: Path) -> None:
    for number in range(4):
        labels = np.zeros((6, 5, 4), np.uint8)
        labels[2:4, 1:3, 1:3] = 1
        for word in ("t1", "t1ce", "t2", "flair"):
            values = np.random.default_rng(number).integers(0, 50, (6, 5, 4), dtype=np.int16)
            save(tmp_path / f"BraTS_{number}" / f"BraTS_{number}_{word}.nii.gz", values)
        save(tmp_path / f"BraTS_{number}" / f"BraTS_{number}_seg.nii.gz", labels)
    reading = read_folder(tmp_path)
    assert (reading.task, len(reading.splits[""])) == ("segmentation", 4 * 4)
    assert {sample.group for sample in reading.splits[""]} == {f"brats_{number}" for number in range(4)}
    assert reading.problems == []
    assert reading.splits[""][0].case == "BraTS_0/BraTS_0_{flair,t1,t1ce,t2}.nii.gz"
    assert reading.splits[""][0].read().pixels.shape == (3 * 4, 5, 6)


def test_scans_that_are_called_alike_in_all_folders(tmp_path: Path) -> None:
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:4, 1:3, 1:3] = 1
    for number in range(4):
        for word in ("flair", "t1", "seg"):
            if (number, word) != (3, "t1"):
                values = labels if word == "seg" else np.full((6, 5, 4), number + len(word), np.int16)
                save(tmp_path / f"patient{number}" / f"{word}.nii.gz", values)
    reading = read_folder(tmp_path, slicing=Slicing(neighbours=0))
    assert {sample.case for sample in reading.splits[""]} == {f"patient{n}/{{flair,t1}}.nii.gz" for n in range(3)}
    assert reading.splits[""][0].read().channel_names == ("flair", "t1")
    assert reading.splits[""][0].group == "patient0"
    (problem,) = reading.problems
    assert (problem.kind, problem.path) == ("missing-channel", "patient3/flair.nii.gz")


def test_one_scan_and_its_labels_in_each_folder(tmp_path: Path) -> None:
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:4, 1:3, 1:3] = 1
    for number in range(3):
        save(tmp_path / f"p{number}" / "mri.nii.gz", np.full((6, 5, 4), number, np.int16))
        save(tmp_path / f"p{number}" / "label.nii.gz", labels)
    reading = read_folder(tmp_path)
    assert (reading.task, reading.problems) == ("segmentation", [])
    assert {sample.case for sample in reading.splits[""]} == {f"p{number}/mri.nii.gz" for number in range(3)}


def test_labels_in_black_and_white(tmp_path: Path) -> None:
    make_set(tmp_path, 2)
    for path in (tmp_path / "labels").iterdir():
        save(path, np.asarray(nibabel.load(path).dataobj) * np.uint8(255))
    assert read_folder(tmp_path).classes == ("background", "foreground")


def test_class_folders_are_no_patients_and_patient_folders_no_classes(tmp_path: Path) -> None:
    for number in range(8):
        kind = "ill" if number % 2 else "healthy"
        save(tmp_path / "flat" / kind / f"v{number}.nii.gz", np.full((6, 5, 4), number, np.int16))
        save(tmp_path / "deep" / kind / f"p{number // 4}" / f"v{number}.nii.gz", np.full((6, 5, 4), number, np.int16))
        save(tmp_path / "unlabelled" / f"p{number}" / "v.nii.gz", np.full((6, 5, 4), number, np.int16))
    groups = {one.group for one in read_folder(tmp_path / "flat").splits[""]}
    assert len(groups) == 8
    assert {one.group for one in read_folder(tmp_path / "deep").splits[""]} == {"p0", "p1"}
    with pytest.raises(DataError, match="nothing says what they show"):
        read_folder(tmp_path / "unlabelled")


def test_stacks_are_volumes_for_whoever_asks_for_them(tmp_path: Path) -> None:
    for number in range(3):
        for folder, values in (("images", np.arange(120)), ("labels", np.arange(120) % 2)):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"s{number}.npy", values.reshape(4, 5, 6).astype(np.uint8))
    reading = read_folder(tmp_path, "volumes")
    assert (reading.task, len(reading.splits[""])) == ("segmentation", 12)


def make_stack(label: bool, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(1, 900, (6, 8, 9)).astype(np.uint16)
    labels = np.zeros((6, 8, 9), np.uint8)
    labels[1:4, 2:5, 2:6] = 1
    return labels if label else values + np.uint16(5000) * labels


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/{}.tif", "labels/{}.tif"),
        ("{}.npy", "{}_seg.npy"),
        ("{}_image.npy", "{}_label.npy"),
        ("p{}_data_cropped.npy", "p{}_label_cropped.npy"),
        ("train/scan{}.npy", "train/scan{}_mask.npy"),
    ],
)
def test_stacks_in_files_that_pictures_have_too_are_recognised(tmp_path: Path, image: str, label: str) -> None:
    for number in range(4):
        for name, is_label in ((image, False), (label, True)):
            path = tmp_path / name.format(number)
            path.parent.mkdir(exist_ok=True)
            stack = make_stack(is_label, number)
            if path.suffix == ".tif":
                tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})
            else:
                np.save(path, stack)
    found, sniff = find_format(tmp_path)
    assert (found.name, sniff.confidence) == ("volumes", 0.95)
    reading = read_folder(tmp_path)
    samples = [sample for part in reading.splits.values() for sample in part]
    assert len(samples) == 4 * 6
    np.testing.assert_array_equal(samples[8].read().pixels[1], make_stack(False, 1)[2])
    np.testing.assert_array_equal(samples[8].read_annotation().classes, make_stack(True)[2])


def test_class_folders_of_stacks_are_read_whole(tmp_path: Path) -> None:
    for name in ("ill", "well"):
        (tmp_path / name).mkdir()
        for number in range(3):
            stack = make_stack(label=False, seed=number)
            tifffile.imwrite(tmp_path / name / f"{number}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    reading = read_folder(tmp_path)
    assert (reading.format, reading.classes, len(reading.splits[""])) == ("volumes", ("ill", "well"), 36)


def test_single_planes_and_mixed_folders_stay_pictures(tmp_path: Path) -> None:
    for name in ("ill", "well"):
        (tmp_path / name).mkdir()
        for number in range(3):
            tifffile.imwrite(tmp_path / name / f"{number}.tif", make_stack(label=False, seed=number)[0])
        # One stack among pictures does not make a set of volumes.
        tifffile.imwrite(
            tmp_path / name / "9.tif", make_stack(label=False, seed=9), imagej=True, metadata={"axes": "ZYX"}
        )
    assert find_format(tmp_path)[0].name == "folders"
    assert look_for_volumes(tmp_path).all == []


def test_damaged_stacks_are_listed_and_other_kinds_noted(tmp_path: Path) -> None:
    for number in range(6):
        for name, label in (("images", False), ("labels", True)):
            (tmp_path / name).mkdir(exist_ok=True)
            np.save(tmp_path / name / f"s{number}.npy", make_stack(label, number))
    (tmp_path / "images" / "s1.npy").write_bytes(b"")
    (tmp_path / "labels" / "s2.npy").write_bytes(b"garbage" * 20)
    tifffile.imwrite(tmp_path / "images" / "photo.tif", np.zeros((9, 9), np.uint8))
    reading = read_folder(tmp_path)
    assert (reading.format, len(reading.splits[""])) == ("volumes", 4 * 6)
    told = {problem.path: problem.detail for problem in reading.problems}
    assert told["images/s1.npy"].startswith("the file is empty")
    assert "damaged" in told["labels/s2.npy"]
    assert "images/photo.tif" in " ".join(told)
    for number in range(6):
        nibabel.save(nibabel.Nifti1Image(make_stack(False, number), RAS), tmp_path / "images" / f"n{number}.nii")
        nibabel.save(nibabel.Nifti1Image(make_stack(True), RAS), tmp_path / "labels" / f"n{number}.nii")
    assert any("13 files of other kinds are left aside" in note for note in read_folder(tmp_path).notes)
