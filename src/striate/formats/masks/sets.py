"""Which files of a folder are pictures, which are their masks, and which kinds of mask there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from striate.errors import DataError
from striate.formats.class_lists import ListedClass, find_class_lists
from striate.formats.folder_names import place_of, read_folder_name, split_of_path
from striate.formats.foreign import refusal
from striate.formats.listing import stem_of, suffix_of, visit, walk
from striate.formats.masks.survey import Survey, survey_masks
from striate.formats.objects import ObjectAnnotation, ObjectEntry, ObjectFindings
from striate.formats.pairing import Pairing, mask_ending, pair_files
from striate.formats.tally import left_out
from striate.images import FileSource
from striate.structures import Count, Problem

_FOLDERS_LOOKED_AT, _FILES_LOOKED_AT, _DEPTH = 100, 400, 8
_MASKS_LOOKED_AT = 12
_PREFERRED = ("gtfine_labeltrainids", "labeltrainids", "gtfine_labelids", "labelids", "labels", "")
_BEHIND = ("gtfine_color", "color", "gtfine_instanceids", "instanceids", "instances", "instance")
_FEWEST_PAIRED, _UNPAIRED = 0.5, 0.2
_ALSO_CLASSES = frozenset({"mask", "masks", "label", "labels", "target", "targets", "truth", "manual", "annotation"})


@dataclass(frozen=True, slots=True)
class MaskSet:
    """One kind of mask for the pictures of a folder.

    Attributes:
        kind: Where the masks are, for people (`masks/`, `*_mask`).
        ending: Word at the end of their names, where they were told apart by it.
        pairing: Pictures and masks; paths relative to the root.
        sure: Whether names say that these are masks.
        instances: Whether names say that they hold a value for each object.
    """

    kind: str
    ending: str
    pairing: Pairing
    sure: bool
    instances: bool = False

    @property
    def share(self) -> float:
        """Share of the pictures that have a mask."""
        pairs = len(self.pairing.pairs)
        return pairs / max(1, pairs + len(self.pairing.pictures))

    def survey(self, root: Path, most: int = _MASKS_LOOKED_AT) -> Survey:
        """Reads the masks, or an even sample of so many."""
        return survey_masks([(root / mask, mask) for mask in self.pairing.pairs.values()], most)

    def holds_masks(self, root: Path, survey: Survey) -> bool:
        """Whether the files are masks by their content; where no name says so, the pictures must be none."""
        if self.sure or not survey.looks_like_masks(named=False):
            return self.sure and survey.looks_like_masks()
        pictures = survey_masks([(root / picture, picture) for picture in self.pairing.pairs], _MASKS_LOOKED_AT)
        return not pictures.looks_like_masks(named=False)


def look_for_masks(path: Path) -> list[MaskSet]:
    """Kinds of mask in a folder, by some of its files only; the most likely first."""
    if not path.is_dir():
        return []
    return find_mask_sets(_some_pictures(path))


def read_mask_sets(path: Path) -> list[MaskSet]:
    """Kinds of mask in a folder, by all of its files; the most likely first.

    Raises:
        DataError: There are none.
    """
    sets = find_mask_sets(walk(path)[0]) if path.is_dir() else []
    if not sets:
        raise refusal(path)
    return sets


def find_mask_sets(files: Sequence[str]) -> list[MaskSet]:
    """Kinds of mask among picture files, told by names.

    Masks lie in folders named like masks, or beside pictures with a word like `_mask` at the end of their names. Where
    no name says anything, they may be in one of two folders that hold the same names (both are returned), or have the
    names of the JPEG files beside them; it is then for their content to say.

    Args:
        files: Paths of picture files relative to the root.
    """
    roles = {folder: _role(folder) for folder in {file.rpartition("/")[0] for file in files}}
    pictures = [file for file in files if roles[file.rpartition("/")[0]] in (None, "picture")]
    masks: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        folder = file.rpartition("/")[0]
        if roles[folder] in ("mask", "instance"):
            masks[_kind_of(folder)].append(file)
    found = [
        one
        for folder, part in masks.items()
        for one in _split_by_kind(
            f"{folder}/", pictures, part, instances=_role(part[0].rpartition("/")[0]) == "instance"
        )
    ]
    found = [replace(one, sure=_is_sure(one)) for one in found]
    found = [one for one in found if _is_paired(one)] or _beside_pictures(pictures) or _two_folders(pictures)
    found = found or _two_suffixes(pictures)
    return sorted(found, key=lambda one: (one.instances, _rank(one.ending), -len(one.pairing.pairs)))


def _rank(ending: str) -> int:
    if ending in _PREFERRED:
        return _PREFERRED.index(ending)
    return len(_PREFERRED) + 1 + _BEHIND.index(ending) if ending in _BEHIND else len(_PREFERRED)


def _is_paired(one: MaskSet) -> bool:
    """Whether most masks have a picture: in folders with a file for each object, hardly any has."""
    pairs = len(one.pairing.pairs)
    return pairs > 0 and pairs >= _FEWEST_PAIRED * (pairs + len(one.pairing.annotations))


def _is_sure(one: MaskSet) -> bool:
    """Whether folder names leave no doubt. A folder called "mask" beside one called "no_mask" may be a class."""
    if one.kind.rstrip("/").rpartition("/")[2] not in _ALSO_CLASSES:
        return True
    for picture, mask in one.pairing.pairs.items():
        names = [read_folder_name(part) for part in PurePosixPath(picture).parent.parts]
        above = PurePosixPath(mask).is_relative_to(PurePosixPath(picture).parent)
        return above or any(name.role == "picture" or name.split for name in names)
    return False


def _role(folder: str) -> str | None:
    """What the deepest folder that says so says of the files in it."""
    for part in reversed(PurePosixPath(folder).parts):
        role = read_folder_name(part).role
        if role is not None:
            return role
    return None


def _kind_of(folder: str) -> str:
    """Name of that folder, folded; `*annot` for `trainannot` and `valannot`, which are one kind."""
    names = [name for part in PurePosixPath(folder).parts if (name := read_folder_name(part)).role]
    return f"*{names[-1].word}" if names[-1].split else names[-1].word


def _split_by_kind(kind: str, pictures: Sequence[str], masks: Sequence[str], instances: bool) -> Iterable[MaskSet]:
    """One set, or where several masks fit one picture, one for each ending of names and each folder of variants."""
    whole = MaskSet(kind, "", pair_files(pictures, masks), True, instances)
    if _is_paired(whole):
        endings = {found[1] for mask in masks if (found := mask_ending(stem_of(mask))) is not None}
        ending = next(iter(endings)) if len(endings) == 1 else ""
        yield replace(whole, ending=ending, instances=instances or ending.endswith(("instanceids", "instances")))
        return
    places = {part for picture in pictures for part in place_of(picture)}
    parts: defaultdict[tuple[tuple[str, ...], str], dict[str, str]] = defaultdict(dict)
    for mask in masks:
        folders = PurePosixPath(mask).parent.parts
        variant = tuple(part for part in folders if (rest := read_folder_name(part).rest) and rest not in places)
        kept = [part for part in folders if part not in variant]
        ending = found[1] if (found := mask_ending(stem_of(mask))) else ""
        parts[variant, ending]["/".join([*kept, PurePosixPath(mask).name])] = mask
    for (variant, ending), originals in parts.items():
        pairing = pair_files(pictures, list(originals))
        pairing.pairs = {picture: originals[mask] for picture, mask in pairing.pairs.items()}
        pairing.annotations = [originals[mask] for mask in pairing.annotations]
        name = "".join(f"{part}/" for part in variant) + kind + (f"*_{ending}" if ending else "")
        numbered = instances or ending.endswith(("instanceids", "instances"))
        yield MaskSet(name, ending, pairing, True, numbered)


def _beside_pictures(files: Sequence[str]) -> list[MaskSet]:
    """Masks in the folders of their pictures, told by a word at the end of their names."""
    stems: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        stems[file.rpartition("/")[0]].add(stem_of(file).casefold())
    masks: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        found = mask_ending(stem_of(file))
        if found is not None and _has_picture(found[0], stems[file.rpartition("/")[0]]):
            masks[found[1]].append(file)
    taken = {file for part in masks.values() for file in part}
    pictures = [file for file in files if file not in taken]
    sets = [
        MaskSet(f"*_{ending}", ending, pair_files(pictures, part), True, ending in ("instanceids", "instances"))
        for ending, part in masks.items()
    ]
    return [one for one in sets if _is_paired(one) and one.share >= 1 / 3]


def _has_picture(stem: str, stems: set[str]) -> bool:
    return stem in stems or any(f"{stem}_{word}" in stems for word in ("image", "img", "rgb", "photo"))


def _two_folders(files: Sequence[str]) -> list[MaskSet]:
    """Two folders of the same file names; each in turn as that of the masks."""
    below: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        below[file.rpartition("/")[0]].append(file)
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for folder, inside in below.items():
        parts = [part for part in folder.split("/") if read_folder_name(part).split is None]
        folders["/".join(parts)] += inside
    if len(folders) != 2:
        return []
    (first, ours), (second, theirs) = folders.items()
    if not first or not second:
        return []
    sets = [
        MaskSet(f"{second}/", "", pair_files(ours, theirs), False),
        MaskSet(f"{first}/", "", pair_files(theirs, ours), False),
    ]
    return [one for one in sets if _is_paired(one) and one.share >= 1 - _UNPAIRED]


def _two_suffixes(files: Sequence[str]) -> list[MaskSet]:
    """A JPEG and a file of another kind for each name: the other one may be the mask."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        kinds[suffix_of(file)].append(file)
    pictures = kinds.pop(".jpg", []) + kinds.pop(".jpeg", [])
    if not pictures or len(kinds) != 1:
        return []
    ((suffix, others),) = kinds.items()
    one = MaskSet(f"*{suffix}", "", pair_files(pictures, others), False)
    return [one] if _is_paired(one) and one.share >= 1 - _UNPAIRED else []


def _some_pictures(path: Path) -> list[str]:
    """Picture files of some folders, the upper ones first; the first ones by name, so that pairs are among them."""
    found = []
    for folder, listing in visit(path, _FOLDERS_LOOKED_AT, _DEPTH):
        names = sorted(listing.pictures)[:_FILES_LOOKED_AT]
        above = folder.relative_to(path).as_posix()
        found += names if above == "." else [f"{above}/{name}" for name in names]
    return found


def _list_folders(root: Path, one: MaskSet) -> list[Path]:
    parents = {file.rpartition("/")[0]: None for file in (*one.pairing.pairs.values(), *one.pairing.pairs)}
    above = [PurePosixPath(folder) / "file" for folder in parents]
    return list(dict.fromkeys([root, *(root / folder for file in above for folder in file.parents)]))


def class_list_of(root: Path, one: MaskSet) -> tuple[str, tuple[ListedClass, ...]] | None:
    """The list of classes for a kind of mask: beside the masks, above them, or beside the pictures."""
    found = find_class_lists(_list_folders(root, one))
    if not found:
        return None
    # Where a set has several variants, each may have a list of its own (Mapillary's v1.2 and v2.0).
    variants = [part for part in one.kind.split("/") if part]
    best = next((pair for pair in found if any(part in pair[0].name for part in variants)), found[0])
    file, listed = best
    return file.relative_to(root).as_posix(), listed


def refuse_different_lists(root: Path, one: MaskSet) -> None:
    """Refuses a set whose splits have lists of classes that contradict each other.

    Raises:
        DataError: Two files of one name list different classes.
    """
    listed: dict[str, tuple[Path, tuple[ListedClass, ...]]] = {}
    for file, classes in find_class_lists(_list_folders(root, one)):
        other = listed.setdefault(file.name, (file, classes))
        if other[1] != classes:
            names = " and ".join(path.relative_to(root).as_posix() for path in (other[0], file))
            raise DataError(
                f"{names} list different classes, so that one value means two things.",
                where=root,
                fix="Make the lists equal and the masks of both folders fit them, or read one folder alone.",
            )


def collect_pairs(root: Path, one: MaskSet, found: ObjectFindings, unreadable: Survey) -> list[tuple[str, str]]:
    """Reports what has no partner or cannot be read, and gives the pairs that remain."""
    pairing = one.pairing
    found.notes.append(
        f"Masks are {one.kind}: {Count(len(pairing.pairs)):picture has|pictures have} a mask of {pairing.how}."
    )
    for name, error in unreadable.broken:
        found.problems.append(
            Problem(f"mask-{error.kind}", name, error.what, f"Its picture is left out. {error.fix}".strip(), "dropped")
        )
    found.problems += left_out(
        "picture-without-mask", pairing.pictures, "picture has|pictures have", "no mask", "Add their masks."
    )
    what = "to no picture"
    found.problems += left_out(
        "mask-without-picture", pairing.annotations, "mask belongs|masks belong", what, "Add the pictures."
    )
    broken = {name for name, _ in unreadable.broken}
    pairs = [(picture, mask) for picture, mask in pairing.pairs.items() if mask not in broken]
    if not pairs:
        raise DataError("no mask can be read.", where=root, fix="Get the files again from their origin.")
    return pairs


def add_entry(root: Path, picture: str, annotation: ObjectAnnotation, found: ObjectFindings) -> None:
    """Puts a picture into the split that the folders around it name."""
    entry = ObjectEntry(FileSource(root / picture, picture), annotation)
    found.splits.setdefault(split_of_path(picture), []).append(entry)
