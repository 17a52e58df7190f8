"""DICOM's Basic Application Level Confidentiality Profile (PS3.15, table E.1-1), from dicom-anonymizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from striate.errors import MissingPartError

EDITION = "2026c"
"""Edition of the standard whose table is used."""

Action = Callable[[Any, Any], None]


@cache
def profile() -> dict[tuple[int, int], str]:
    """What the profile does, by group and element: the name of dicom-anonymizer's function for it.

    `delete` is X of the standard, `empty` Z, `replace` D, `replace_UID` U; `delete_or_empty` is X/Z, and so on.

    Raises:
        MissingPartError: The extra `scans` is not installed.
    """
    return {tag: action.__name__ for tag, action in _table().items() if len(tag) == 2}


@cache
def repeating() -> tuple[tuple[int, int, int, int, str], ...]:
    """The same for groups that may occur several times (overlays, curves): group, element, and a mask for each."""
    return tuple((*tag, action.__name__) for tag, action in _table().items() if len(tag) == 4)


def action_for(tag: Any) -> str | None:
    """What the profile does with an attribute; `None` where it stays."""
    found = profile().get((tag.group, tag.element))
    if found is not None or tag.group < 0x5000:
        return found
    return next(
        (
            action
            for group, element, group_mask, element_mask, action in repeating()
            if tag.group & group_mask == group & group_mask and tag.element & element_mask == element & element_mask
        ),
        None,
    )


@cache
def _table() -> dict[tuple[int, ...], Action]:
    try:
        from dicomanonymizer.simpledicomanonymizer import initialize_actions
    except ImportError as error:
        raise missing_scans() from error
    table: dict[tuple[int, ...], Action] = initialize_actions(f"dicomfields_{EDITION}")
    return table


def missing_scans() -> MissingPartError:
    """The error for DICOM without the packages that read it."""
    return MissingPartError(
        "the packages that read DICOM and know its profile of confidentiality are not installed.",
        where="scans",
        fix='Type: pip install "striate[scans]"',
    )
