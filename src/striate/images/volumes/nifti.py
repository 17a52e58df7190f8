"""NIfTI-1 and NIfTI-2 (Cox et al. 2004), read by nibabel.

The file's axes (i, j, k, t) become columns, rows, slices and channels, in its order. What values become: scale factors
are applied in double precision; whole numbers that fit stay uint8, int16 or uint16, all else becomes float32.
Coordinates are turned from NIfTI's RAS into LPS by the signs of x and y.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError
from striate.images.kinds import damaged, natural_channel_names, too_large, truncated, unsupported
from striate.images.volumes.base import VOLUME_KINDS, VolumeHeader, VolumeKind, store_labels, volume_of
from striate.images.volumes.limits import check_there, check_voxels, part_of_scans, read_bytes
from striate.images.volumes.values import likely_type, narrowest
from striate.structures import Geometry, Volume

_MILLIMETRES = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MET_IN_DAMAGED_FILES = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, AssertionError)


class _Nifti(VolumeKind):
    """NIfTI in one file, compressed or not."""

    name = "nifti"
    title = "NIfTI"
    suffixes = (".nii.gz", ".nii")

    def recognises(self, path: Path) -> bool:
        return path.name.lower().endswith(self.suffixes) and path.is_file()

    def read_header(self, path: Path) -> VolumeHeader:
        with _decoding(path):
            image = _open(path)
            return _header(image, self._dtype_of(image))

    def _dtype_of(self, image: Any) -> str:
        """What reading gives; float32 where that hangs on values that nobody has read yet."""
        scaled = (float(image.dataobj.slope), float(image.dataobj.inter)) != (1.0, 0.0)
        stored = np.dtype(image.get_data_dtype())
        return "float32" if scaled else likely_type(stored)

    def read(self, path: Path) -> Volume:
        with _decoding(path):
            image = _open(path)
            raw = _stored(path, image)
            slope, inter = float(image.dataobj.slope), float(image.dataobj.inter)
            values = raw if (slope, inter) == (1.0, 0.0) else raw.astype(np.float64) * slope + inter
            voxels = narrowest(values)
            header = _header(image, voxels.dtype.name)
        return volume_of(_to_slices(voxels), header, raw.dtype, path)

    def write_labels(self, labels: npt.NDArray[np.uint8], like: Path, classes: tuple[str, ...], out: Path) -> Path:
        """Writes `NAME_seg.nii.gz` with the affine and the codes of the volume it answers for.

        The class names are in the header's description as far as its 79 letters reach (`0 background; 1 lesion`).
        """
        nibabel = part_of_scans("nibabel", self.title)
        with _decoding(like):
            source = _open(like)
            header = source.header.copy()
        header.set_data_dtype(np.uint8)
        header.set_slope_inter(1.0, 0.0)
        header["cal_min"], header["cal_max"] = 0, 0
        for field in ("descrip", "aux_file", "intent_name", "db_name"):
            # Free text may name the patient.
            if field in header:
                header[field] = b""
        header["descrip"] = "; ".join(f"{index} {name}" for index, name in enumerate(classes)).encode(
            "ascii", "replace"
        )[:79]
        header.extensions.clear()
        image = type(source)(labels.transpose(2, 1, 0), source.affine, header)
        image.set_sform(*source.get_sform(coded=True))
        image.set_qform(*source.get_qform(coded=True))
        stem = like.name[: -len(next(end for end in self.suffixes if like.name.lower().endswith(end)))]
        target = out / f"{stem}_seg.nii.gz"
        return store_labels(target, lambda path: nibabel.save(image, path))


def write_nifti(path: Path, voxels: npt.NDArray[Any], geometry: Geometry) -> None:
    """Writes a volume with every value as it is.

    Args:
        path: The new file.
        voxels: `(S, C, H, W)`.
        geometry: Where voxels lie.

    Raises:
        OSError: It cannot be written.
    """
    from nibabel import Nifti1Image, save

    ordered = voxels.transpose(3, 2, 0, 1)
    build: Any = Nifti1Image
    image = build(ordered[..., 0] if ordered.shape[3] == 1 else ordered, _RAS_TO_LPS @ geometry.affine[:, [2, 1, 0, 3]])
    image.header.set_xyzt_units("mm")
    if not geometry.known:
        image.set_sform(None, code=0)
        image.set_qform(None, code=0)
    save(image, path)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turns what nibabel raises on bad files into a `PictureError`."""
    nibabel = part_of_scans("nibabel", "NIfTI")

    try:
        yield
    except PictureError:
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise truncated(path, str(error)) from error
    except MemoryError as error:
        raise too_large(path) from error
    except OSError as error:
        if error.errno is None:
            # nibabel's own words for fewer bytes than the header promises.
            raise truncated(path, str(error)) from error
        raise PictureError(
            f"the file cannot be opened ({error.strerror}).",
            where=path,
            fix="Check the path and the right to read it.",
            kind="missing" if isinstance(error, FileNotFoundError) else "unreadable",
        ) from error
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        if _is_gzip(path) and _is_cut_short(path):
            raise truncated(path, "its compressed data has no end") from error
        raise damaged(path, str(error)) from error
    except _MET_IN_DAMAGED_FILES as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def _is_cut_short(path: Path) -> bool:
    """Whether gzip data ends before its end; nibabel then only says that it does not know the file."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except EOFError:
        return True
    except (OSError, zlib.error):
        return False
    return False


def _open(path: Path) -> Any:
    import logging

    import nibabel

    if path.stat().st_size == 0:
        raise PictureError(
            "the file is empty (0 bytes).", where=path, fix="Get it again from its origin, or delete it.", kind="empty"
        )
    # Its remarks on odd headers would go to standard error.
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
    image: Any = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise unsupported(path, f"the file is {type(image).__name__}, which is no NIfTI")
    _check(path, image)
    return image


def _check(path: Path, image: Any) -> None:
    shape = tuple(int(side) for side in image.shape)
    if len(shape) > 4 and all(side == 1 for side in shape[4:]):
        shape = shape[:4]
    if not 1 <= len(shape) <= 4:
        raise unsupported(path, f"its array has {len(shape)} axes ({' x '.join(map(str, shape))})")
    check_voxels(path, shape)
    stored = np.dtype(image.get_data_dtype())
    if stored.kind not in "iuf" or stored.itemsize > 8:
        raise unsupported(path, f"its values are of the type {stored}")
    there = path.stat().st_size - (0 if _is_gzip(path) else int(image.dataobj.offset))
    check_there(path, there, math.prod(shape) * stored.itemsize, _is_gzip(path))


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _stored(path: Path, image: Any) -> npt.NDArray[Any]:
    """Values before scaling. nibabel takes memory for all that a header claims, whatever is there."""
    proxy = image.dataobj
    count = math.prod(proxy.shape) * proxy.dtype.itemsize
    if not _is_gzip(path):
        return np.asarray(proxy.get_unscaled())
    with gzip.open(path) as stream:
        found = read_bytes(path, stream, int(proxy.offset), count)
    return np.frombuffer(found, proxy.dtype).reshape(proxy.shape, order="F")


def _to_slices(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(i, j, k, t)` with as many axes as there are to `(S, C, H, W)`."""
    while values.ndim > 4:
        values = values[..., 0]
    values = values.reshape(*values.shape, *[1] * (4 - values.ndim))
    return values.transpose(2, 3, 1, 0)


def _header(image: Any, dtype: str) -> VolumeHeader:
    shape = [*map(int, image.shape), 1, 1, 1, 1][:4]
    notes: list[str] = []
    names = natural_channel_names(1) if shape[3] == 1 else tuple(f"time {index}" for index in range(shape[3]))
    return VolumeHeader(
        (shape[2], shape[1], shape[0]), names, dtype, "nifti", _geometry(image, notes), notes=tuple(notes)
    )


def _geometry(image: Any, notes: list[str]) -> Geometry:
    header = image.header
    unit = str(header.get_xyzt_units()[0])
    factor = _MILLIMETRES.get(unit, 1.0)
    if factor != 1.0:
        notes.append(f"lengths in {unit}, turned into mm")
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        notes.append("its geometry makes no sense, so voxels count as cubes of 1 mm")
        return Geometry.unknown()
    lps = _RAS_TO_LPS @ affine
    lps[:3] *= factor
    # NIfTI counts (column, row, slice), we count (slice, row, column).
    ordered = lps[:, [2, 1, 0, 3]]
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        notes.append("it does not say how the scanner's axes lie in the body; only the size of voxels is known")
        spacing = np.sqrt((ordered[:3, :3] ** 2).sum(0)).tolist()
        return Geometry.of((spacing[0], spacing[1], spacing[2]), known=False)
    return Geometry(ordered)


VOLUME_KINDS.add(_Nifti.name, _Nifti())
