"""Converted line endings: certain for a PNG, statistics for JPEG files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.images import find_line_ending_damage, lost_carriage_returns


def noise_file(path: Path, side: int = 64, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG" if path.suffix == ".png" else "JPEG", quality=95)
    return out.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_png_proves_it(tmp_path: Path) -> None:
    sound = noise_file(tmp_path / "a.png")
    lost = write(tmp_path / "lost.png", sound.replace(b"\r\n", b"\n"))
    added = write(tmp_path / "added.png", sound.replace(b"\n", b"\r\n"))
    whole = write(tmp_path / "whole.png", sound)
    assert lost_carriage_returns(lost)
    assert not lost_carriage_returns(added)
    assert not lost_carriage_returns(whole)
    found = find_line_ending_damage([lost])
    assert found is not None
    assert (found.direction, found.certain) == ("lost", True)
    assert found.evidence == "the PNG signature reads 0A 1A 0A 00 00 00 where 0D 0A 1A 0A belongs."
    found = find_line_ending_damage([added])
    assert found is not None
    assert found.direction == "added"
    assert find_line_ending_damage([whole, lost]) is None


def test_a_jpeg_without_any_carriage_return(tmp_path: Path) -> None:
    sound = noise_file(tmp_path / "a.jpg", 256)
    assert len(sound) > 20_000
    assert not lost_carriage_returns(write(tmp_path / "a.jpg", sound))
    assert lost_carriage_returns(write(tmp_path / "b.jpg", sound.replace(b"\r", b"")))
    small = noise_file(tmp_path / "s.jpg", 16)
    assert not lost_carriage_returns(write(tmp_path / "s.jpg", small.replace(b"\r", b"")))


def test_many_jpegs_without_the_pair(tmp_path: Path) -> None:
    paths = []
    for seed in range(24):
        data = noise_file(tmp_path / "a.jpg", 384, seed).replace(b"\r\n", b"\n")
        paths.append(write(tmp_path / f"{seed}.jpg", data))
    found = find_line_ending_damage(paths)
    assert found is not None
    assert (found.direction, found.certain, found.files) == ("lost", False, 24)
    assert "none is followed by a line feed" in found.evidence
    assert not any(lost_carriage_returns(path) for path in paths)
    # Too little to judge by.
    assert find_line_ending_damage(paths[:1]) is None
    # One sound file acquits the set.
    sound = write(tmp_path / "sound.jpg", noise_file(tmp_path / "a.jpg", 640))
    assert b"\r\n" in sound.read_bytes()
    assert find_line_ending_damage([*paths, sound]) is None


def test_carriage_returns_that_were_put_in(tmp_path: Path) -> None:
    data = noise_file(tmp_path / "a.jpg", 128).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found = find_line_ending_damage([write(tmp_path / "a.jpg", data)])
    assert found is not None
    assert (found.direction, found.certain) == ("added", False)
    assert "line feeds in 1 JPEG files follow a carriage return" in found.evidence


@pytest.mark.parametrize("name", ["a.gif", "notes.txt"])
def test_other_files_are_passed_over(tmp_path: Path, name: str) -> None:
    assert find_line_ending_damage([write(tmp_path / name, b"GIF89a or words\n" * 4000)]) is None
    assert not lost_carriage_returns(tmp_path / name)
