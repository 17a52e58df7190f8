"""What is asked about: pictures, volumes, and which of the two a file is for a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from striate.images.volumes import SliceSource
from striate.runs.asked import find_pictures
from striate.structures import Problem, Slicing


def save(path: Path, *size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 900, size, dtype=np.uint16)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "ZYX"})


def test_a_stack_is_a_volume_for_a_network_of_volumes_and_a_picture_for_one_of_pictures(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", 4, 9, 8)
    for asked in (tmp_path, tmp_path / "a.tif"):
        (picture,) = find_pictures(asked, [])
        assert picture.read().size_hw == (9, 8)
        slices = list(find_pictures(asked, [], Slicing("axial", 0)))
        assert [one.name for one in slices] == [f"{tmp_path / 'a.tif'}#{index}" for index in range(4)]


def test_channels_in_files_of_their_own_are_put_together_as_the_network_learned_them(tmp_path: Path) -> None:
    for name in ("p1_t1", "p1_t2", "p2_t1", "other"):
        save(tmp_path / f"{name}.npy", 4, 9, 8)
    for asked in (tmp_path, [tmp_path / "p1_t2.npy", tmp_path / "p2_t1.npy", tmp_path / "other.npy"]):
        problems: list[Problem] = []
        found = list(find_pictures(asked, problems, Slicing("axial", 0), volume_channels=("t1", "t2")))
        names = [one.source.path.name for one in found[::4] if isinstance(one.source, SliceSource)]
        assert sorted(names) == ["other.npy", "p1_{t1,t2}.npy"]
        (problem,) = problems
        assert (problem.kind, problem.severity) == ("missing-channel", "dropped")
        assert problem.detail == "there is no p2_t2.npy; the network learned from t1, t2."
