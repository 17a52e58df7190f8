"""Which files of a folder are volumes, and which of them hold a class for each voxel of another one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from striate.formats.folder_names import read_folder_name
from striate.formats.listing import is_picture_name, visit, walk
from striate.formats.masks.sets import MaskSet, find_mask_sets
from striate.formats.pairing import mask_ending
from striate.images.volumes import VOLUME_KINDS, find_volume_kind
from striate.structures import Count, evenly

_FOLDERS_LOOKED_AT, _FILES_LOOKED_AT, _DEPTH = 100, 400, 8
_SHARED_WITH_PICTURES = (".tif", ".tiff", ".npy", ".npz")
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_SCAN_WORDS, _LABEL_WORDS = ("data", "image", "img", "scan", "volume"), ("label", "labels", "mask", "seg", "gt")
_WORD_INSIDE = re.compile(rf"(.+)_({'|'.join(_SCAN_WORDS + _LABEL_WORDS)})_([^/]+)", re.I)
_STAND_IN = ".nii"
_STACKS_LOOKED_AT = 12


@dataclass(slots=True)
class VolumeFiles:
    """Volumes of a folder, relative to it with forward slashes.

    Attributes:
        labels: Label volume of each volume that has one.
        alone: Volumes without a label volume.
        orphans: Label volumes without a volume.
        others: Further files of a volume (second channels as nnU-Net names them), which are left out.
        how: In words, how pairs were told.
        all: Every volume.
        stacks: Whether they are stacks in files of a kind that single pictures have, too.
    """

    labels: dict[str, str] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    how: str = ""
    all: list[str] = field(default_factory=list)
    stacks: bool = False


def single_file_suffixes() -> tuple[str, ...]:
    """Endings of files that are volumes and nothing else."""
    return tuple(suffix for kind in VOLUME_KINDS for suffix in kind.suffixes if suffix not in _SHARED_WITH_PICTURES)


def look_for_volumes(path: Path) -> VolumeFiles:
    """Volumes of some folders, the upper ones first: enough to tell what kind of set it is."""
    if not path.is_dir():
        return VolumeFiles()
    suffixes = single_file_suffixes()
    found: list[str] = []
    shared: list[str] = []
    pictures = 0
    for folder, listing in visit(path, _FOLDERS_LOOKED_AT, _DEPTH):
        place = "" if folder == path else f"{folder.relative_to(path).as_posix()}/"
        found += [place + name for name in _ending(listing.others, suffixes)]
        stacks = _ending((*listing.pictures, *listing.others), _SHARED_WITH_PICTURES)
        shared += [place + name for name in stacks]
        pictures += len(listing.pictures) - sum(map(is_picture_name, stacks))
    if not found and len(shared) > pictures:
        some = [path / shared[index] for index in evenly(len(shared), _STACKS_LOOKED_AT).tolist()]
        if all(find_volume_kind(one) is not None for one in some):
            return sort_volumes(shared, stacks=True)
    return sort_volumes(found)


def _ending(names: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(suffixes))[:_FILES_LOOKED_AT]


def read_volume_files(path: Path) -> VolumeFiles:
    """All volumes of a folder."""
    suffixes = single_file_suffixes()
    pictures, others = walk(path)
    plain = [name for name in others if name.lower().endswith(suffixes)]
    if plain:
        return sort_volumes(plain)
    shared = [name for name in (*pictures, *others) if name.lower().endswith(_SHARED_WITH_PICTURES)]
    return sort_volumes([name for name in shared if find_volume_kind(path / name) is not None], stacks=True)


def sort_volumes(files: Sequence[str], stacks: bool = False) -> VolumeFiles:
    """Tells volumes from label volumes by the names of files and folders, as masks are told from pictures.

    Args:
        files: Paths relative to the set.
        stacks: Whether single pictures come in files of their kind, too.
    """
    found = VolumeFiles(all=list(files), stacks=stacks)
    stems = {without_suffix(file) for file in files}
    # A name that a volume and its labels share counts volumes, not channels.
    names = Counter(stem.rpartition("/")[2] for stem in stems)
    stand_ins: dict[str, str] = {}
    for file in files:
        stem = without_suffix(file)
        channel = _CHANNEL.fullmatch(stem) if names[stem.rpartition("/")[2]] == 1 else None
        # nnU-Net writes each channel of a volume into a file of its own, counted in four digits from 0000.
        if channel is not None and channel[2] != "0000" and f"{channel[1]}_0000" in stems:
            found.others.append(file)
            continue
        stand_ins[(channel[1] if channel is not None else _word_last(stem, stems)) + _STAND_IN] = file
    _take_first_of_each_patient(stand_ins, found)
    sets = [one for one in find_mask_sets(list(stand_ins)) if one.sure]
    chosen: MaskSet | None = sets[0] if sets else None
    if chosen is None:
        found.alone = list(stand_ins.values())
        return found
    pairing = chosen.pairing
    found.labels = {stand_ins[picture]: stand_ins[mask] for picture, mask in pairing.pairs.items()}
    found.alone = [stand_ins[name] for name in pairing.pictures]
    found.orphans = [stand_ins[name] for name in pairing.annotations]
    found.how = f"Labels are {chosen.kind}: {Count(len(found.labels)):volume has|volumes have} one of {pairing.how}."
    return found


def _word_last(stem: str, stems: Set[str]) -> str:
    """A name with the word for what it holds moved to its end where it stands inside (`p1_label_cropped`).

    Only where a file of the other kind bears the same name but for that word.
    """
    match = _WORD_INSIDE.fullmatch(stem)
    if match is None:
        return stem
    before, word, after = match.groups()
    others = _LABEL_WORDS if word.casefold() in _SCAN_WORDS else _SCAN_WORDS
    if not any(f"{before}_{other}_{after}" in stems for other in others):
        return stem
    return f"{before}_{after}" + ("_label" if word.casefold() in _LABEL_WORDS else "")


def _take_first_of_each_patient(stand_ins: dict[str, str], found: VolumeFiles) -> None:
    """Keeps one scan of each folder that holds several and one label volume (`p1/p1_t1`, `p1/p1_t2`, `p1/p1_seg`).

    Which one of them the labels are named after is not said; taken is the first by name, the same in all folders.
    """
    folders: dict[str, list[str]] = {}
    for name in stand_ins:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    for folder, names in folders.items():
        labels = [name for name in names if mask_ending(PurePosixPath(name).stem) is not None]
        scans = sorted(set(names) - set(labels))
        if not folder or len(labels) != 1 or len(scans) < 2:
            continue
        for name in scans[1:]:
            found.others.append(stand_ins.pop(name))
        # Under the name of the labels, so that the two are a pair.
        ending = mask_ending(PurePosixPath(labels[0]).stem)
        assert ending is not None
        stand_ins[f"{folder}/{ending[0]}{_STAND_IN}"] = stand_ins.pop(scans[0])


def without_suffix(file: str) -> str:
    """A path without the ending that says what kind of volume it is (`.nii.gz` counts as one)."""
    lower = file.lower()
    for suffix in sorted((*single_file_suffixes(), *_SHARED_WITH_PICTURES), key=len, reverse=True):
        if lower.endswith(suffix):
            return file[: -len(suffix)]
    return file


def patients_of(files: Sequence[str]) -> dict[str, str]:
    """Which patient each volume is of: the folder that only it and its like lie in, or its own name.

    Args:
        files: Volumes relative to the set.
    """
    # Without splits: a patient whose folder stands in two of them is one patient, in the wrong place.
    places = {
        file: "/".join(rest for part in PurePosixPath(file).parent.parts if (rest := read_folder_name(part).rest))
        for file in files
    }
    per_patient = len(set(places.values())) > 1 and "" not in places.values()
    return {file: places[file] if per_patient else without_suffix(file) for file in files}
