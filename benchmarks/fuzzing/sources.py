"""The sound files that are damaged: real ones, and TIFF files of every layout that tifffile writes."""

from __future__ import annotations

import gzip
import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzzing.mutations import Place, damage

LARGEST = 300_000
"""Bytes of the largest file that is taken: thousands of larger ones would take hours."""

_NIFTI_PLACES: tuple[Place, ...] = (
    *((40 + 2 * index, 2) for index in range(8)),
    *((70, 2), (72, 2), (0, 4), (108, 4), (112, 4), (116, 4), (252, 2), (254, 2), (344, 4), (348, 4), (352, 4)),
    *((76 + 4 * index, 4) for index in range(8)),
    *((256 + 4 * index, 4) for index in range(18)),
)
_PIXEL_ELEMENTS = re.compile(rb"\x28\x00[\x00-\x14\x20-\x3f]\x00|\x28\x00[\x00-\x08][\x10-\x12\x30]|\xe0\x7f\x10\x00")
_TIFF_FILES: tuple[dict[str, Any], ...] = (
    {"shape": (5, 40, 48), "dtype": "uint16", "metadata": {"axes": "ZYX"}},
    {"shape": (4, 48, 40), "dtype": "uint8", "compression": "zlib", "predictor": True, "photometric": "minisblack"},
    {"shape": (3, 40, 40), "dtype": "float32", "compression": "zlib", "predictor": True, "imagej": True},
    {"shape": (64, 80), "dtype": "uint16", "tile": (32, 32), "compression": "lzw"},
    {"shape": (3, 64, 64), "dtype": "uint16", "tile": (16, 16), "compression": "zstd", "ome": True},
    {"shape": (48, 40, 3), "dtype": "uint8", "compression": "jpeg", "photometric": "rgb"},
    {
        "shape": (48, 40, 3),
        "dtype": "uint8",
        "compression": "packbits",
        "photometric": "rgb",
        "planarconfig": "separate",
    },
    {"shape": (64, 64), "dtype": "uint16", "compression": "jpeg2000", "tile": (64, 64)},
    {"shape": (64, 64), "dtype": "uint8", "compression": "jpegxl"},
    {"shape": (5, 32, 32), "dtype": "float64", "bigtiff": True, "photometric": "minisblack"},
    {"shape": (6, 32, 32), "dtype": "int16", "byteorder": ">", "compression": "lzma", "photometric": "minisblack"},
    {"shape": (2, 3, 32, 32), "dtype": "uint8", "imagej": True, "metadata": {"axes": "ZCYX"}},
)


@dataclass(frozen=True, slots=True)
class Sound:
    """A file before it is damaged.

    Attributes:
        name: Its name; what is made of it has the same ending.
        data: Its bytes, unpacked where `packed`.
        head: Bytes of its header.
        places: Numbers there.
        packed: Whether it is stored as gzip.
        text: Whether its header is text.
    """

    name: str
    data: bytes
    head: int
    places: tuple[Place, ...] = ()
    packed: bool = False
    text: bool = False

    def damaged(self, seed: int) -> bytes:
        """A damaged copy. Of four packed ones three have sound packing around damaged content."""
        random = np.random.default_rng(seed)
        if not self.packed:
            return damage(self.data, random, self.head, self.places, self.text)
        if random.random() < 0.75:
            return gzip.compress(damage(self.data, random, self.head, self.places, self.text), 1, mtime=0)
        return damage(gzip.compress(self.data, 1, mtime=0), random, 64, (), False)


def dicom_files(data: Path) -> Iterator[Sound]:
    """Those that pydicom brings, and those of dcmqi."""
    import pydicom

    brought = Path(pydicom.__file__).parent / "data" / "test_files"
    for path in (*sorted(brought.glob("*.dcm")), *sorted((data / "dcmqi_ct_seg").rglob("*.dcm"))):
        if path.stat().st_size <= LARGEST:
            content = path.read_bytes()
            # Behind the tag lie its type or length; behind these the value.
            places = [(found.end(), 2) for found in _PIXEL_ELEMENTS.finditer(content)]
            places += [(found.end() + step, 2) for found in _PIXEL_ELEMENTS.finditer(content) for step in (2, 4)]
            yield Sound(f"{path.stem}.dcm", content, 3000, tuple(places))


def dicom_series(data: Path) -> list[list[Sound]]:
    """Folders of slices."""
    folders = sorted({path.parent for path in (data / "dcmqi_ct_seg" / "segmentations").rglob("*.dcm")})
    found = [[sound for sound in map(_slice, sorted(folder.glob("*.dcm"))) if sound] for folder in folders]
    return [series for series in found if len(series) == 3]


def _slice(path: Path) -> Sound | None:
    if path.stat().st_size > 2 * LARGEST:
        return None
    content = path.read_bytes()
    places = tuple((match.end() + 4, 2) for match in _PIXEL_ELEMENTS.finditer(content))
    return Sound(path.name, content, 3000, places)


def nifti_files(data: Path) -> Iterator[Sound]:
    """Pairs of the hippocampus set, packed and unpacked, and those that nibabel brings."""
    import nibabel

    for part in ("images", "labels"):
        for path in sorted((data / "msd_hippocampus_nifti").glob(f"{part}/*.nii.gz"))[:6]:
            content = gzip.decompress(path.read_bytes())
            yield Sound(path.name, content, 352, _NIFTI_PLACES, packed=True)
            yield Sound(path.name.removesuffix(".gz"), content, 352, _NIFTI_PLACES)
    brought = Path(nibabel.__file__).parent / "tests" / "data"
    for path in (brought / "anatomical.nii", brought / "standard.nii.gz", brought / "example_nifti2.nii.gz"):
        if path.exists():
            content = path.read_bytes()
            packed = path.suffix == ".gz"
            content = gzip.decompress(content) if packed else content
            if len(content) <= LARGEST:
                yield Sound(path.name, content, 544, _NIFTI_PLACES, packed)


def nrrd_files(data: Path) -> Iterator[Sound]:
    """Those of dcmqi."""
    for path in sorted((data / "dcmqi_ct_seg").rglob("*.nrrd")):
        if path.stat().st_size <= LARGEST:
            content = path.read_bytes()
            yield Sound(path.name, content, content.find(b"\n\n") + 2, text=True)


def tiff_files(data: Path) -> Iterator[Sound]:  # noqa: ARG001
    """One of each layout, with values that compress badly, as pixels do; and skimage's of several pages."""
    import skimage
    import tifffile

    random = np.random.default_rng(0)
    for number, given in enumerate(_TIFF_FILES):
        options = dict(given)
        shape, dtype = options.pop("shape"), np.dtype(options.pop("dtype"))
        values = (random.random(shape) * (200 if dtype.itemsize == 1 else 4000)).astype(dtype)
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, **options)
        yield _tiff(f"made{number}.tif", buffer.getvalue())
    for path in sorted((Path(skimage.__file__).parent / "data").glob("*.tif")):
        yield _tiff(path.name, path.read_bytes())


def _tiff(name: str, content: bytes) -> Sound:
    """With the type, count and value of each tag as places."""
    import tifffile

    places: list[Place] = []
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        wide = file.is_bigtiff
        order = file.byteorder
        begins = [page.offset for page in file.pages][:3]
    for begin in begins:
        (count,) = struct.unpack_from(order + ("Q" if wide else "H"), content, begin)
        first, step = begin + (8 if wide else 2), 20 if wide else 12
        for entry in range(first, first + step * count, step):
            places += [(entry, 2), (entry + 2, 2), (entry + 4, 8 if wide else 4)]
            # Sizes and counts are mostly of two bytes.
            places += [(entry + (12 if wide else 8), size) for size in (2, 4, 4)]
    return Sound(name, content, 600, tuple(places))


KINDS: dict[str, Callable[[Path], Iterator[Sound]]] = {
    "dicom": dicom_files,
    "nifti": nifti_files,
    "tiff": tiff_files,
    "nrrd": nrrd_files,
}
