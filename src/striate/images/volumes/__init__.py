"""Volumes <-> files: NIfTI, NRRD, DICOM series, stacks of pages and arrays."""

from striate.images.volumes.addresses import address_beside, channels_of, files_of, join_address, without_channels
from striate.images.volumes.base import (
    MOST_VOXELS,
    VOLUME_KINDS,
    VolumeHeader,
    VolumeKind,
    upright_size,
    upright_spacing_mm,
)
from striate.images.volumes.nifti import write_nifti
from striate.images.volumes.reading import find_volume_kind, read_volume, read_volume_header, shared_volume
from striate.images.volumes.slices import LabelSlice, SliceSource, put_slice, slice_channel_names, slice_of

__all__ = [
    "MOST_VOXELS",
    "VOLUME_KINDS",
    "LabelSlice",
    "SliceSource",
    "VolumeHeader",
    "VolumeKind",
    "address_beside",
    "channels_of",
    "files_of",
    "find_volume_kind",
    "join_address",
    "without_channels",
    "put_slice",
    "read_volume",
    "read_volume_header",
    "shared_volume",
    "slice_channel_names",
    "slice_of",
    "upright_size",
    "upright_spacing_mm",
    "write_nifti",
]
