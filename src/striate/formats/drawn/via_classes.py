"""Which attribute of VIA's regions is the class: annotators name it as they like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from striate.formats.folder_names import split_of

FLAG_ATTRIBUTES = {"iscrowd": "iscrowd", "crowd": "iscrowd", "ignore": "ignore", "difficult": "ignore"}
"""Attributes that say something else than the class, and the flag of an object that each sets."""

_USUAL = {"class", "classes", "class_name", "classname", "label", "labels", "category", "type", "name", "object"}
_FALSE = ("", "0", "false", "no", "none")


@dataclass(frozen=True, slots=True)
class ClassAttribute:
    """The attribute that says of which class a region is.

    Attributes:
        name: Its name; empty where regions have no attributes, and all are of one class.
        note: How it was found.
    """

    name: str
    note: str


def values_of(value: object) -> list[str]:
    """Class names that an attribute of one region gives: a text or a number, or flags of which some are set."""
    if isinstance(value, Mapping):
        return [str(name).strip() for name, flag in value.items() if is_set(flag) and str(name).strip()]
    if value is None or isinstance(value, list):
        return []
    text = str(value).strip()
    return [text] if text else []


def is_set(flag: object) -> bool:
    """Whether a flag is on, as VIA writes it: true, "true", 1, "yes", or a box of several that is ticked."""
    if isinstance(flag, Mapping):
        return any(is_set(one) for one in flag.values())
    return str(flag).strip().lower() not in _FALSE


def find_class_attribute(regions: Sequence[Mapping[str, Any]]) -> ClassAttribute:
    """The attribute whose values are classes: one that all regions have, with few different values.

    Among several such, one that is called like a class comes first, then one with more than one value, then the one
    with the fewest.

    Args:
        regions: The attributes of every region.
    """
    found: dict[str, Counter[str]] = {}
    for attributes in regions:
        for name, value in attributes.items():
            values = values_of(value)
            counts = found.setdefault(name, Counter())
            # Of several flags at once none is the class.
            if len(values) == 1:
                counts[values[0]] += 1
    usable = {name: counts for name, counts in found.items() if counts and name.lower() not in FLAG_ATTRIBUTES}
    if not usable:
        return ClassAttribute("", "No region has an attribute that could be its class, so all are of one class.")

    def rank(name: str) -> tuple[int, bool, bool, bool, int]:
        counts = usable[name]
        repeats = len(counts) < counts.total() or counts.total() == 1
        return -counts.total(), not repeats, name.strip().lower() not in _USUAL, len(counts) == 1, len(counts)

    best, *others = sorted(usable, key=rank)
    note = f"Classes come from the region attribute {best!r} ({len(usable[best])} different values)."
    if others:
        aside = ", ".join(f"{name!r} ({len(usable[name])})" for name in others[:5])
        note += f" Left aside: {aside}."
    return ClassAttribute(best, note)


def find_split_attribute(files: Iterable[Mapping[str, Any]]) -> str | None:
    """The file attribute whose values are names of splits, wherever it has a value; `None` where there is none."""
    strange, able = set[str](), dict[str, None]()
    for attributes in files:
        for name, value in attributes.items():
            values = values_of(value)
            if len(values) == 1 and split_of(values[0]) is not None:
                able[name] = None
            elif values:
                strange.add(name)
    return next((name for name in able if name not in strange), None)
