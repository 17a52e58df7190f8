"""What volumes are in a folder, whether or not something says what they show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import MissingPartError
from striate.formats.volumes.files import read_volume_files
from striate.formats.volumes.found import FoundVolume, found_files, read_dicom_set, read_headers
from striate.images.volumes import VOLUME_KINDS, VolumeHeader, find_volume_kind
from striate.structures import Count, Problem

_SHOWN = 3
_TOWARDS = {"L": "left", "R": "right", "A": "front", "P": "back", "S": "head", "I": "feet"}


@dataclass(frozen=True, slots=True)
class VolumeLook:
    """Volumes that can be read, and what is odd about volumes.

    Attributes:
        headers: What each says about itself.
        problems: What cannot be read or is odd.
    """

    headers: dict[FoundVolume, VolumeHeader]
    problems: tuple[Problem, ...]

    def as_dict(self) -> list[dict[str, Any]]:
        """Plain data: one entry a volume."""
        return [
            {
                "path": volume.name,
                "kind": header.kind,
                "size_shw": list(header.size_shw),
                "spacing_mm": [round(side, 5) for side in header.geometry.spacing_mm],
                "orientation": header.geometry.letters if header.geometry.known else None,
                "channels": list(header.channel_names),
                "dtype": header.dtype,
                "modality": header.modality or None,
                "patient": volume.patient,
                "notes": list(header.notes),
            }
            for volume, header in self.headers.items()
        ]

    def sentences(self) -> list[str]:
        """What there is, a sentence each."""
        headers = list(self.headers.values())
        kinds = _counted([VOLUME_KINDS.get(one.kind).title for one in headers])
        modalities = _counted([one.modality for one in headers if one.modality])
        people = Count(len({volume.patient for volume in self.headers}))
        known = [one.geometry for one in headers if one.geometry.known]
        sizes = _spread(np.array([one.size_shw for one in headers]), "{:d}")
        words = f"{Count(len(headers)):volume} of {people:patient} ({kinds}{f'; {modalities}' if modalities else ''}), "
        words += f"{sizes} voxels"
        if known:
            spacing = _spread(np.array([one.spacing_mm for one in known]), "{:.3g}")
            words += f" of {spacing} mm; {_directions([one.letters for one in known])}"
        found = [f"{words}."]
        if len(known) < len(headers):
            lost = Count(len(headers) - len(known))
            found.append(f"{lost:volume does not say where it lies|volumes do not say where they lie}.")
        notes = Counter(note for one in headers for note in one.notes)
        found += [f"{note} ({Count(count):volume})." for note, count in notes.most_common(_SHOWN)]
        return found


def look_at_volumes(root: Path, patients: Mapping[str, str] | None = None) -> VolumeLook | None:
    """Volumes at a path; `None` where there are none.

    Args:
        root: A folder, or one volume.
        patients: Whose each one is, by its name, where that is known better than by names of folders.
    """
    problems: list[Problem] = []
    if root.is_file():
        volumes = [FoundVolume(root, root.name, root.name)] if find_volume_kind(root) is not None else []
    else:
        files = read_volume_files(root)
        volumes = found_files(root, [*files.labels, *files.alone])
        try:
            dicom = read_dicom_set(root, deep=False)
        except MissingPartError as error:
            problems.append(Problem("missing-part", "", error.what, error.fix))
        else:
            volumes += dicom.volumes
            problems += dicom.problems
    volumes = [replace(one, patient=(patients or {}).get(one.name, one.patient)) for one in volumes]
    headers = read_headers(volumes, problems)
    return VolumeLook(headers, tuple(problems)) if headers else None


def _directions(letters: Sequence[str]) -> str:
    """Where slices, rows and columns go: `axes to head, back, left`; where volumes differ, by letters."""
    if len(set(letters)) > 1:
        return f"axes to {_counted(letters)} (left, right, front, back, head, feet: L, R, A, P, S, I)"
    return f"axes to {', '.join(_TOWARDS[letter] for letter in letters[0])}"


def _counted(names: Sequence[str]) -> str:
    """`3 CT, 1 MR`, the commonest first; of one kind its name alone."""
    counts = Counter(names).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = ", ".join(f"{count} {name}" for name, count in counts[:_SHOWN])
    return shown + (", ..." if counts[_SHOWN:] else "")


def _spread(values: Any, form: str) -> str:
    """Three sides, equal or from the least to the greatest."""
    low, high = values.min(axis=0).tolist(), values.max(axis=0).tolist()
    sides = (
        form.format(least) if form.format(least) == form.format(most) else f"{form.format(least)}-{form.format(most)}"
        for least, most in zip(low, high, strict=True)
    )
    return " x ".join(sides)
