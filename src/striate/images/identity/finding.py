"""Which family a file belongs to."""

from __future__ import annotations

from pathlib import Path

from striate.errors import MissingPartError, PictureError
from striate.images.identity.base import Holder, Identity
from striate.images.identity.dicom import DICOM
from striate.images.identity.nifti import NIFTI
from striate.images.identity.nrrd import NRRD
from striate.images.identity.photos import JPEG, PNG
from striate.images.identity.tiff import TIFF
from striate.images.kinds import HEAD_BYTES

HOLDERS: tuple[Holder, ...] = (DICOM, JPEG, PNG, TIFF, NIFTI, NRRD)
"""In the order in which they are asked: a DICOM file may begin like a TIFF, in its preamble."""


def find_holder(path: Path) -> Holder | None:
    """The family of a file; `None` where it is of none that can be looked into, or cannot be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    return next((holder for holder in HOLDERS if holder.recognises(path, head)), None)


def find_identity(path: Path, holder: Holder | None = None) -> Identity:
    """Identifying entries of a file; none where it cannot be read, which others say.

    Args:
        path: The file.
        holder: Its family, where that is known already.
    """
    holder = holder or find_holder(path)
    try:
        return Identity() if holder is None else holder.find(path)
    except (PictureError, MissingPartError, OSError):
        return Identity()
