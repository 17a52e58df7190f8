"""Listing folders."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.formats.listing import listed_once, scan, stem_of, suffix_of, walk
from striate.images.dicom_files import looks_like_dicom


def test_a_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    cats = tmp_path / "cat"
    cats.mkdir()
    (cats / "a.png").touch()
    try:
        (cats / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    assert walk(tmp_path)[0] == ["cat/a.png"]


@given(st.lists(st.text("aB._ -", min_size=1, max_size=6).filter(lambda part: part.strip(".")), min_size=1, max_size=3))
def test_names_are_taken_apart_as_pathlib_does(parts: list[str]) -> None:
    path = "/".join(parts)
    assert stem_of(path) == PurePosixPath(path).stem
    assert suffix_of(path) == PurePosixPath(path).suffix.lower()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_file_and_a_link_to_nothing_is_one_that_is_missed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "to pipe.png").symlink_to(tmp_path / "pipe.png")
    (tmp_path / "to nothing.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "a.png").touch()
    assert scan(tmp_path).pictures == ["a.png", "to nothing.png"]
    assert not looks_like_dicom(tmp_path / "pipe.png")


def test_a_folder_is_listed_once_while_a_set_is_recognised_and_anew_after_it(tmp_path: Path) -> None:
    (tmp_path / "a10.png").touch()
    (tmp_path / "a9.png").touch()
    with listed_once():
        assert scan(tmp_path).pictures == ["a9.png", "a10.png"]
        (tmp_path / "b.png").touch()
        assert scan(str(tmp_path)).pictures == ["a9.png", "a10.png"]
    assert scan(tmp_path).pictures == ["a9.png", "a10.png", "b.png"]
