"""Which JSON files of a folder hold COCO's boxes and masks, and for which split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.errors import DataError
from striate.formats.annotation_files import HEAD, TAIL, ends_of, read_json
from striate.formats.folder_names import split_in_name, split_of_path, words_in
from striate.formats.listing import natural_key, visit
from striate.formats.tally import some_of

_FILES = 12
_LIKELY = re.compile(r"coco|instances|annotation", re.I)
_OTHER_PURPOSES = frozenset(
    {"captions", "panoptic", "keypoints", "stuff", "labels", "info", "unlabeled", "results", "predictions", "pred"}
)


@dataclass(frozen=True, slots=True)
class CocoFile:
    """One JSON file.

    Attributes:
        path: The file.
        name: Its path relative to the data set, with forward slashes.
        split: The split that its name or its folder says; empty where neither does.
    """

    path: Path
    name: str
    split: str

    @property
    def near(self) -> str:
        """Folder of the file, relative to the data set; empty for the data set's own."""
        return self.name.rpartition("/")[0]


def find_coco_files(path: Path) -> list[CocoFile]:
    """Files that hold boxes or masks by their first and last bytes, and beside them those of splits without any.

    Args:
        path: The folder, or one file.
    """
    if path.is_file():
        return [CocoFile(path, path.name, split_in_name(path.stem))] if _looks_like_coco(path, empty=True) else []
    seen = _json_files(path)
    sure = [file for file in seen if _looks_like_coco(file)]
    kinds = {_kind(file) for file in sure}
    found = [file for file in seen if file in sure or (_kind(file) in kinds and _looks_like_coco(file, empty=True))]
    names = [file.relative_to(path).as_posix() for file in _of_one_purpose(found)]
    return [
        CocoFile(path / name, name, split_in_name(Path(name).stem) or split_of_path(name, loosely=True))
        for name in sorted(names, key=natural_key)
    ]


def choose_coco_files(path: Path, files: Sequence[CocoFile], notes: list[str]) -> list[CocoFile]:
    """One file for each split, or one for all.

    Raises:
        DataError: Several could be meant.
    """
    by_split: defaultdict[str, list[CocoFile]] = defaultdict(list)
    for file in files:
        by_split[file.split].append(file)
    if len(by_split) > 1 and "" in by_split:
        left = by_split.pop("")
        notes.append(f"{some_of(file.name for file in left)} is left aside: other files are for the single splits.")
    for split, rivals in by_split.items():
        contents = {file.path.read_bytes() for file in rivals} if len(rivals) > 1 else {b""}
        if len(contents) > 1:
            what = f"the {split} split" if split else "all pictures"
            raise DataError(
                f"several COCO files could be meant for {what}: {some_of(file.name for file in rivals)}.",
                where=path,
                fix="Give the path of one of these files, or of the folder that holds one set only.",
            )
        if len(rivals) > 1:
            same = some_of(file.name for file in rivals[1:])
            notes.append(f"{same} says the same as {rivals[0].name} and is left aside.")
    return [rivals[0] for rivals in by_split.values()]


def load_coco_file(path: Path) -> dict[str, list[object]]:
    """The lists `images`, `annotations` and `categories` of a file; the latter two may be empty.

    Raises:
        DataError: It cannot be read, or is no COCO file.
    """
    document = read_json(path)
    lists = {}
    if isinstance(document, dict) and "images" in document:
        lists = {key: document.get(key) or [] for key in ("images", "annotations", "categories")}
    if not lists or not all(isinstance(one, list) for one in lists.values()):
        raise DataError(
            "a COCO file holds the lists `images`, `annotations` and `categories`; these were not found.",
            where=path,
            fix="Export the annotation anew as COCO, or name another format with --format.",
        )
    return lists


def _json_files(root: Path) -> list[Path]:
    """JSON files of some folders, the upper ones first."""
    found = []
    for folder, listing in visit(root):
        names = [name for name in listing.others if name.lower().endswith(".json")]
        # A folder may hold one JSON file of another kind for each picture.
        names.sort(key=lambda name: (_LIKELY.search(name) is None, natural_key(name)))
        found += [folder / name for name in names[:_FILES]]
    return found


def _looks_like_coco(file: Path, empty: bool = False) -> bool:
    """Whether first and last bytes are of boxes and masks; with `empty`, also of pictures without any."""
    if file.suffix.lower() != ".json":
        return False
    text = ends_of(file)
    if not text.removeprefix("\xef\xbb\xbf").lstrip().startswith("{") or '"segments_info"' in text:
        return False
    objects = '"image_id"' in text and ('"bbox"' in text or '"segmentation"' in text)
    listed = '"images"' in text
    pictures = '"file_name"' in text and '"caption"' not in text
    if len(text) >= HEAD + TAIL:
        return objects or (listed and pictures)
    return listed and (objects or (empty and pictures and '"annotations"' in text))


def _kind(file: Path) -> str:
    """Words of a file name without those for splits: `instances` for `instances_val2017.json`."""
    return " ".join(words_in(file.stem.lower()))


def _of_one_purpose(files: Sequence[Path]) -> list[Path]:
    """Where COCO's own set of files is there, those of instances; else without keypoints, results and the like."""
    instances = [file for file in files if _kind(file) == "instances"]
    others = [file for file in files if not _OTHER_PURPOSES & set(_kind(file).split())]
    return instances or others or list(files)
