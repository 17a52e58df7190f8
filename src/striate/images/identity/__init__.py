"""What a file says about a person beside its pixels: found by name, and taken out.

Only the names of entries are ever told, never what stands in them. One file a family: DICOM, photographs, TIFF, NIfTI,
NRRD.
"""

from striate.images.identity.base import Holder, Identity, Taken
from striate.images.identity.finding import HOLDERS, find_holder, find_identity

__all__ = ["HOLDERS", "Holder", "Identity", "Taken", "find_holder", "find_identity"]
