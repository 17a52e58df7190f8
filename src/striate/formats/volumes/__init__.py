"""Volumes with a class for each voxel, or a class for each volume: NIfTI, NRRD, DICOM series."""

import striate.formats.volumes.format  # noqa: F401 - registers itself
