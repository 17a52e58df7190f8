"""The script that goes with an export, on pictures that it was not made for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.images import read_picture
from striate.tools import TOOLS
from striate.tools.exporting import example_of

# The outputs are the pixels' means, so that what is prepared can be seen.
MEANS = """
def load(path):
    return lambda pixels: [PIXELS.mean((2, 3), dtype=np.float64) / 255]
"""


def asked(
    folder: Path,
    task: str,
    *pictures: Path,
    dtype: str = "uint8",
    seen: str = "pixels",
    loading: str = MEANS,
    **how: object,
) -> subprocess.CompletedProcess[str]:
    """The script's answer with a network whose scores are the means of red, green and blue of the pixels seen."""
    tool = TOOLS.get("onnx")
    source = example_of(tool).replace(tool.load.strip(), loading.strip().replace("PIXELS", seen))
    (folder / "example.py").write_text(source, encoding="utf-8")
    entry = {"shape": ["batch", 3, 8, 8], "dtype": dtype, "fit": "squash", **how}
    about = {"file": "x", "task": task, "classes": ["r", "g", "b"], "outputs": ["scores"], "input": entry}
    (folder / "striate.json").write_text(json.dumps(about))
    command = [sys.executable, str(folder / "example.py"), *map(str, pictures)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_several_labels_are_named_and_transparency_lies_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0], pixels[:4, :, 3] = 255, 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    found = asked(tmp_path, "multilabel", tmp_path / "half.png").stdout.strip().split(": ")[1]
    # Red above, white below: 1 of red, half of green and blue.
    assert found == "r 0.7311, b 0.6225, g 0.6225" or found == "r 0.7311, g 0.6225, b 0.6225"
    assert read_picture(tmp_path / "half.png").pixels.shape[0] == 4


def test_pictures_are_seen_upright(tmp_path: Path) -> None:
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8, 0], pixels[:, 8:, 2] = 255, 255
    exif = Image.Exif()
    # Held on its side: to be turned by 90 degrees clockwise, so that left comes to lie above.
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "held.png", exif=exif)
    found = asked(tmp_path, "classification", tmp_path / "held.png", seen="pixels[:, :, :3]").stdout
    assert found.strip().endswith("r 0.5761")
    assert read_picture(tmp_path / "held.png").pixels[:, 0, 0].tolist() == [255, 0, 0]


FOUND = """
def load(path):
    corners = [[0, 0, 4, 4], [0, 0, 4, 4], [2, 0, 6, 4], [6, 6, 8, 8], [0.1, 0, 4, 4]]
    # Two classes for one thing; a neighbour that shares a third with it; one by itself; a double.
    shares = [[0.9, 0.1], [0.1, 0.8], [0.7, 0.1], [0.6, 0.1], [0.85, 0.1]]
    scores = np.log(shares) - np.log1p(-np.array(shares))
    return lambda pixels: [scores[None] * (pixels.max() > 0) - 9 * (pixels.max() == 0), np.array([corners], float)]
"""


def test_each_thing_counts_once_and_a_bad_file_stops_no_other(tmp_path: Path) -> None:
    """The neighbour falls to 0.7 * exp(-(8 / 24) ** 2 / 0.5) = 0.5605."""
    for name, value in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(tmp_path / f"{name}.png")
    tool = TOOLS.get("onnx")
    (tmp_path / "example.py").write_text(example_of(tool).replace(tool.load.strip(), FOUND.strip()), encoding="utf-8")
    entry = {"shape": [1, 3, 8, 8], "dtype": "uint8", "fit": "squash"}
    about = {"file": "x", "task": "detection", "classes": ["cat", "dog"], "outputs": ["scores", "boxes_xyxy"]}
    (tmp_path / "striate.json").write_text(json.dumps({**about, "input": entry, "count_from": 0.5}))
    command = [sys.executable, "example.py", "gone.png", "white.png", "black.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "gone.png: expected a picture: No such file or directory\n"
    assert done.stdout.splitlines() == [
        "white.png: cat 0.9000 at [0.0, 0.0, 4.0, 4.0]; cat 0.6000 at [6.0, 6.0, 8.0, 8.0]; "
        "cat 0.5605 at [2.0, 0.0, 6.0, 4.0]",
        "black.png: nothing found",
    ]


@pytest.mark.parametrize(
    ("dtype", "name", "words"),
    [
        ("uint16", "eight.png", "takes 3 channels of uint16; Pillow gives 1 or 3 of uint8"),
        ("uint8", "sixteen.png", "learned from pictures of 8 bits, and this has more"),
        ("uint8", "none.png", "none.png: expected a picture"),
        ("uint8", "text.png", "text.png: expected a picture"),
    ],
)
def test_what_it_cannot_feed_is_said_in_a_sentence(dtype: str, name: str, words: str, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "eight.png")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "sixteen.png")
    (tmp_path / "text.png").write_text("no picture")
    done = asked(tmp_path, "classification", tmp_path / name, dtype=dtype)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_would_be_cut_into_tiles_is_refused_and_one_tile_lies_in_its_middle(tmp_path: Path) -> None:
    for side in (4, 16, 33):
        Image.fromarray(np.full((side, side, 3), 255, np.uint8)).save(tmp_path / f"{side}.png")
    pictures = [tmp_path / f"{side}.png" for side in (4, 16, 33)]
    refused = "33.png: larger than what the network sees at once: `striate predict` cuts it into tiles.\n"
    # At half scale one frame shows 16 pixels; a picture of twice as many is still made smaller.
    done = asked(tmp_path, "multilabel", *pictures, tile_scale=0.5)
    assert [line.split(": ")[1][:8] for line in done.stdout.splitlines()] == ["r 0.7311", "r 0.7311"]
    assert done.stderr.endswith(refused)
    # Always in tiles: 4 pixels become 2 x 2 in the middle of a frame of 8 x 8, a mean of 1 / 16.
    done = asked(tmp_path, "multilabel", *pictures, tile_scale=0.5, fit="tiles")
    assert [line.split(": ")[1][:8] for line in done.stdout.splitlines()] == ["r 0.5156", "r 0.7311"]
    assert done.stderr.endswith(refused)


@pytest.mark.parametrize(("fit", "inside"), [("pad", 0.5), ("tiles", 1.0)])
def test_the_border_of_a_frame_is_no_part_of_a_mask(fit: str, inside: float, tmp_path: Path) -> None:
    blue = np.zeros((8, 4, 3), np.uint8)
    blue[:, :, 2] = 255
    Image.fromarray(blue).save(tmp_path / "blue.png")
    pixels = "def load(path):\n    return lambda pixels: [pixels.astype(np.float64)]"
    done = asked(tmp_path, "segmentation", tmp_path / "blue.png", loading=pixels, fit=fit, tile_scale=inside)
    assert done.stdout.strip().endswith("blue.png: b 100.0%")


@pytest.mark.parametrize("two_stage", [False, True])
def test_without_pictures_it_says_how_it_is_used_before_it_loads_anything(two_stage: bool, tmp_path: Path) -> None:
    script = example_of(TOOLS.get("onnx"), two_stage=two_stage)
    (tmp_path / "example.py").write_text(script, encoding="utf-8")
    (tmp_path / "striate.json").write_text(json.dumps({"file": "gone.onnx", "looks": {"boxes": {"file": "gone"}}}))
    usage = "usage: python example.py PICTURE...\n"
    for arguments, told in (([], (1, "", usage)), (["--help"], (0, usage, ""))):
        command = [sys.executable, "example.py", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == told
