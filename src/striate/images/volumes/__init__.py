"""Volumes <-> files: NIfTI, NRRD, DICOM series, stacks of pages and arrays."""

from striate.images.volumes.base import MOST_VOXELS, VOLUME_KINDS, VolumeHeader, VolumeKind
from striate.images.volumes.reading import find_volume_kind, read_volume, read_volume_header, shared_volume

__all__ = [
    "MOST_VOXELS",
    "VOLUME_KINDS",
    "VolumeHeader",
    "VolumeKind",
    "find_volume_kind",
    "read_volume",
    "read_volume_header",
    "shared_volume",
]
