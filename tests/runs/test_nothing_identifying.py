"""Nothing of a person in the files of a data set reaches what is made of it, searched byte by byte."""

from __future__ import annotations

import base64
import contextlib
import gzip
import importlib.util
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.cli import main
from striate.structures import NOT_A_MEDICAL_DEVICE

Capture = pytest.CaptureFixture[str]
TRAIN = ["--net", "lenet5", "--weights", "none", "--epochs", "1", "--batch-size", "8", "--set", "size_hw=[16, 16]"]
MACHINE = ["--precision", "fp32", "--set", "channels_last=false", "--set", "threads=1"]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "made" / "cache"))
    monkeypatch.chdir(tmp_path)


def contents(data: bytes) -> Iterator[bytes]:
    """Some bytes, and what is packed in them: members of archives, gzip, deflated parts of PNG and PDF."""
    yield data
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield "\n".join(archive.namelist()).encode()
            for name in archive.namelist():
                yield from contents(archive.read(name))
    elif data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    for coded in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
        yield from contents(base64.b64decode(coded[: len(coded) // 4 * 4]))
    start = 0
    while (start := data.find(b"\x78\x9c", start)) >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[start : start + (1 << 20)])
        start += 2


def found_in(folder: Path, secrets: tuple[bytes, ...]) -> list[str]:
    """Files below a folder, and names of files, in which a secret stands, in any of three encodings."""
    wanted = [each for secret in secrets for each in (secret, secret.decode().encode("utf-16-le"), secret.lower())]
    wanted += [secret.decode().encode("utf-32-le") for secret in secrets]
    found = []
    for path in sorted(folder.rglob("*")):
        parts = [str(path.relative_to(folder)).encode(), *(contents(path.read_bytes()) if path.is_file() else ())]
        found += [f"{path}: {secret!r}" for part in parts for secret in wanted if secret in part]
    return found


def make(folder: Path, write: Callable[[Path, Any, int], None], channels: tuple[int, ...] = (3,)) -> Path:
    """Bright and dark pictures, twelve of each class."""
    random = np.random.default_rng(0)
    for name, level in (("bright", 170), ("dark", 20)):
        for number in range(12):
            pixels = random.integers(level, level + 60, (16, 16, *channels))
            write(folder / name / f"{number:02d}", pixels, number + (100 if name == "dark" else 0))
    return folder


def go_the_road(data: Path, pictures: list[str], made: Path, capsys: Capture) -> str:
    """Looks, trains, measures, asks, looks inside and exports; everything that is printed on the way."""
    run = made / "run"
    assert main(["look", str(data), "--page", str(made / "look.html")]) == 0
    assert main(["look", str(data), "--json", "--no-page"]) == 0
    assert main(["train", str(data), "--run", str(run), *TRAIN, *MACHINE]) == 0
    assert main(["evaluate", str(run)]) == 0
    kinds = [part for kind in ("overlays", "csv", "json") for part in ("--as", kind)]
    assert main(["predict", str(run), *pictures, "--out", str(made / "answers"), *kinds]) == 0
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnxscript"):
        assert main(["export", str(run), "--to", "onnx", "--out", str(made / "onnx")]) == 0
    assert (run / "report.html").is_file()
    printed = capsys.readouterr()
    return printed.out + printed.err


@pytest.mark.slow
def test_photographs(tmp_path: Path, made_scans: Any, capsys: Capture) -> None:
    def write(path: Path, pixels: Any, number: int) -> None:
        pixels = pixels.astype(np.uint8)
        if number % 3 == 0:
            made_scans.write_png(path.with_suffix(".png"), pixels)
        elif number % 3 == 1:
            made_scans.write_jpeg(path.with_suffix(".jpg"), pixels, 1)
        else:
            made_scans.write_tiff(path.with_suffix(".tif"), pixels, photometric="rgb")

    data = make(tmp_path / "photos", write)
    assert found_in(data, made_scans.SECRETS)  # the search finds what is there
    printed = go_the_road(data, [str(data)], tmp_path / "made", capsys)
    assert "identifying" in printed
    assert NOT_A_MEDICAL_DEVICE not in printed
    (tmp_path / "made" / "printed.txt").write_text(printed, encoding="utf-8")
    assert found_in(tmp_path / "made", made_scans.SECRETS) == []


@pytest.mark.slow
def test_dicom(tmp_path: Path, made_scans: Any, capsys: Capture) -> None:
    pytest.importorskip("pydicom")

    def write(path: Path, pixels: Any, number: int) -> None:
        made_scans.write_dicom(
            path.with_suffix(".dcm"),
            (pixels * 16).astype(np.uint16),
            number,
            SeriesInstanceUID=f"1.2.826.0.1.99.77.3.{number}",
            PatientID=f"{made_scans.IDENTIFIER}-{number}",
        )

    data = make(tmp_path / "scans", write, channels=())
    printed = go_the_road(data, [str(data)], tmp_path / "made", capsys)
    assert NOT_A_MEDICAL_DEVICE in " ".join(printed.split())
    report = (tmp_path / "made" / "run" / "report.html").read_text(encoding="utf-8")
    assert NOT_A_MEDICAL_DEVICE in report
    (tmp_path / "made" / "printed.txt").write_text(printed, encoding="utf-8")
    assert found_in(tmp_path / "made", made_scans.SECRETS) == []
