"""Listing folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.formats.listing import walk


def test_a_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    cats = tmp_path / "cat"
    cats.mkdir()
    (cats / "a.png").touch()
    try:
        (cats / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    assert walk(tmp_path)[0] == ["cat/a.png"]
