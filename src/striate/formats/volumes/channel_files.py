"""Volumes whose channels lie in files of their own: which files belong together.

Two layouts are known. nnU-Net counts channels in four digits from 0000 (`case_0000.nii.gz`, `case_0001.nii.gz`, and
`case.nii.gz` for the labels). BraTS has a folder for each patient, with several scans and one label volume that share
the beginning of their names (`p1/p1_t1`, `p1/p1_t2`, `p1/p1_seg`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from striate.formats.pairing import mask_ending
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
    rest = {
        stem: file for stem, file in files.items() if not any(file in one.files.values() for one in numbered.values())
    }
    in_folders = _in_folders(rest)
    taken = {file for group in in_folders.values() for file in group.files.values()}
    found.volumes = {stem: file for stem, file in rest.items() if file not in taken}
    for groups in (numbered, in_folders):
        _join(groups, found, fits)
    return found


def _numbered(files: dict[str, str]) -> dict[str, _Group]:
    """Groups of nnU-Net's kind, by the name of the volume."""
    # A name that a volume and its labels share counts volumes, not channels.
    names = Counter(stem.rpartition("/")[2] for stem in files)
    groups: dict[str, _Group] = {}
    for stem, file in files.items():
        match = _NUMBERED.fullmatch(stem)
        if match is None or names[stem.rpartition("/")[2]] > 1:
            continue
        suffix = file[len(stem) :]
        group = groups.setdefault(match[1], _Group(f"{match[1]}_", {}, suffix))
        group.files[match[2]] = file
        group.joinable = group.joinable and suffix == group.suffix
    alike = Counter((name.rpartition("/")[0], group.channels) for name, group in groups.items())

    def counts_channels(name: str, group: _Group) -> bool:
        if _FIRST not in group.files:
            return False
        # Labels bear the name without a number; without labels, several volumes of a folder have the same numbers.
        folder, _, last = name.rpartition("/")
        return last in names or (len(group.files) > 1 and alike[folder, group.channels] > 1)

    return {name: group for name, group in groups.items() if counts_channels(name, group)}


def _in_folders(files: dict[str, str]) -> dict[str, _Group]:
    """Groups of BraTS' kind, by the name of the volume, which is that of the labels."""
    folders: dict[str, list[str]] = {}
    for stem in files:
        folders.setdefault(stem.rpartition("/")[0], []).append(stem)
    groups = {}
    for folder, stems in folders.items():
        labels = [found[0] for stem in stems if (found := mask_ending(PurePosixPath(stem).name)) is not None]
        scans = sorted(stem for stem in stems if mask_ending(PurePosixPath(stem).name) is None)
        if not folder or len(labels) != 1 or len(scans) < 2:
            continue
        start = len(f"{folder}/{labels[0]}_")
        suffix = files[scans[0]][len(scans[0]) :]
        alike = [
            stem[:start].casefold() == scans[0][:start].casefold()
            and stem[: start - 1].casefold() == f"{folder}/{labels[0]}".casefold()
            and files[stem][len(stem) :] == suffix
            and bool(stem[start:])
            for stem in scans
        ]
        joinable = all(alike) and len({stem[:start] for stem in scans}) == 1
        named = {stem[start:] if joinable else stem: files[stem] for stem in scans}
        groups[f"{folder}/{labels[0]}"] = _Group(scans[0][:start], named, suffix, joinable)
    return groups


def _join(groups: dict[str, _Group], found: ChannelFiles, fits: Callable[[str], bool]) -> None:
    sets = Counter(group.channels for group in groups.values() if group.joinable and len(group.files) > 1)
    wanted = sets.most_common(1)[0][0] if sets else ()
    if any(_CANNOT_BE_TOLD.search(channel) for channel in wanted):
        wanted = ()
    whole = {
        name: join_address(group.before, wanted, group.suffix)
        for name, group in groups.items()
        if wanted and group.joinable and set(wanted) <= set(group.files)
    }
    tried = list(whole.values())
    if not all(fits(tried[index]) for index in evenly(len(tried), _TRIED).tolist()):
        wanted, whole = (), {}
    found.channels = found.channels or wanted
    for name, group in groups.items():
        first, *others = [group.files[channel] for channel in group.channels]
        if name in whole:
            found.volumes[name] = whole[name]
            found.others += [file for channel, file in group.files.items() if channel not in wanted]
        elif wanted:
            found.incomplete[name] = first, tuple(channel for channel in wanted if channel not in group.files)
        else:
            found.volumes[name] = first
            found.others += others
