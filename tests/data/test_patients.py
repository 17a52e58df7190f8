from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("pydicom")

from striate.data import open_dataset


def test_films_of_one_patient_stay_together(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "formats" / "test_dicom_sets.py"
    spec = importlib.util.spec_from_file_location("dicom_sets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dicom_sets"] = module
    spec.loader.exec_module(module)
    for number in range(16):
        place = tmp_path / "made" / f"{number}"
        module.make_series(place, f"SECRET{number // 4}", seed=number, slices=1)
        target = tmp_path / "set" / ("ill" if number % 2 else "healthy")
        target.mkdir(parents=True, exist_ok=True)
        (place / "1").rename(target / f"{number}.dcm")
    data = open_dataset(tmp_path / "set")
    assert (data.format, data.images) == ("folders", 16)
    groups = [{sample.group for sample in part} for part in data.splits.values()]
    assert sum(map(len, groups)) == 4
    assert "SECRET" not in repr(data)
