"""Channels in files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.errors import PictureError
from striate.images import StackSource, beside, find_stacks, gather_stacks, write_picture
from striate.images.stacks import split_ending
from striate.structures import Picture


def save(path: Path, value: int, size_hw: tuple[int, int] = (4, 5), dtype: str = "uint16", channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {1: ("gray",), 3: ("red", "green", "blue")}[channels]
    write_picture(Picture(np.full((channels, *size_hw), value, dtype), names), path)
    return path


def found_in(folder: Path) -> tuple[list[Path], list[str]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return paths, [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/img_c0.tif", ("a/img", "c0")),
        ("img-ch00.png", ("img", "ch00")),
        ("A01_s1_w2.TIF", ("A01_s1", "w2")),
        ("T31_20200101_B8A.tif", ("T31_20200101", "B8A")),
        ("x_channel_12.png", ("x", "channel_12")),
        ("x_Red.tif", ("x", "Red")),
        ("x band3.tif", ("x", "band3")),
        ("scan.nir.tif", ("scan", "nir")),
        ("img_0001.tif", None),
        ("c0.tif", None),
        ("abc1.tif", None),
        ("fabric_cotton.tif", None),
    ],
)
def test_endings(name: str, expected: tuple[str, str] | None) -> None:
    assert split_ending(name) == expected


def test_files_of_one_picture_are_stacked_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for stem in ("a/one", "b/one"):
        for number in (10, 2, 0):
            save(tmp_path / f"{stem}_c{number}.tif", 100 + number)
    paths, names = found_in(tmp_path)
    stacks = find_stacks(paths, names)
    assert stacks.channels == ("c0", "c2", "c10")
    assert [source.name for source in stacks.sources.values()] == ["a/one", "b/one"]
    assert stacks.members == set(range(6))
    picture = next(iter(stacks.sources.values())).read()
    assert picture.pixels[:, 0, 0].tolist() == [100, 102, 110]
    assert (picture.pixels.dtype, picture.channel_names) == (np.uint16, ("c0", "c2", "c10"))


def test_colours_come_as_red_green_blue_and_others_behind(tmp_path: Path) -> None:
    for word in ("Blue", "alpha", "NIR", "Green", "Red"):
        save(tmp_path / f"leaf_{word}.png", 9, dtype="uint8")
    assert find_stacks(*found_in(tmp_path)).channels == ("red", "green", "blue", "nir", "alpha")


def test_pictures_of_their_own_stay_so(tmp_path: Path) -> None:
    # In colour.
    for word in ("red", "green"):
        save(tmp_path / "colour" / f"apple_{word}.png", 9, dtype="uint8", channels=3)
    # Other endings for each stem.
    for name in ("a_c1", "b_c2", "c_c1", "d_c3"):
        save(tmp_path / "mixed" / f"{name}.png", 9, dtype="uint8")
    # One ending.
    for name in ("a_c1", "b_c1"):
        save(tmp_path / "single" / f"{name}.png", 9, dtype="uint8")
    # A few among many others.
    for name in ("a_c0", "a_c1", *(f"img{index}" for index in range(9))):
        save(tmp_path / "few" / f"{name}.png", 9, dtype="uint8")
    for folder in ("colour", "mixed", "single", "few"):
        stacks = find_stacks(*found_in(tmp_path / folder))
        assert (stacks.channels, stacks.members, stacks.doubt) == ((), set(), "")


def test_other_sizes_are_told(tmp_path: Path) -> None:
    save(tmp_path / "x_B02.tif", 1, (8, 8))
    save(tmp_path / "x_B05.tif", 1, (4, 4))
    stacks = find_stacks(*found_in(tmp_path))
    assert not stacks.channels
    assert "x_B02.tif has 8 x 8 pixels and x_B05.tif 4 x 4: each is read as a picture of its own." in stacks.doubt


def test_what_is_missing_and_what_is_too_much(tmp_path: Path) -> None:
    for index in range(12):
        for channel in range(3):
            save(tmp_path / f"p{index:02d}_c{channel}.tif", channel)
    (tmp_path / "p03_c1.tif").unlink()
    save(tmp_path / "p05_c3.tif", 3)
    stacks = find_stacks(*found_in(tmp_path))
    assert stacks.channels == ("c0", "c1", "c2")
    assert len(stacks.sources) == 11
    assert stacks.missing == {"p03": ("c1",)}
    assert stacks.surplus == ["p05_c3.tif"]


def test_values_of_several_types_are_kept(tmp_path: Path) -> None:
    for types, together in ((("uint8", "uint16"), "uint16"), (("int16", "uint16"), "float32")):
        paths = [save(tmp_path / f"{together}_c{i}.tif", 200 + i, dtype=dtype) for i, dtype in enumerate(types)]
        picture = StackSource(tuple(paths), ("c0", "c1"), "x").read()
        assert picture.pixels.dtype.name == together
        assert picture.pixels[:, 0, 0].tolist() == [200, 201]


def test_a_bad_file_names_itself(tmp_path: Path) -> None:
    good = save(tmp_path / "x_c0.tif", 1)
    large, colour = save(tmp_path / "x_c1.tif", 1, (9, 9)), save(tmp_path / "x_c2.tif", 1, channels=3)
    with pytest.raises(PictureError, match=r"x_c1\.tif has 9 x 9 pixels, where x_c0\.tif has 4 x 5") as caught:
        StackSource((good, large), ("c0", "c1"), "x").read()
    assert (caught.value.where, caught.value.kind) == ("x", "channel-sizes")
    with pytest.raises(PictureError, match=r"x_c2\.tif holds 3 channels"):
        StackSource((good, colour), ("c0", "c2"), "x").read()
    with pytest.raises(PictureError, match="no such file"):
        StackSource((good, tmp_path / "x_c9.tif"), ("c0", "c9"), "x").read()


def test_a_trained_network_finds_the_other_channels_beside_one_file(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{stem}_c{channel}.tif", channel) for stem in ("a", "b") for channel in range(2)]
    save(tmp_path / "c_c0.tif", 0)
    other = save(tmp_path / "plain.tif", 7)
    assert beside([files[1]], ("c0", "c1")) == [files[1], files[0]]
    gathered, report = gather_stacks([*files, tmp_path / "c_c0.tif", other], ("c0", "c1"))
    assert [one if isinstance(one, Path) else one.paths for one in gathered] == [
        tuple(files[:2]),
        tuple(files[2:]),
        other,
    ]
    assert report.missing == {str(tmp_path / "c"): ("c1",)}
