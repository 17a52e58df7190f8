"""Which files of a folder are volumes, and which of them hold a class for each voxel of another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from striate.errors import PictureError
from striate.formats.folder_names import place_of, read_folder_name
from striate.formats.listing import is_picture_name, visit, walk
from striate.formats.masks.sets import MaskSet, find_mask_sets
from striate.formats.pairing import mask_ending
from striate.formats.tally import left_out
from striate.formats.volumes.channel_files import join_channel_volumes
from striate.images.volumes import VOLUME_KINDS, find_volume_kind, read_volume_header, without_channels
from striate.structures import Count, Problem, evenly

_FOLDERS_LOOKED_AT, _FILES_LOOKED_AT, _DEPTH = 100, 400, 8
_SHARED_WITH_PICTURES = (".tif", ".tiff", ".npy", ".npz")
_SCAN_WORDS, _LABEL_WORDS = ("data", "image", "img", "scan", "volume"), ("label", "labels", "mask", "seg", "gt")
_WORD_INSIDE = re.compile(rf"(.+)_({'|'.join(_SCAN_WORDS + _LABEL_WORDS)})_([^/]+)", re.I)
_STAND_IN = ".nii"
_MOST_OF_A_PATIENT, _MOST_OF_ONE_OF_TWO = 12, 3
_STACKS_LOOKED_AT, _STACKS_SHARE = 12, 0.75
_NAMED = 5


@dataclass(slots=True)
class VolumeFiles:
    """Volumes of a folder, relative to it with forward slashes.

    Attributes:
        labels: Label volume of each volume that has one.
        alone: Volumes without a label volume.
        orphans: Label volumes without a volume.
        others: Files with a channel that most volumes do not have, or that lies on another grid; they are left out.
        incomplete: Volumes that lack channels which most have, and these; they are left out.
        channels: Channels that lie in files of their own; volumes then have an address (`images.volumes.addresses`).
        how: In words, how pairs were told.
        unused: Further labels beside those that are taken, and labels of nothing in other folders.
        twins: Files whose names differ from another one's in their ending alone; they are left out.
        aside: Files of other kinds, pictures and stacks.
        all: Every file.
        stacks: Whether they are stacks in files of a kind that single pictures have, too.
    """

    labels: dict[str, str] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    incomplete: dict[str, tuple[str, ...]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    unused: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    how: str = ""
    all: list[str] = field(default_factory=list)
    stacks: bool = False

    def notes(self) -> list[str]:
        """That channels lie in files of their own, and what is left aside, a sentence each."""
        found = []
        if self.channels:
            found.append(f"Channels of a volume lie in files of their own ({', '.join(self.channels)}).")
        if self.aside:
            aside = Count(len(self.aside))
            found.append(f"{aside:file of another kind is|files of other kinds are} left aside ({self.aside[0]}).")
        return found

    def problems(self) -> list[Problem]:
        """Files that are not read, channels that are not, and volumes that lack some."""
        missing = [
            Problem(
                "missing-channel",
                name,
                f"there is no file for {', '.join(lacking)}, where other volumes have {', '.join(self.channels)}.",
                "It is left out. Add the file, or delete the volume's other channels.",
                "dropped",
            )
            for name, lacking in self.incomplete.items()
        ]
        surplus = left_out(
            "further-channel",
            self.others,
            "file holds|files hold",
            "a further scan or channel that is not read: other volumes lack it, it lies on another grid, or its file "
            "ends otherwise",
            "Give every volume the same channels, on one grid, in files of one kind.",
            _NAMED,
        )
        twins = left_out(
            "ambiguous-name",
            self.twins,
            "file differs|files differ",
            "from another one in the ending of its name alone",
            "Give each volume a name of its own.",
            _NAMED,
        )
        unused = left_out(
            "further-labels",
            self.unused,
            "label volume is|label volumes are",
            "of another kind than those that are taken, or of nothing",
            "Keep one kind of labels, and one volume for each.",
            _NAMED,
        )
        return missing + surplus + twins + unused


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
        # Damaged ones are no stacks, and must not make pictures of the others.
        if sum(find_volume_kind(one) is not None for one in some) >= _STACKS_SHARE * len(some):
            return sort_volumes(shared, stacks=True)
    return sort_volumes(found)


def _ending(names: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(suffixes))[:_FILES_LOOKED_AT]


def read_volume_files(path: Path) -> VolumeFiles:
    """All volumes of a folder."""
    suffixes = single_file_suffixes()
    pictures, others = walk(path)
    plain = [name for name in others if name.lower().endswith(suffixes)]
    shared = [name for name in (*pictures, *others) if name.lower().endswith(_SHARED_WITH_PICTURES)]

    def fits(address: str) -> bool:
        return _lies_on_one_grid(path / address)

    if plain:
        found = sort_volumes(plain, fits=fits)
    else:
        stacks = [name for name in shared if find_volume_kind(path / name) is not None]
        if len(stacks) >= _STACKS_SHARE * len(shared):
            # The others are damaged or no stacks, and reading them says so.
            stacks = shared
        found = sort_volumes(stacks, stacks=True, fits=fits)
    found.aside = sorted({*pictures, *shared} - set(found.all)) if found.all else []
    return found


def _lies_on_one_grid(address: Path) -> bool:
    """Whether the files of an address belong together; a file that cannot be read is for others to report."""
    try:
        read_volume_header(address)
    except PictureError as error:
        return error.kind != "channel-sizes"
    return True


def sort_volumes(
    files: Sequence[str], stacks: bool = False, fits: Callable[[str], bool] = lambda _: True
) -> VolumeFiles:
    """Tells volumes from label volumes by the names of files and folders, as masks are told from pictures.

    Args:
        files: Paths relative to the set.
        stacks: Whether single pictures come in files of their kind, too.
        fits: Whether the files of an address lie on one grid.
    """
    by_stem: dict[str, str] = {}
    for file in files:
        by_stem.setdefault(without_suffix(file), file)
    joined = join_channel_volumes(by_stem, fits)
    found = VolumeFiles(all=list(files), stacks=stacks, channels=joined.channels)
    found.twins = sorted(set(files) - set(by_stem.values()))
    found.others, found.incomplete = joined.others, dict(joined.incomplete.values())
    # Labels of a volume that is left out are left out with it.
    lost = {_placed(name) for name in joined.incomplete}
    whole = {stem: file for stem, file in joined.volumes.items() if not _volumes_of_labels(stem) & lost}
    # Under names of pictures of one kind, masks are told from pictures.
    stand_ins = {_word_last(stem, whole.keys()) + _STAND_IN: file for stem, file in whole.items()}
    sets = [one for one in find_mask_sets(list(stand_ins)) if one.sure]
    chosen: MaskSet | None = sets[0] if sets else None
    if chosen is None:
        found.alone = list(stand_ins.values())
        return found
    pairing = chosen.pairing
    found.labels = {stand_ins[picture]: stand_ins[mask] for picture, mask in pairing.pairs.items()}
    found.alone = [stand_ins[name] for name in pairing.pictures]
    found.orphans = [stand_ins[name] for name in pairing.annotations]
    used = {*pairing.pairs, *pairing.pairs.values(), *pairing.pictures, *pairing.annotations}
    found.unused = [file for name, file in stand_ins.items() if name not in used]
    found.how = f"Labels are {chosen.kind}: {Count(len(found.labels)):volume has|volumes have} one of {pairing.how}."
    return found


def _placed(stem: str) -> tuple[tuple[str, ...], str]:
    """Where a volume is, but for folders that only say what is in them, and its name."""
    return place_of(stem), stem.rpartition("/")[2].casefold()


def _volumes_of_labels(stem: str) -> set[tuple[tuple[str, ...], str]]:
    """What the volume may be called, and where, that a label volume is of."""
    place, name = _placed(stem)
    ending = mask_ending(name)
    return {(place, name)} if ending is None else {(place, name), (place, ending[0])}


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


def without_suffix(file: str) -> str:
    """A path without the ending that says what kind of volume it is (`.nii.gz` counts as one)."""
    lower = file.lower()
    for suffix in sorted((*single_file_suffixes(), *_SHARED_WITH_PICTURES), key=len, reverse=True):
        if lower.endswith(suffix):
            return file[: -len(suffix)]
    return file


def name_of_volume(address: str) -> str:
    """The name of a volume by its path or address, without ending and channels."""
    return without_suffix(without_channels(address))


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
    people = set(places.values())
    # Folders of many volumes each, and two of more than a few, are sites or studies.
    most = _MOST_OF_A_PATIENT if len(people) > 2 else _MOST_OF_ONE_OF_TWO
    if len(people) > 1 and "" not in people and len(files) <= most * len(people):
        return places
    names = {file: name_of_volume(file) for file in files}
    # Braces of file names that are no address would make several volumes one.
    return names if len(set(names.values())) == len(names) else {file: without_suffix(file) for file in files}
