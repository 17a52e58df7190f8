"""The one sentence that every page and summary about scans carries."""

from __future__ import annotations

NOT_A_MEDICAL_DEVICE = (
    "Not a medical device: neither this software nor any network made with it is cleared for diagnosis, treatment or "
    "any other decision about a patient."
)


def statement(scans: bool) -> str:
    """The sentence where pictures are scans, else nothing."""
    return NOT_A_MEDICAL_DEVICE if scans else ""
