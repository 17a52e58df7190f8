"""Which value of a set's masks stands for which class: settled once, from what occurs and from a list of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.errors import DataError
from striate.formats.class_lists import ListedClass
from striate.formats.masks.files import GRAY, MaskValues
from striate.formats.masks.survey import Survey
from striate.structures import Count, Problem
from striate.structures.annotation import MOST_MASK_CLASSES, VOID

_VOC_BORDER = 0xE0E0C0
_VOID_16 = 65_535
_MOST_FREE_COLOURS = 60
_SMALL = 40
_DENSE = 0.25
_BLURRED = 60
_STRAY = (
    "Values in a few pixels of a few masks count as void ({levels}): list them in a file "
    "_classes.csv beside the masks, with the columns `Pixel Value` and `Class`, if they are classes."
)

ListFile = tuple[str, Sequence[ListedClass]]
"""Name of a file that lists classes, and the classes."""


@dataclass(slots=True)
class Settled:
    """The meaning of a set's mask values.

    Attributes:
        values: Values and class indices.
        names: Class names.
        notes: How it was settled.
        problems: Values that stand for no class.
    """

    values: MaskValues
    names: list[str]
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def settle_values(path: Path, survey: Survey, listed: ListFile | None) -> Settled:
    """Settles what the values of a set's masks mean.

    With a list of classes, its values or colours count; names without either stand for the values 0, 1, 2, ... in
    their order. Without one, classes are the values that occur. Void becomes 255 where the list calls it so, 255
    where all other values are small, and VOC's border colour.

    Args:
        path: The data set, for errors.
        survey: What occurs in its masks.
        listed: The list of classes, where there is one.

    Raises:
        DataError: The values cannot stand for classes, or there is one only.
    """
    blurred = not survey.coloured and (survey.lossy or len(survey.levels) > _BLURRED) and survey.two_tone
    if survey.lossy and not blurred:
        raise DataError(
            "the masks are files of a lossy kind (JPEG), which mixes the values of neighbouring classes, so that they "
            "cannot be told apart again.",
            where=path,
            fix="Save the masks as PNG from where they were made; only black and white ones can be read from JPEG.",
        )
    if blurred:
        settled = _blurred(survey, listed)
    else:
        by_list = None if listed is None else _listed(survey, *listed)
        settled = by_list or (_free_colours(path, survey) if survey.coloured else _free_levels(path, survey))
        if listed is not None and not any(listed[0] in note for note in settled.notes):
            settled.notes.append(f"{listed[0]} does not say which colour is which class, so it is left aside.")
    if len(settled.names) > MOST_MASK_CLASSES:
        raise DataError(
            f"{len(settled.names)} classes are listed; a mask can tell apart {MOST_MASK_CLASSES}.",
            where=path,
            fix="Merge classes, and leave those that never occur out of the list.",
        )
    _note_sample(survey, settled)
    _report_unknown(survey, settled)
    _refuse_one_class(path, survey, settled)
    return settled


def _refuse_one_class(path: Path, survey: Survey, settled: Settled) -> None:
    if settled.values.nearest or not survey.is_complete:
        return
    occurring = survey.colours if settled.values.coloured else survey.levels
    shown = {index for value, index in settled.values.classes if value in occurring and index != VOID}
    if len(shown) < 2:
        seen = f"all show only {settled.names[shown.pop()]!r}" if shown else "none shows any"
        raise DataError(
            f"{Count(len(survey.masks)):mask}, and {seen} of the classes ({', '.join(settled.names[:5])}): there is "
            "nothing to tell apart.",
            where=path,
            fix="Check that these are the masks for these pictures, and that a list of classes fits their values.",
        )


def _build(
    meanings: Sequence[tuple[int, str | None]], coloured: bool, notes: list[str], nearest: bool = False
) -> Settled:
    """From values and their class names, in the order of classes; `None` is void."""
    names = [name for _, name in meanings if name is not None]
    position = {name: index for index, name in enumerate(names)}
    pairs = sorted((value, VOID if name is None else position[name]) for value, name in meanings)
    return Settled(MaskValues(tuple(pairs), coloured, nearest), names, notes)


def _two_names(listed: ListFile | None) -> tuple[str, str]:
    """Names for black and white."""
    names = [one.name for one in listed[1]] if listed else []
    if len(names) == 2:
        return names[0], names[1]
    return "background", names[0] if len(names) == 1 and names[0] != "background" else "foreground"


def _blurred(survey: Survey, listed: ListFile | None) -> Settled:
    black, white = _two_names(listed)
    note = (
        "The masks are black and white but for blurred edges" + (" (JPEG)" if survey.lossy else "") + ": levels below "
        f"128 count as {black!r}, others as {white!r}."
    )
    return _build([(0, black), (255, white)], False, [note], nearest=True)


def _listed(survey: Survey, file: str, classes: Sequence[ListedClass]) -> Settled | None:
    colours = {one.colour: one for one in classes if one.colour is not None}
    void_says = any(one.value == VOID and one.is_void for one in classes)
    # Where 255 is void, a class may be called "unknown"; and of two classes, "unlabeled" is the background.
    rest = [one for one in classes if not one.is_void]
    voids = len(rest) >= 2 and not void_says
    names: dict[ListedClass, str | None] = {
        one: None if (one.is_void and voids) or (one.is_void and one.value == VOID) else one.name for one in classes
    }
    if colours and _fits_colours(survey, set(colours), len(classes)):
        meanings = [(colour, names[one]) for colour, one in colours.items()]
        if _VOC_BORDER not in colours:
            meanings.append((_VOC_BORDER, None))
        return _build(meanings, True, [f"Class names and colours come from {file}."])
    if survey.coloured:
        return None
    note = f"Class names come from {file}"
    if survey.levels <= {0, 255} and len(classes) <= 2 and survey.levels - {one.value for one in classes}:
        black, white = _two_names((file, classes))
        return _build([(0, black), (255, white)], False, [f"{note}; 255 is {white!r}."])
    levels = [index if one.value is None else one.value for index, one in enumerate(classes)]
    meanings = [(level, names[one]) for level, one in zip(levels, classes, strict=True)]
    largest = max((level for level in survey.levels if level != VOID), default=0)
    shifted = levels == list(range(len(levels))) and largest == len(levels)
    if shifted and classes[0].name.casefold() != "background":
        # A list of things only: what is none of them has the value 0.
        meanings = [(0, "background"), *((level + 1, name) for level, name in meanings)]
        note += ", which names no background: its first class is the value 1"
    elif 0 in survey.levels and 0 not in levels and "background" not in names.values():
        meanings = [(0, "background"), *meanings]
        note += ", which does not say what 0 is: it counts as background"
    if VOID not in levels:
        meanings.append((VOID, None))
    return _build(meanings, False, [f"{note}."])


def _fits_colours(survey: Survey, colours: set[int], count: int) -> bool:
    """Whether the list's colours are those of the masks, rather than their levels or indices."""
    seen = survey.colours - {_VOC_BORDER}
    known = len(seen & colours)
    if survey.coloured:
        return known * 2 >= len(seen)
    indices = max(survey.levels - {VOID}, default=0) < count
    return seen <= colours and (not indices or len(seen) > 1)


def _free_colours(path: Path, survey: Survey) -> Settled:
    colours = sorted(survey.colours - {_VOC_BORDER})
    if len(colours) > _MOST_FREE_COLOURS:
        raise DataError(
            f"the masks hold {len(colours)} different colours, and no list says which of them are classes.",
            where=path,
            fix="Put a file label_colors.txt beside the masks, a line `red green blue name` for each class; or save "
            "the masks without smoothed edges.",
        )
    if len(colours) == 2 and colours[0] == 0:
        meanings: list[tuple[int, str | None]] = [(0, "background"), (colours[1], "foreground")]
    else:
        # Named by what they are: a number would change its meaning when another colour turns up.
        meanings = [(colour, "background" if colour == 0 else f"#{colour:06x}") for colour in colours]
    notes = [
        f"No list of colours was found: classes are the {len(colours)} colours that occur. To name them, put a file "
        "label_colors.txt beside the masks, a line `red green blue name` for each class."
    ]
    return _build([*meanings, (_VOC_BORDER, None)], True, notes)


def _free_levels(path: Path, survey: Survey) -> Settled:
    stray = survey.stray_levels() - {0}
    levels = survey.levels - stray
    strayed = [_STRAY.format(levels=", ".join(map(str, sorted(stray)[:5])))] if stray else []
    if levels <= {0, VOID}:
        notes = ["255 is the foreground, 0 the background.", *strayed]
        return _build([(0, "background"), (VOID, "foreground")], False, notes)
    void_16 = levels & {_VOID_16} if len(levels) > 2 else set()
    # Below 0 are fractions and marks; they are reported as values of no class.
    levels = {level for level in levels - void_16 if level >= 0}
    rest = levels - {VOID}
    if not rest:
        return _build([], False, [])
    dense = max(rest) <= _SMALL or len(rest) >= _DENSE * (max(rest) + 1)
    if len(rest) > MOST_MASK_CLASSES:
        raise DataError(
            f"the masks hold {len(levels)} different values; a mask can tell apart {MOST_MASK_CLASSES} classes.",
            where=path,
            fix="If each value is an object and not a class, use --format label-images.",
        )
    void = dense and len(rest) > 1 and min(rest) < 2
    classes = sorted(rest if void or VOID not in levels else levels)
    if dense and not survey.is_complete:
        # Masks that were not looked at may hold the values in between.
        classes = list(range(min(classes), max(classes) + 1))
    if len(classes) > MOST_MASK_CLASSES:
        classes = sorted(rest)
    if len(classes) == 2 and classes[0] == 0:
        names = ["background", "foreground"]
    else:
        names = ["background" if level == 0 else f"class-{level}" for level in classes]
    shown = f"{classes[0]}..{classes[-1]}" if len(classes) > 6 else ", ".join(map(str, classes))
    notes = [f"No list of classes was found: classes are the values {shown}" + ("; 255 is void." if void else ".")]
    notes += strayed
    meanings: list[tuple[int, str | None]] = list(zip(classes, names, strict=True))
    voids = void_16 | (set() if VOID in classes else {VOID})
    return _build([*meanings, *((level, None) for level in voids)], False, notes)


def _note_sample(survey: Survey, settled: Settled) -> None:
    read = len(survey.masks)
    if not survey.is_complete:
        settled.notes.append(
            f"Values were looked at in {read} of {survey.total} masks, evenly spread; values that occur in others only "
            "become void."
        )


def _report_unknown(survey: Survey, settled: Settled) -> None:
    if settled.values.nearest:
        return
    known = {value for value, _ in settled.values.classes}
    strange: set[int] = set()
    files = []
    for mask in survey.masks:
        if settled.values.coloured:
            found = mask.colours - known
        elif mask.levels is not None:
            found = mask.levels - known
        else:
            found = frozenset(colour // GRAY if colour % GRAY == 0 else -1 for colour in mask.colours) - known
        if found:
            files.append(mask.name)
            strange |= found
    if not files:
        return
    shown = [f"#{one:06x}" if settled.values.coloured and one >= 0 else str(one) for one in sorted(strange)]
    settled.problems.append(
        Problem(
            "unknown-mask-value",
            files[0],
            f"of {Count(len(survey.masks)):mask} looked at, {Count(len(files)):holds|hold} values that stand for no "
            f"class: {', '.join(shown[:5])}{', ...' if len(shown) > 5 else ''} (for example {files[0]}).",
            "Those pixels count as void. Add the values to the list of classes, or correct the masks.",
        )
    )
