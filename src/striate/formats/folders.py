"""Class folders: each class's pictures in a folder of its own, with or without folders for splits around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.errors import DataError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.channel_files import join_channel_files
from striate.formats.folder_names import says_no_class, split_in_name, split_of
from striate.formats.foreign import find_foreign, refusal
from striate.formats.labelled import Entry, Findings, build_reading
from striate.formats.listing import holds_pictures, scan, stem_of, subfolders, walk
from striate.formats.storing import PictureStore, folder_name_of, prepare_folder, refuse_several
from striate.formats.tables.box_places import find_box_places
from striate.formats.tables.rows import is_table, parse_grids
from striate.images import FileSource
from striate.structures import Count, Problem, Sample

_WRAPPERS = 3
_NESTING = 4
_LOOKED_AT, _HEAD = 3, 1 << 14


@dataclass(slots=True)
class _Layout:
    """Where the class folders are.

    Attributes:
        root: The folder that they, or the folders of splits, lie in.
        splits: Class folders by split; the key `""` where there are no splits.
        flat: Folders of splits that hold pictures without class folders.
        aside: Other folders beside the folders of splits.
    """

    root: Path
    splits: dict[str, list[Path]]
    flat: list[Path] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)


class _Folders(Format):
    name = "folders"
    title = "one folder for each class, inside folders for splits or not"
    tasks = ("classification",)

    def sniff(self, path: Path) -> Sniff | None:
        if not path.is_dir():
            return None
        layout = _find_layout(path)
        if layout is None or find_foreign(path, beside_pictures=True) is not None or _hold_boxes(layout):
            return None
        count = max(len(folders) for folders in layout.splits.values())
        inside = "" if "" in layout.splits else " in " + ", ".join(layout.splits)
        return Sniff(0.8 if count > 1 else 0.5, f"{count} class folders{inside}")

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        layout = _find_layout(path) if path.is_dir() else None
        if layout is None:
            raise refusal(path)
        found = Findings()
        if layout.root != path:
            found.notes.append(f"The class folders lie in {layout.root.relative_to(path).as_posix()}/.")
        for split, folders in layout.splits.items():
            entries = found.splits.setdefault(split, [])
            for folder in folders:
                entries += _class_entries(path, folder, found)
        join_channel_files(found)
        _report_leftovers(path, layout, found)
        _note_equal_names(found)
        return build_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `split/class/picture`; groups are not kept. Pictures that are files are copied as they are."""
        names = [folder_name_of(name, self.name) for name in classes]
        if all(map(says_no_class, names)):
            raise RequestError(
                f"classes called {', '.join(names)} would be taken for folders of pictures and masks.",
                where=self.name,
                fix="Rename a class, or write the format `table`.",
            )
        numbers = [
            (split, sample, refuse_several(sample.annotation, sample.name, self.name))
            for split, samples in splits.items()
            for sample in samples
        ]
        prepare_folder(out)
        store = PictureStore()
        for split, sample, number in numbers:
            store.save(sample, out / split / names[number] if split else out / names[number])


def _find_layout(path: Path, wrappers: int = _WRAPPERS) -> _Layout | None:
    folders = subfolders(path)
    layout = _Layout(path, {})
    for folder in folders:
        split = split_of(folder.name)
        classes = _class_folders(folder) if split else None
        if split and classes:
            layout.splits.setdefault(split, []).extend(classes)
        elif split and holds_pictures(folder, 0):
            layout.flat.append(folder)
        else:
            layout.aside.append(folder)
    if layout.splits:
        return layout
    inner = _only_wrapper(path, folders) if wrappers > 0 else None
    if inner is not None:
        return _find_layout(inner, wrappers - 1)
    classes = _class_folders(path)
    return None if classes is None else _Layout(path, {"": classes})


def _hold_boxes(layout: _Layout) -> bool:
    """Whether tables of boxes lie right beside the pictures of the first folders, which are parts of a set then."""
    for folder in [folder for folders in layout.splits.values() for folder in folders][:_LOOKED_AT]:
        tables = [folder / name for name in scan(folder, ordered=False).others if is_table(name)]
        for table in sorted(tables)[:_LOOKED_AT]:
            try:
                grids = parse_grids(table, _HEAD)
            except DataError:
                continue
            if any(find_box_places(grid) is not None for grid in grids):
                return True
    return False


def _only_wrapper(path: Path, folders: Sequence[Path]) -> Path | None:
    """The one folder that holds everything else, as unpacking an archive makes it; `None` where there is none."""
    holders = [folder for folder in folders if holds_pictures(folder, _WRAPPERS + 1)]
    if len(holders) != 1 or holds_pictures(path, 0) or holds_pictures(holders[0], 0):
        return None
    return holders[0]


def _class_folders(folder: Path, wrappers: int = _WRAPPERS) -> list[Path] | None:
    """Class folders in a folder, empty ones among them; `None` where it holds none."""
    folders = subfolders(folder)
    wrapper = _only_wrapper(folder, folders) if wrappers > 0 and split_of(folder.name) else None
    if wrapper is not None:
        return _class_folders(wrapper, wrappers - 1)
    holders = [child for child in folders if _is_class_folder(child)]
    splits = {split_in_name(child.name) for child in holders}
    # Folders called train2017 and test2017 that hold pictures directly are splits without classes.
    if len(splits - {""}) > 1 or "" not in splits or all(says_no_class(child.name) for child in holders):
        return None
    return folders


def _is_class_folder(folder: Path) -> bool:
    """Whether there are pictures in a folder, or in one below it that is not named like pictures, masks or splits."""
    return holds_pictures(folder, 0) or any(
        not says_no_class(child.name) and split_of(child.name) is None and holds_pictures(child, 0)
        for child in subfolders(folder)
    )


def _class_entries(path: Path, folder: Path, found: Findings) -> list[Entry]:
    prefix = folder.relative_to(path).as_posix()
    pictures, others = walk(folder, _NESTING)
    names = (folder.name,)
    entries = [Entry(FileSource(folder / name, f"{prefix}/{name}"), names) for name in pictures]
    if not entries:
        seen = f"{len(others)} other files and no picture" if others else "nothing"
        found.problems.append(
            Problem(
                "empty-class",
                prefix,
                f"class folder {folder.name!r} holds {seen}.",
                "It is left out. Add pictures (JPEG, PNG, TIFF, WebP, BMP, GIF, PGM) or delete the folder.",
            )
        )
    elif others:
        more = ", ..." if len(others) > 1 else ""
        found.notes.append(
            f"{Count(len(others)):file is|files are} left out of {prefix}/, being no picture ({others[0]}{more})."
        )
    return entries


def _report_leftovers(path: Path, layout: _Layout, found: Findings) -> None:
    for folder in (layout.root, *layout.flat):
        loose = scan(folder).pictures
        if loose:
            where = folder.relative_to(path).as_posix()
            found.problems.append(
                Problem(
                    "unlabelled",
                    where,
                    f"{Count(len(loose)):picture lies|pictures lie} in no class folder ({loose[0]}, ...), so nothing "
                    "says what is on it.",
                    "They are left out. Put them into the folders of their classes.",
                    "dropped",
                )
            )
    for folder in layout.aside:
        if holds_pictures(folder):
            name = folder.relative_to(path).as_posix()
            found.notes.append(f"The folder {name}/ beside the splits is left out.")


def _note_equal_names(found: Findings) -> None:
    """Folders of the same file names may be views of the same things: pictures, depths and outlines, for example."""
    names: dict[str, set[str]] = {}
    for entries in found.splits.values():
        for entry in entries:
            names.setdefault(entry.names[0], set()).add(stem_of(entry.source.name))
    sets = list(names.values())
    if len(sets) > 1 and len(sets[0]) > 1 and all(part == sets[0] for part in sets):
        found.notes.append(
            f"All {len(sets)} class folders hold the same file names. If they are views or masks of the same things, "
            "and not classes, these labels mean nothing."
        )


FORMATS.add(_Folders.name, _Folders())
