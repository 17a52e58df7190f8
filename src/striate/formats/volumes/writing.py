"""Volumes written as NIfTI: with label volumes, or in class folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import RequestError
from striate.formats.storing import (
    all_samples,
    folder_name_of,
    make_folder,
    objects_of,
    prepare_folder,
    refuse_several,
    refuse_strange_names,
    store_text,
    stored,
)
from striate.formats.volumes.files import name_of_volume
from striate.formats.volumes.values import LISTING
from striate.images.volumes import SliceSource, put_slice, shared_volume, write_nifti
from striate.structures import MOST_MASK_CLASSES, VOID, Geometry, Label, Labels, Mask, Sample

_SUFFIX = ".nii.gz"


def write_volumes(splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path, name: str) -> None:
    """Writes volumes upright; a picture that is no slice becomes a volume of one.

    Args:
        splits: Samples by split; slices of one volume one after another.
        classes: Class names.
        out: The new folder.
        name: Name of the format, for errors.

    Raises:
        RequestError: There is something already, or annotation is neither labels nor masks.
        StorageError: It cannot be written.
    """
    first = next(iter(all_samples(splits)), None)
    labelled = first is not None and isinstance(first.annotation, Label | Labels)
    for sample in all_samples(splits) if labelled else ():
        refuse_several(sample.annotation, sample.name, name)
    refuse_strange_names(classes, name)
    if not labelled and len(classes) > MOST_MASK_CLASSES:
        raise RequestError(
            f"a mask can tell apart {MOST_MASK_CLASSES} classes, and there are {len(classes)}.",
            where=name,
            fix="Merge some.",
        )
    folders = [folder_name_of(one, name) for one in classes] if labelled else []
    prepare_folder(out)
    taken: set[Path] = set()
    for split, samples in splits.items():
        for _, group in groupby(samples, lambda sample: sample.case or sample.name):
            slices = list(group)
            voxels, geometry = _voxels(slices)
            if labelled:
                index = refuse_several(slices[0].annotation, slices[0].name, name)
                _store(_free(out / split / folders[index], slices[0], taken), voxels, geometry)
                continue
            labels = _labels(slices, name)
            file = _free(out / "images" / split, slices[0], taken)
            _store(file, voxels, geometry)
            _store(out / "labels" / split / file.name, labels[:, None], geometry)
    if not labelled:
        store_text(out / LISTING, json.dumps({"labels": {one: index for index, one in enumerate(classes)}}, indent=2))


def _store(path: Path, voxels: npt.NDArray[np.generic], geometry: Geometry) -> None:
    make_folder(path.parent)
    stored(path, lambda: write_nifti(path, voxels, geometry))


def _voxels(slices: Sequence[Sample]) -> tuple[npt.NDArray[np.generic], Geometry]:
    """The whole volume that slices are of, upright; of a picture by itself a volume of one slice."""
    source = slices[0].source
    if isinstance(source, SliceSource):
        volume = shared_volume(source.path)
        return volume.voxels, volume.geometry
    picture = slices[0].read()
    height_mm, width_mm = picture.spacing_mm or (1.0, 1.0)
    return picture.pixels[None], Geometry.of((1.0, height_mm, width_mm))


def _labels(slices: Sequence[Sample], name: str) -> npt.NDArray[np.uint8]:
    """Classes of the voxels; void where no slice says anything."""
    masks = [objects_of(sample, Mask, name) for sample in slices]
    source = slices[0].source
    if not isinstance(source, SliceSource):
        return masks[0].classes[None]
    labels = np.full(shared_volume(source.path).size_shw, VOID, np.uint8)
    for sample, mask in zip(slices, masks, strict=True):
        if isinstance(sample.source, SliceSource):
            put_slice(labels, sample.source.plane, sample.source.index, mask.classes)
    return labels


def _free(folder: Path, sample: Sample, taken: set[Path]) -> Path:
    wanted = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in _stem(sample)).strip("_")
    for path in _numbered(folder, wanted or "volume"):
        if path not in taken:
            taken.add(path)
            return path
    raise AssertionError("numbers do not end")


def _numbered(folder: Path, stem: str) -> Iterator[Path]:
    yield folder / f"{stem}{_SUFFIX}"
    number = 2
    while True:
        # Not `_2`: four digits after an underline count channels, and words like `_seg` mark labels.
        yield folder / f"{stem}-{number}{_SUFFIX}"
        number += 1


def _stem(sample: Sample) -> str:
    source = sample.source
    name = Path(source.volume).name if isinstance(source, SliceSource) else sample.name
    return name_of_volume(name)
