from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from striate.data import open_dataset


def test_films_of_one_patient_stay_together(tmp_path: Path, dicom_series: Callable[..., np.ndarray]) -> None:
    for number in range(16):
        place = tmp_path / "made" / f"{number}"
        dicom_series(place, f"SECRET{number // 4}", seed=number, slices=1)
        target = tmp_path / "set" / ("ill" if number % 2 else "healthy")
        target.mkdir(parents=True, exist_ok=True)
        (place / "1").rename(target / f"{number}.dcm")
    data = open_dataset(tmp_path / "set")
    assert (data.format, data.images) == ("folders", 16)
    groups = [{sample.group for sample in part} for part in data.splits.values()]
    assert sum(map(len, groups)) == 4
    assert "SECRET" not in repr(data)
