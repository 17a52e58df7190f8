"""Volumes whose channels lie in files of their own: which files belong together.

Three layouts are known. nnU-Net counts channels in four digits from 0000 (`case_0000.nii.gz`, `case_0001.nii.gz`, and
`case.nii.gz` for the labels). In BraTS the scans of a patient and one label volume share the beginning of their names
(`p1_t1`, `p1_t2`, `p1_seg`). Elsewhere they are called alike in the folders of all patients (`p1/t1`, `p1/t2`,
`p1/seg`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from striate.formats.folder_names import read_folder_name
from striate.formats.pairing import MASK_WORDS, mask_ending
from striate.images.volumes import join_address
from striate.structures import evenly

_NUMBERED = re.compile(r"(.+)_(\d{4})")
_FIRST = "0000"
_TRIED = 3
_CANNOT_BE_TOLD = re.compile(r"[{},]")


@dataclass(slots=True)
class ChannelFiles:
    """Files put together.

    Attributes:
        volumes: File or address of each volume, by its name without suffix and channel.
        channels: Channels that lie in files of their own; none where a file holds all of a volume.
        others: Files with a channel that most volumes do not have, or that lies on another grid.
        incomplete: First files of volumes that lack channels which most have, and these; by the name of the volume.
    """

    volumes: dict[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    others: list[str] = field(default_factory=list)
    incomplete: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """Files that are one volume by their names.

    Attributes:
        before: Beginning of their paths.
        files: File by channel; where names do not share a beginning, by the whole name.
        suffix: End of their paths.
        joinable: Whether `before`, a channel and `suffix` make up each path.
    """

    before: str
    files: dict[str, str]
    suffix: str
    joinable: bool = True

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(sorted(self.files))


def join_channel_volumes(files: dict[str, str], fits: Callable[[str], bool]) -> ChannelFiles:
    """Puts files together that are channels of one volume.

    Args:
        files: Path of each file by its path without suffix.
        fits: Whether the files of an address lie on one grid.
    """
    found = ChannelFiles()
    numbered = _numbered(files)
    taken = _files_of(numbered)
    rest = {stem: file for stem, file in files.items() if file not in taken}
    in_folders, labels = _in_folders(rest)
    taken = _files_of(in_folders)
    found.volumes = {labels.get(stem, stem): file for stem, file in rest.items() if file not in taken}
    for groups in (numbered, in_folders):
        _join(groups, found, fits)
    return found


def _files_of(groups: dict[str, _Group]) -> set[str]:
    return {file for group in groups.values() for file in group.files.values()}


def _numbered(files: dict[str, str]) -> dict[str, _Group]:
    """Groups of nnU-Net's kind, by the name of the volume."""
    labelled = {_labelled(stem) or _name(stem) for stem in files if _labelled(stem) or _is_in_label_folder(stem)}
    groups: dict[str, _Group] = {}
    for stem, file in files.items():
        match = _NUMBERED.fullmatch(stem)
        # A number that labels have, too, counts volumes and not channels.
        if match is None or _name(stem) in labelled or _is_in_label_folder(stem):
            continue
        suffix = file[len(stem) :]
        group = groups.setdefault(match[1], _Group(f"{match[1]}_", {}, suffix))
        group.files[match[2]] = file
        group.joinable = group.joinable and suffix == group.suffix
    alike = Counter((name.rpartition("/")[0], group.channels) for name, group in groups.items())

    def counts_channels(name: str, group: _Group) -> bool:
        if _FIRST not in group.files or name in files:
            return False
        # Labels bear the name without a number; without labels, several volumes of a folder have the same numbers.
        several = len(group.files) > 1 and alike[name.rpartition("/")[0], group.channels] > 1
        return _name(name) in labelled or several

    return {name: group for name, group in groups.items() if counts_channels(name, group)}


def _name(stem: str) -> str:
    return stem.rpartition("/")[2].casefold()


def _is_in_label_folder(stem: str) -> bool:
    roles = [role for part in PurePosixPath(stem).parent.parts if (role := read_folder_name(part).role)]
    return bool(roles) and roles[-1] in ("mask", "instance")


def _in_folders(files: dict[str, str]) -> tuple[dict[str, _Group], dict[str, str]]:
    """Groups of BraTS' kind by the name of the volume, and names under which labels that are called alike are its."""
    folders: dict[str, list[str]] = {}
    for stem in files:
        folders.setdefault(stem.rpartition("/")[0], []).append(stem)
    groups: dict[str, _Group] = {}
    alike: dict[str, _Group] = {}
    names: dict[str, str] = {}
    for folder, stems in folders.items():
        labels = {stem: of for stem in stems if (of := _labelled(stem)) is not None}
        scans = {stem: files[stem] for stem in sorted(set(stems) - set(labels))}
        found = _begun_alike(f"{folder}/" if folder else "", [of for of in labels.values() if of], scans)
        groups |= found
        if found or not folder or len(labels) != 1:
            continue
        ((label, of),) = labels.items()
        if scans and (not of or len(scans) > 1):
            # Names that say nothing of the patient, `p1/t1` and `p1/seg`: then other folders have the same.
            name = f"{folder}/{of or PurePosixPath(folder).name}"
            alike[name] = _group_of(f"{folder}/", scans)
            names[name] = label
    usual = Counter(group.channels for group in alike.values()).most_common(1)
    if usual and usual[0][1] > 1:
        kept = {name: group for name, group in alike.items() if set(group.files) & set(usual[0][0])}
        return groups | kept, {names[name]: f"{name}_label" for name in kept}
    return groups, {}


def _begun_alike(place: str, labelled: Sequence[str], scans: dict[str, str]) -> dict[str, _Group]:
    """Groups of scans in one folder whose names begin as those of labels do, by the name of the volume.

    Args:
        place: The folder, with a slash behind it.
        labelled: What its labels are of.
        scans: Files by their path without suffix.
    """
    groups: dict[str, _Group] = {}
    left = dict(scans)
    # The longest first: scans of `p1_left` begin like those of `p1`, too.
    for of in sorted(labelled, key=len, reverse=True):
        start = len(place) + len(of)
        own = {
            stem: file
            for stem, file in left.items()
            if stem[len(place) : start].casefold() == of and stem[start : start + 1] in ("-", "_", ".", " ")
        }
        # Where a scan is called as the labels are, it is the one that they are of.
        if len(own) > 1 and not any(stem[len(place) :].casefold() == of for stem in left):
            groups[f"{place}{of}"] = _group_of(next(iter(own))[: start + 1], own)
            left = {stem: file for stem, file in left.items() if stem not in own}
    return groups


def _group_of(before: str, scans: dict[str, str]) -> _Group:
    first = next(iter(scans))
    suffix = scans[first][len(first) :]
    same = all(stem.startswith(before) and file[len(stem) :] == suffix for stem, file in scans.items())
    return _Group(before, {stem[len(before) :]: file for stem, file in scans.items()}, suffix, same)


def _labelled(stem: str) -> str | None:
    """What the labels of this name are of; empty where the name says no more than that they are labels."""
    name = PurePosixPath(stem).name.casefold()
    if name in MASK_WORDS:
        return ""
    found = mask_ending(name)
    return None if found is None else found[0]


def _join(groups: dict[str, _Group], found: ChannelFiles, fits: Callable[[str], bool]) -> None:
    sets = Counter(group.channels for group in groups.values())
    wanted = sets.most_common(1)[0][0] if sets else ()
    if len(wanted) == 1 or any(_CANNOT_BE_TOLD.search(channel) for channel in wanted):
        wanted = ()
    whole = {
        name: join_address(group.before, wanted, group.suffix)
        for name, group in groups.items()
        if wanted and group.joinable and set(wanted) <= set(group.files)
    }
    tried = list(whole.values())
    if 2 * len(tried) < len(groups) or not all(fits(tried[index]) for index in evenly(len(tried), _TRIED).tolist()):
        wanted, whole = (), {}
    found.channels = found.channels or wanted
    for name, group in groups.items():
        first, *others = [group.files[channel] for channel in group.channels]
        if name in whole:
            found.volumes[name] = whole[name]
            found.others += [file for channel, file in group.files.items() if channel not in wanted]
        elif lacking := tuple(channel for channel in wanted if channel not in group.files):
            found.incomplete[name] = first, lacking
        else:
            found.volumes[name] = first
            found.others += others
