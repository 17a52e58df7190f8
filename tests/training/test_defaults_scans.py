"""What is chosen for scans: the window and how volumes are cut."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from striate.data import Dataset, open_dataset
from striate.recipe import Recipe
from striate.training.defaults import Chooser
from striate.training.defaults_scans import LEAST_MARGIN_HU, choose_for_scans


def make_volumes(root: Path, air: float, inside: float, dtype: str = "int16") -> Dataset:
    """Eight volumes of air with a block of one value, which is class 1."""
    rng = np.random.default_rng(0)
    for number in range(8):
        labels = np.zeros((16, 14, 4), np.uint8)
        labels[2 : 8 + number % 3, 3:9, 1:3] = 1
        values = np.where(labels > 0, inside, air) + rng.integers(0, 3, labels.shape)
        for name, stored in (("images", values.astype(dtype)), ("labels", labels)):
            (root / name).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(stored, np.diag([1, 1, 5, 1])), root / name / f"c{number}.nii.gz")
    return open_dataset(root)


def chosen(data: Dataset, window: str | None = None) -> tuple[Recipe, list[str]]:
    said: list[str] = []
    recipe = Recipe()
    recipe.input.window = window
    chooser = Chooser(recipe)
    choose_for_scans(chooser, data, said.append)
    return chooser.recipe, said


def test_values_that_look_like_hounsfield_units_get_the_range_of_what_is_to_be_found(tmp_path: Path) -> None:
    recipe, said = chosen(make_volumes(tmp_path, -1000, 60))
    low, high = map(float, str(recipe.input.window).split(".."))
    assert (low, high) == (60 - LEAST_MARGIN_HU, 62 + LEAST_MARGIN_HU)
    assert (recipe.data.plane, recipe.data.neighbours, said) == ("axial", 0, [])


def test_scans_without_a_unit_have_their_own_range(tmp_path: Path) -> None:
    recipe, said = chosen(make_volumes(tmp_path, 0, 700))
    assert (recipe.input.window, said) == ("percentile", [])


def test_values_of_8_bits_stay_as_they_are(tmp_path: Path) -> None:
    assert chosen(make_volumes(tmp_path, 20, 200, "uint8"))[0].input.window == "none"


@pytest.mark.parametrize(("window", "told"), [("brain", True), ("0..900", False), ("z-score", False)])
def test_a_window_in_hounsfield_units_for_scans_without_them_is_told(tmp_path: Path, window: str, told: bool) -> None:
    recipe, said = chosen(make_volumes(tmp_path, 0, 700), window)
    assert recipe.input.window == window
    assert len(said) == told
    if told:
        assert "the window brain is in Hounsfield units, and these scans have none" in said[0]
        assert "(most values lie between 0 and 702)" in said[0]


def test_pictures_that_are_no_scans_have_no_window(tmp_path: Path, digits: Dataset) -> None:
    assert chosen(digits)[0].input.window == "none"
