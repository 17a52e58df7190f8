"""Lists of pictures, a line each, that decide the splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from striate.formats.tally import some_of
from striate.structures import Count, Problem

_UNUSED = "The lists are not used. Correct them, or delete them."
_MISSING = "They are left out. Add the pictures, or take the names off the lists."
_TWICE = "Each stays in the first of training, validation and test. Take it off the other lists."


def split_by_lists(
    lists: Mapping[str, Sequence[tuple[str, str]]],
    find: Callable[[str], str | None],
    where: str,
    problems: list[Problem],
) -> dict[str, str]:
    """Split of each picture that a list names; nothing where no line of any list fits.

    A picture in several lists belongs to the first of training, validation and test, so that nothing is trained with
    and judged by.

    Args:
        lists: By split, each line and the file that it is from; the key `""` is for training and validation together.
        find: The picture that a line names; `None` where it names none.
        where: Where the lists are, for problems.
        problems: Takes down lines that name no picture, and pictures in several lists.
    """
    chosen: dict[str, str] = {}
    missing: list[str] = []
    twice: list[str] = []
    for split in ("train", "validation", "test", ""):
        for line, file in lists.get(split, ()):
            picture = find(line)
            if picture is None:
                missing += [] if not line.strip() or line.lstrip().startswith("#") else [f"{line.strip()} in {file}"]
            elif chosen.setdefault(picture, split) != split and split:
                twice.append(f"{picture} in {file}")
    if missing and not chosen:
        detail = f"none of the {len(missing)} names in the lists is that of an annotated picture ({missing[0]}, ...)."
        problems.append(Problem("lists-of-other-pictures", where, detail, _UNUSED))
    elif missing:
        detail = (
            f"{Count(len(missing)):name in the lists fits|names in the lists fit} no picture ({some_of(missing, 1)})."
        )
        problems.append(Problem("listed-without-picture", where, detail, _MISSING, "dropped"))
    if twice:
        detail = f"{Count(len(twice)):picture is|pictures are} in the lists of several splits ({some_of(twice, 1)})."
        problems.append(Problem("listed-twice", where, detail, _TWICE))
    return chosen
