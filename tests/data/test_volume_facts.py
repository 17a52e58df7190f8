"""What `look` says of volumes, with labels and without."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from striate.data.look import look, look_anyway
from striate.data.volume_facts import look_at_volumes
from striate.errors import DataError


def save_stacks(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / name, np.random.default_rng(seed).integers(0, 900, (4, 12, 10), dtype=np.uint16))


def test_stacks_without_labels_are_told_and_training_is_refused(tmp_path: Path) -> None:
    save_stacks(tmp_path, "a.npy", "b.npy")
    seen = look_anyway(tmp_path)
    assert seen.refused is not None
    assert "2 volumes, and nothing says what they show." in str(seen.refused)
    assert seen.volumes is not None
    first, *rest = seen.volumes.sentences()
    assert first == "2 volumes of 2 patients (NumPy stack), 4 x 12 x 10 voxels."
    assert rest[0] == "2 volumes do not say where they lie."


@pytest.mark.parametrize("name", ["a.npy", "a.nii.gz"])
def test_one_volume_is_told(tmp_path: Path, name: str) -> None:
    if name == "a.npy":
        save_stacks(tmp_path, name)
    else:
        nibabel.save(nibabel.Nifti1Image(np.zeros((10, 12, 4), np.int16), np.diag([1, 1, 2.5, 1])), tmp_path / name)
    seen = look_anyway(tmp_path / name)
    assert seen.volumes is not None
    assert seen.volumes.sentences()[0].startswith("1 volume of 1 patient")
    assert "4 x 12 x 10 voxels" in seen.volumes.sentences()[0]
    with pytest.raises(DataError, match="this is one volume, and nothing says what it shows"):
        look(tmp_path / name)


def test_class_folders_are_no_patients(tmp_path: Path) -> None:
    save_stacks(tmp_path, *(f"{kind}/{number}.npy" for kind in ("ill", "well") for number in range(3)))
    seen = look_anyway(tmp_path)
    assert seen.volumes is not None
    assert seen.volumes.sentences()[0].startswith("6 volumes of 6 patients")
    assert len({one["patient"] for one in seen.volumes.as_dict()}) == 6


def test_a_folder_without_volumes_has_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert look_at_volumes(tmp_path) is None
