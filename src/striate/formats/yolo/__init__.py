"""YOLO: a text file for each picture, with a line for each object.

The format is darknet's (J. Redmon, https://pjreddie.com/darknet/yolo/) with the outlines and the `data.yaml` that
Ultralytics added to it. A picture without a label file is background, as it is for their trainers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from striate.errors import DataError, PictureError
from striate.formats.annotation_files import read_some_lines
from striate.formats.base import FORMATS, GIVEN_SPLITS, Format, Reading, Sniff
from striate.formats.folder_names import holds_annotation, place_of
from striate.formats.foreign import refusal
from striate.formats.listing import natural_key, stem_of, visit, walk
from striate.formats.objects import ObjectEntry, ObjectFindings, build_object_reading
from striate.formats.pairing import pair_files
from striate.formats.picture_index import read_headers
from striate.formats.tally import FileTally, left_out
from striate.formats.yolo.labels import YoloFile, parse_object, read_yolo_file
from striate.formats.yolo.objects import ClassNumbers, build_boxes, build_instances, number_classes
from striate.formats.yolo.settings import CLASS_LISTS, is_class_list, read_settings
from striate.formats.yolo.splits import find_picture_lists, settle_splits
from striate.formats.yolo.writing import write_yolo
from striate.images import FileSource
from striate.structures import Count, Problem, Sample

_HEAD = 20_000
_SNIFFED = 20


@dataclass(slots=True)
class _Labels:
    """Label files, read.

    Attributes:
        files: What is said about each picture that has a label file.
        names: Label file of each picture.
        background: Pictures without a label file, beside pictures that have one.
        unlabelled: Pictures in folders without any label file.
        lonely: Label files without a picture.
        lonely_numbers: Numbers of classes in these.
    """

    files: dict[str, YoloFile] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    background: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    lonely: list[str] = field(default_factory=list)
    lonely_numbers: set[int] = field(default_factory=set)

    def objects(self) -> tuple[int, int]:
        """Number of boxes and of outlines."""
        outlines = [one.is_polygon for file in self.files.values() for one in file.objects]
        return len(outlines) - sum(outlines), sum(outlines)


class _Yolo(Format):
    name = "yolo"
    title = "YOLO text files: boxes or outlines, a line for each object"
    tasks = ("detection", "instances")
    unflagged_tasks = tasks

    def sniff(self, path: Path) -> Sniff | None:
        if not path.is_dir():
            return None
        visited = list(visit(path))
        stems = {stem_of(name).casefold() for _, listing in visited for name in listing.pictures}
        for folder, listing in visited:
            likely = (
                name
                for name in listing.others
                if name.lower().endswith(".txt") and name[:-4].casefold() in stems and name.lower() not in CLASS_LISTS
            )
            for name in islice(likely, _SNIFFED):
                if _looks_like_labels(folder / name):
                    return Sniff(0.9, f"{(folder / name).relative_to(path).as_posix()} holds YOLO's lines")
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        if not path.is_dir():
            raise refusal(path)
        pictures, others = walk(path)
        settings = read_settings(path, others)
        texts = [name for name in others if name.lower().endswith(".txt") and not is_class_list(path, name)]
        lists = find_picture_lists(path, texts, settings)
        listed = {name for names in lists.values() for name in names}
        tally = FileTally()
        labels = _read_labels(path, pictures, [name for name in texts if name not in listed], tally)
        if not labels.files:
            raise DataError(
                f"no text file with YOLO's lines was found for any of {Count(len(pictures)):picture} here.",
                where=path,
                fix="Put `NAME.txt` with lines `class cx cy w h` beside each picture or into a folder `labels`.",
            )
        boxes, outlines = labels.objects()
        found = ObjectFindings("instances" if outlines and not boxes and task != "detection" else "detection")
        found.splits = {split: [] for split in (*GIVEN_SPLITS, "")}
        found.problems += [*settings.problems, *tally.problems()]
        classes = number_classes(labels.files, labels.lonely_numbers, settings, found)
        splits = settle_splits(path, pictures, lists, settings, found)
        _collect(path, labels, splits, classes, found)
        _report(labels, splits, found)
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `images`, `labels` and `data.yaml`; groups are not kept.

        The outline of an object with holes or several parts runs along the edges of its pixels, with cuts that join
        the parts.
        """
        write_yolo(self.name, splits, classes, out)


def _looks_like_labels(file: Path) -> bool:
    """Whether most of the first lines are objects whose values are shares of a picture, give or take."""
    try:
        with file.open("rb") as opened:
            lines = opened.read(_HEAD).decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return False
    objects = [parse_object(words) for line in lines[:20] if (words := line.split())]
    good = [one for one in objects if not isinstance(one, str) and all(-0.5 <= value <= 1.5 for value in one.values)]
    return 2 * len(good) > len(objects)


def _read_labels(root: Path, pictures: Sequence[str], texts: Sequence[str], tally: FileTally) -> _Labels:
    pairing = pair_files(pictures, texts)
    labels = _Labels(names=pairing.pairs)
    for picture in pictures:
        name = pairing.pairs.get(picture)
        file = None if name is None else read_yolo_file(root / name, name, tally)
        if file is not None:
            labels.files[picture] = file
    places = {place_of(picture) for picture in labels.files}
    for picture in pairing.pictures:
        (labels.background if place_of(picture) in places else labels.unlabelled).append(picture)
    folders = {PurePosixPath(name).parent for name in pairing.pairs.values()}
    for name in pairing.annotations:
        parent = PurePosixPath(name).parent
        expected = parent in folders or holds_annotation(parent.name)
        if expected and (_looks_like_labels(root / name) or not any(map(str.strip, read_some_lines(root / name)))):
            labels.lonely.append(name)
            file = read_yolo_file(root / name, name, FileTally())
            labels.lonely_numbers |= {one.number for one in file.objects} if file else set()
    return labels


def _collect(
    root: Path, labels: _Labels, splits: dict[str, str | None], classes: ClassNumbers, found: ObjectFindings
) -> None:
    """Makes the entries, in the order of the pictures, and takes down which pictures could not be opened.

    Objects have no place where there is no size of the picture to take shares of, or no readable line.
    """
    files = {picture: labels.files.get(picture) for picture, split in splits.items() if split is not None}
    background = set(labels.background)
    wanted = {
        picture: file or YoloFile()
        for picture, file in files.items()
        if (picture in background if file is None else file.objects or not file.bad_lines)
    }
    # Boxes of a picture without any need no size, masks do.
    sized = [picture for picture, file in wanted.items() if file.objects or found.task == "instances"]
    heads = dict(zip(sized, read_headers(root, sized), strict=True))
    tally = FileTally()
    for picture, file in wanted.items():
        head = heads.get(picture)
        if isinstance(head, PictureError):
            tally.add(head.kind, picture, head.what.rstrip("."), f"The picture is left out. {head.fix}", "dropped")
            continue
        build = build_boxes if found.task == "detection" else build_instances
        annotation = build(file.objects, head.size_hw if head else (1, 1), classes)
        entry = ObjectEntry(FileSource(root / picture, picture), annotation)
        found.splits[splits[picture] or ""].append(entry)
    found.problems += tally.problems()


def _report(labels: _Labels, splits: dict[str, str | None], found: ObjectFindings) -> None:
    _note_labels(labels, found)
    outside = {labels.names[picture]: file.outside for picture, file in labels.files.items() if file.outside}
    fix = "They are kept as they are written; what leaves the picture is cut off when pictures are opened."
    _report_lines(found, "outside-picture", outside, "line has|lines have", "values outside 0..1", fix)
    repeats = {labels.names[picture]: file.repeats for picture, file in labels.files.items() if file.repeats}
    fix = "They are kept. Delete them: an object that is there twice can be found only once."
    _report_lines(
        found, "repeated-object", repeats, "line says|lines say", "the same as an earlier one of the file", fix
    )
    unlisted = [picture for picture, split in splits.items() if split is None and picture in labels.files]
    for kind, names, noun, what, advice in (
        (
            "annotation-without-picture",
            labels.lonely,
            "label file has|label files have",
            "no picture",
            "Add the pictures, under the same names.",
        ),
        (
            "unlabelled",
            labels.unlabelled,
            "picture lies|pictures lie",
            "in a folder without any label file, so nobody says what is there",
            "Add their label files; an empty one says that nothing is there.",
        ),
        ("unlisted", unlisted, "picture with labels is|pictures with labels are", "in no list of a split", "Add them."),
    ):
        found.problems += left_out(kind, sorted(names, key=natural_key), noun, what, advice)


def _note_labels(labels: _Labels, found: ObjectFindings) -> None:
    boxes, outlines = labels.objects()
    if found.task == "detection" and outlines:
        seen = (
            f"{Count(boxes):box|boxes} and {Count(outlines):outline}"
            if boxes
            else f"{Count(outlines):object is an outline|objects are outlines}"
        )
        found.notes.append(f"{seen}; each outline counts by the box around it.")
    empty = sum(not file.objects and not file.bad_lines for file in labels.files.values())
    if empty:
        found.notes.append(f"{Count(empty):picture has|pictures have} an empty label file: background.")
    if labels.background:
        found.notes.append(
            f"{Count(len(labels.background)):picture has|pictures have} no label file ({labels.background[0]}, ...): "
            "background, as YOLO means it. Take out what was never labelled."
        )
    confidences = sum(file.confidences for file in labels.files.values())
    if confidences:
        found.notes.append(
            f"{Count(confidences):line has|lines have} a sixth number, the confidence of a detector; it is not used. "
            "If a detector wrote these labels, somebody should check them."
        )


def _report_lines(
    found: ObjectFindings, kind: str, lines: dict[str, list[int]], noun: str, what: str, fix: str
) -> None:
    if lines:
        name, numbers = next(iter(lines.items()))
        count = Count(sum(map(len, lines.values())))
        detail = f"{format(count, noun)} {what}, in {Count(len(lines)):file} (line {numbers[0]} of {name}, ...)."
        found.problems.append(Problem(kind, name, detail, fix))


FORMATS.add(_Yolo.name, _Yolo())
