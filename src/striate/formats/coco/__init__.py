"""COCO: pictures, categories and objects in one JSON file, or in one for each split.

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.errors import DataError, PictureError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.coco.files import CocoFile, choose_coco_files, find_coco_files, load_coco_file
from striate.formats.coco.records import CocoObject, CocoPicture, CocoRecords, describe_unfound, join_records
from striate.formats.coco.segmentations import Outline, Runs, box_outline
from striate.formats.coco.writing import category_records, object_records
from striate.formats.folder_names import says_no_class, split_of
from striate.formats.listing import natural_key
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.picture_index import (
    PictureIndex,
    is_file,
    keep_in_one_split,
    read_headers,
    report_unlisted,
    take_splits_from_folders,
)
from striate.formats.storing import PictureStore, all_samples, objects_of, prepare_folder, store_text
from striate.formats.turning import find_orientations, turn_upright
from striate.images import FileSource, read_header
from striate.structures import AnnotationSource, Boxes, Count, Instances, Sample

_NAMES_LOOKED_UP = 20
_FOLDER_OF_SPLIT = {"": "default", "train": "train", "validation": "val", "test": "test"}


class _Coco(Format):
    name = "coco"
    title = "COCO's JSON files of boxes and masks"
    tasks = ("detection", "instances")

    def sniff(self, path: Path) -> Sniff | None:
        files = find_coco_files(path)
        if not files:
            return None
        more = f", and {len(files) - 1} more like it" if len(files) > 1 else ""
        return Sniff(0.9, f"{files[0].name} lists pictures, categories and objects as COCO does{more}")

    def read(self, path: Path, task: str | None = None) -> Reading:
        """Reads all files of a set.

        A given split of pictures is that of their file, else of their folder. An object without a mask among others
        that have one is kept as a box to be ignored: it is no background, and nobody drew it.
        """
        files = find_coco_files(path) if path.exists() else []
        if not files:
            raise _nothing_here(path)
        found = ObjectFindings("detection")
        chosen = choose_coco_files(path, files, found.notes)
        records = [join_records(file, load_coco_file(file.path)) for file in chosen]
        root, index = _find_pictures(path, records)
        pictures = _open_pictures(root, records, found)
        take_splits_from_folders(pictures, found.notes)
        report_unlisted(
            index, {one.path for one in pictures}, " and ".join(file.name for file in chosen), found.problems
        )
        kept = _join_repeats(keep_in_one_split(pictures, found.problems))
        found.task = _choose_task(kept, task)
        found.names = list(dict.fromkeys(name for one in records for name in one.names))
        place = {name: position for position, name in enumerate(found.names)}
        for one in sorted(kept, key=lambda one: natural_key(one.path)):
            annotation = _annotate(one, place, found.task)
            if annotation is not None:
                source = FileSource(root / one.path, one.path)
                found.splits.setdefault(one.split, []).append(ObjectEntry(source, annotation, one.group))
        _note(found, chosen, kept)
        found.problems += [problem for one in records for problem in one.tally.problems()]
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `annotations/instances_SPLIT.json` and `images/SPLIT/`, masks as run lengths; groups are kept."""
        for sample in all_samples(splits):
            if not isinstance(sample.annotation, AnnotationSource):
                objects_of(sample, (Boxes, Instances), self.name)
        prepare_folder(out)
        store = PictureStore()
        for split, samples in splits.items():
            if samples:
                _write_split(_FOLDER_OF_SPLIT.get(split, split), samples, classes, out, store)


def _write_split(
    split: str, samples: Sequence[Sample], classes: tuple[str, ...], out: Path, store: PictureStore
) -> None:
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, sample in enumerate(samples, 1):
        file = store.save(sample, out / "images" / split)
        height, width = read_header(file).size_hw
        name = file.relative_to(out / "images").as_posix()
        image: dict[str, object] = {"id": number, "file_name": name, "height": height, "width": width}
        images.append(image if sample.group is None else {**image, "group": sample.group})
        for record in object_records(objects_of(sample, (Boxes, Instances), "coco")):
            annotations.append({"id": len(annotations) + 1, "image_id": number, **record})
    document = {"images": images, "annotations": annotations, "categories": category_records(classes)}
    text = json.dumps(document)
    store_text(out / "annotations" / f"instances_{split}.json", text)


def _nothing_here(path: Path) -> DataError:
    if not path.exists():
        return DataError("there is no such file or folder.", where=path, fix="Check the path.")
    return DataError(
        "no JSON file with COCO's lists `images`, `annotations` and `categories` was found here.",
        where=path,
        fix="Give the folder that holds the JSON files and the pictures, or name another format with --format.",
    )


def _find_pictures(path: Path, records: Sequence[CocoRecords]) -> tuple[Path, PictureIndex]:
    """Finds all pictures on disk, below the folder, or for a single file beside it and around it.

    Raises:
        DataError: None is there.
    """
    looked = []
    for root, prefix in _roots(path):
        index = PictureIndex(root)
        looked.append(f"{root} ({Count(len(index.paths)):picture})")
        for one in records:
            near = f"{prefix}/{one.file.near}".strip("/")
            for picture in one.pictures:
                found = index.find(picture.file_name, near, picture.split)
                if len(found) == 1:
                    picture.path = found[0]
                else:
                    one.tally.add("ambiguous-file" if found else "missing-file", picture.file_name)
        if any(picture.path for one in records for picture in one.pictures):
            return root, index
        for one in records:
            one.tally.forget("missing-file", "ambiguous-file")
    count = sum(len(one.pictures) for one in records)
    if not count:
        raise DataError(
            f"{' and '.join(one.file.name for one in records)} lists no pictures.",
            where=path,
            fix="Export the annotation anew.",
        )
    raise DataError(
        f"{Count(count):picture is|pictures are} listed, and none was found ({describe_unfound(list(records))}); "
        f"looked in {' and '.join(looked)}.",
        where=path,
        fix=_where_they_are(records)
        or "Put the pictures beside the JSON file or into a folder `images` beside it, or give the folder that holds "
        "both.",
    )


def _where_they_are(records: Sequence[CocoRecords]) -> str:
    """What to do about pictures that the file names outside of the folder; empty where it names none that exist."""
    for one in records:
        for picture in one.pictures[:_NAMES_LOOKED_UP]:
            place = one.file.path.resolve().parent / picture.file_name
            if is_file(place):
                return f"{place.resolve()} is there, but outside: put pictures and JSON into one folder, and give that."
    return ""


def _roots(path: Path) -> list[tuple[Path, str]]:
    """Where pictures may lie, and the path from there to where names of annotation files begin."""
    if path.is_dir():
        return [(path, "")]
    beside = path.resolve().parent
    # Elsewhere the folder above may be the whole disk.
    wraps = says_no_class(beside.name) or split_of(beside.name) is not None
    return [(beside, ""), (beside.parent, beside.name)] if wraps else [(beside, "")]


def _open_pictures(root: Path, records: Sequence[CocoRecords], found: ObjectFindings) -> list[CocoPicture]:
    opened: list[CocoPicture] = []
    for one in records:
        pictures = [picture for picture in one.pictures if picture.path]
        heads = read_headers(root, [picture.path for picture in pictures])
        headers = [None if isinstance(head, PictureError) else head for head in heads]
        claims = [(picture.size_hw, header) for picture, header in zip(pictures, headers, strict=True)]
        orientations = find_orientations(claims)
        turned = [p.path for p, orientation in zip(pictures, orientations, strict=True) if orientation != 1]
        if turned:
            found.notes.append(
                f"{one.file.name}: {Count(len(turned)):picture was|pictures were} annotated without regard to the EXIF "
                f"orientation ({turned[0]}, ...), as the sizes tell; their annotation was turned upright with them."
            )
        for picture, header, orientation in zip(pictures, headers, orientations, strict=True):
            picture.header, picture.orientation = header, orientation
            used = picture.stored_size_hw()
            if header is not None and picture.size_hw not in (None, used):
                one.tally.add("wrong-size", f"{picture.path}: {_words(picture.size_hw)} instead of {_words(used)}")
        opened += pictures
    return opened


def _words(size_hw: tuple[int, int] | None) -> str:
    return "unknown" if size_hw is None else f"{size_hw[1]} x {size_hw[0]}"


def _join_repeats(pictures: Sequence[CocoPicture]) -> list[CocoPicture]:
    """Each picture once, with the objects of all its records."""
    by_path: defaultdict[str, list[CocoPicture]] = defaultdict(list)
    for one in pictures:
        by_path[one.path].append(one)
    for path, (first, *others) in by_path.items():
        for other in others:
            first.tally.add("duplicate-picture", path)
            mine = first.objects
            place = {name: position for position, name in enumerate(first.names)}
            for its in other.objects:
                name = other.names[its.category]
                if name not in place:
                    place[name] = len(first.names)
                    first.names.append(name)
                its.category = place[name]
                if not any(its.says_the_same(known) for known in mine):
                    mine.append(its)
    return [same[0] for same in by_path.values()]


def _choose_task(pictures: Sequence[CocoPicture], task: str | None) -> str:
    objects = [one for found in pictures for one in found.objects]
    masked = any(one.outline is not None for one in objects)
    if task in ("detection", "instances"):
        return task if masked else "detection"
    return "instances" if masked and all(one.outline is not None for one in objects if not one.crowd) else "detection"


def _annotate(found: CocoPicture, place: dict[str, int], task: str) -> Boxes | Instances | None:
    """`None` where masks cannot be drawn, since nobody knows the size of the picture."""
    if task == "detection":
        boxes = Boxes(*_columns(found, found.objects, place))
        return turn_upright(boxes, found.stored_size_hw() or (0, 0), found.orientation)
    size_hw = _mask_size_hw(found)
    if size_hw is None:
        found.tally.add("unreadable", found.path)
        return None
    objects = _of_size(found, size_hw)
    masks = tuple(_run_lengths(found, one, size_hw) for one in objects)
    corners, classes, crowd, ignore = _columns(found, objects, place)
    undrawn = np.array([one.outline is None for one in objects], np.bool_)
    return turn_upright(
        Instances(size_hw, masks, corners, classes, crowd, ignore | undrawn), size_hw, found.orientation
    )


def _columns(
    found: CocoPicture, objects: Sequence[CocoObject], place: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, classes, crowds and what is to be ignored, as `Boxes` takes them."""
    return (
        np.array([one.box() for one in objects], np.float64).reshape(-1, 4).astype(np.float32),
        np.array([place[found.names[one.category]] for one in objects], np.int64),
        np.array([one.crowd for one in objects], np.bool_),
        np.array([one.ignore for one in objects], np.bool_),
    )


def _mask_size_hw(found: CocoPicture) -> tuple[int, int] | None:
    """Size of the masks of a picture: of its run lengths where there are any, which cannot be drawn in another one."""
    fits = found.stored_size_hw()
    sizes = [one.outline.size_hw for one in found.objects if isinstance(one.outline, Runs)]
    return max(sizes, key=lambda size: (size == fits, sizes.count(size))) if sizes else fits


def _of_size(found: CocoPicture, size_hw: tuple[int, int]) -> list[CocoObject]:
    kept = []
    for one in found.objects:
        if isinstance(one.outline, Runs) and one.outline.size_hw != size_hw:
            what = f"{one.place}: {_words(one.outline.size_hw)} instead of {_words(size_hw)}"
            found.tally.add("mask-size", what)
        else:
            kept.append(one)
    return kept


def _run_lengths(found: CocoPicture, one: CocoObject, size_hw: tuple[int, int]) -> bytes:
    if isinstance(one.outline, Runs):
        return one.outline.counts
    if isinstance(one.outline, Outline):
        return one.outline.run_lengths(size_hw)
    found.tally.add("missing-mask", one.place)
    return box_outline(one.box()).within(size_hw).run_lengths(size_hw)


def _note(found: ObjectFindings, files: Sequence[CocoFile], pictures: Sequence[CocoPicture]) -> None:
    objects = sum(len(one.objects) for one in pictures)
    read = " and ".join(file.name for file in files)
    found.notes.append(f"{read}: {Count(objects):object} in {Count(len(pictures)):picture}.")
    empty = sum(not one.objects for one in pictures)
    if empty:
        found.notes.append(
            f"{Count(empty):picture has no objects and counts|pictures have no objects and count} as background."
        )


FORMATS.add(_Coco.name, _Coco())
