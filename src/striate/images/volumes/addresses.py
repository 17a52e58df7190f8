"""Addresses of volumes whose channels lie in files of their own.

Such a volume has the address that shells expand to its files, in the order of its channels:
`p1/p1_{t1,t2,flair}.nii.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_ADDRESS = re.compile(r"([^{}]*)\{([^{},]+(?:,[^{},]+)+)\}([^{}]*)")
_SEPARATORS = "-_. "


def join_address(before: str, channels: Sequence[str], after: str) -> str:
    """The address of a volume whose files are `before`, a channel and `after`.

    Args:
        before: Folder and beginning of the names.
        channels: Two and more; without commas and braces.
        after: End of the names.
    """
    return f"{before}{{{','.join(channels)}}}{after}"


def channels_of(path: Path) -> tuple[str, ...]:
    """The channels that an address lists; none where it is a path like any other."""
    match = _ADDRESS.fullmatch(path.name)
    return () if match is None or path.exists() else tuple(match[2].split(","))


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of an address; of any other path the path itself."""
    match = _ADDRESS.fullmatch(path.name)
    if match is None or path.exists():
        return (path,)
    return tuple(path.with_name(f"{match[1]}{channel}{match[3]}") for channel in match[2].split(","))


def address_beside(file: Path, channels: Sequence[str]) -> Path | None:
    """The address of the volume that a file is one channel of, by its name; `None` where it is none.

    Args:
        file: `p1_t2.nii.gz`.
        channels: `t1`, `t2`, `flair`.
    """
    for channel in channels:
        match = re.fullmatch(rf"(|.*[{_SEPARATORS}]){re.escape(channel)}(\.[^{_SEPARATORS[:2]} ]+)", file.name)
        if match is not None:
            return file.with_name(join_address(match[1], channels, match[2]))
    return None


def without_channels(name: str) -> str:
    """The name of a volume without what tells its channels: `p1/p1.nii.gz` for `p1/p1_{t1,t2}.nii.gz`."""
    match = re.fullmatch(rf"(.*?)[{_SEPARATORS}]?\{{[^{{}}]*,[^{{}}]*\}}([^/]*)", name)
    return name if match is None else match[1] + match[2]
