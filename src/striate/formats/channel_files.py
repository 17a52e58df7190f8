"""Class folders of pictures whose channels lie in files of their own."""

from __future__ import annotations

from striate.formats.labelled import Entry, Findings
from striate.images import FileSource, Stacks, find_stacks
from striate.structures import Count, Problem


def join_channel_files(found: Findings) -> None:
    """Puts entries together that are channels of one picture, and lists what is missing.

    Args:
        found: What a format found, a file an entry; changed in place where its files are channels.
    """
    entries = [entry for part in found.splits.values() for entry in part]
    files = [entry.source for entry in entries if isinstance(entry.source, FileSource)]
    if len(files) < len(entries):
        return
    stacks = find_stacks([file.path for file in files], [file.name for file in files])
    if stacks.doubt:
        found.notes.append(stacks.doubt)
    if not stacks.channels:
        return
    start = 0
    for split, part in found.splits.items():
        found.splits[split] = [
            entry if position not in stacks.members else Entry(stacks.sources[position], entry.names, entry.group)
            for position, entry in enumerate(part, start)
            if position not in stacks.members or position in stacks.sources
        ]
        start += len(part)
    counts = f"{Count(len(stacks.members)):file is|files are} {Count(len(stacks.sources)):picture}"
    found.notes.append(f"Channels lie in files of their own ({', '.join(stacks.channels)}): {counts}.")
    found.problems += _problems(stacks)


def _problems(stacks: Stacks) -> list[Problem]:
    missing = [
        Problem(
            "missing-channel",
            name,
            f"there is no file for {', '.join(lacking)}, where other pictures have {', '.join(stacks.channels)}.",
            "It is left out. Add the file, or delete the picture's other channels.",
            "dropped",
        )
        for name, lacking in stacks.missing.items()
    ]
    surplus = [
        Problem(
            "surplus-channel",
            name,
            f"other pictures have {', '.join(stacks.channels)}, and none such.",
            "This file is left out. Add it to the other pictures, or delete it.",
            "dropped",
        )
        for name in stacks.surplus
    ]
    return missing + surplus
