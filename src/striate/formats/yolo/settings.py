"""The files around YOLO's labels: `data.yaml`, darknet's `obj.data`, and lists of class names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from striate.formats.annotation_files import read_lines, read_some_lines
from striate.formats.folder_names import split_of
from striate.formats.yolo.labels import parse_object
from striate.structures import Count, Problem

CLASS_LISTS = frozenset({"classes.txt", "class_names.txt", "predefined_classes.txt", "_darknet.labels"})
"""Text files beside labels that list class names, a line each; and every file that ends in `.names`."""

_SPLIT_KEYS = ("train", "val", "valid", "validation", "test")
_LARGEST = 2_000_000
_LISTED_LINES = 10


@dataclass(slots=True)
class YoloSettings:
    """What the files around the labels say.

    Attributes:
        names: Class names by number.
        source: The file they are from; `""` where there is none.
        places: Folders or lists that a file names for each split, as they stand there.
        places_source: The file that names them.
        problems: What is wrong with these files.
    """

    names: dict[int, str] = field(default_factory=dict)
    source: str = ""
    places: dict[str, list[str]] = field(default_factory=dict)
    places_source: str = ""
    problems: list[Problem] = field(default_factory=list)


def is_class_list(root: Path, name: str) -> bool:
    """Whether a file lists class names, by its name; one that holds labels is for a picture of that name."""
    lower = PurePosixPath(name).name.lower()
    if lower.endswith(".names"):
        return True
    return lower in CLASS_LISTS and not _holds_labels(root / name)


def read_settings(root: Path, others: Sequence[str]) -> YoloSettings:
    """Reads the files around the labels; those nearest to the root count, and `data.yaml` most.

    Args:
        root: The set.
        others: Paths of its files, relative to it.
    """
    found = YoloSettings()
    near = sorted(others, key=lambda name: (name.count("/"), PurePosixPath(name).name.lower() != "data.yaml", name))
    for name in near:
        lower = name.lower()
        if lower.endswith((".yaml", ".yml")):
            _read_yaml(root, name, found)
        elif lower.endswith(".data"):
            _read_darknet(root, name, near, found)
    if not found.names:
        _read_class_lists(root, [name for name in near if is_class_list(root, name)], found)
    return found


def _read_yaml(root: Path, name: str, found: YoloSettings) -> None:
    import yaml

    try:
        if (root / name).stat().st_size > _LARGEST:
            return
        text = "\n".join(read_lines(root / name))
        # Every scalar stays text: a class may be called `no` or `1.0`.
        content = yaml.load(text, Loader=yaml.BaseLoader)  # a loader that builds text, lists and dictionaries only
    except (OSError, yaml.YAMLError, RecursionError) as error:
        if PurePosixPath(name).name.lower() == "data.yaml":
            detail = f"it is no readable YAML ({' '.join(str(error).split())})."
            found.problems.append(Problem("bad-class-list", name, detail, "It is not used. Correct the file."))
        return
    if not isinstance(content, dict) or not ("names" in content or "train" in content):
        return
    if not found.places:
        found.places = _places({key: content.get(key) for key in _SPLIT_KEYS})
        found.places_source = name
    names = _names(content.get("names"))
    if found.names or not names:
        return
    found.names, found.source = names, name
    _check_count(content.get("nc"), "nc", name, found)


def _names(value: Any) -> dict[int, str]:
    if isinstance(value, list):
        return {number: one.strip() for number, one in enumerate(value) if isinstance(one, str) and one.strip()}
    if not isinstance(value, dict):
        return {}
    return {
        int(key): one.strip()
        for key, one in value.items()
        if isinstance(key, str) and key.strip().isdecimal() and isinstance(one, str) and one.strip()
    }


def _places(values: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in values.items():
        split = split_of(key)
        places = [
            one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one.strip()
        ]
        if split is not None and places:
            found.setdefault(split, places)
    return found


def _read_darknet(root: Path, name: str, others: Iterable[str], found: YoloSettings) -> None:
    pairs = [line.partition("=") for line in read_some_lines(root / name) if "=" in line]
    values = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if not {"names", "train", "classes"} & set(values):
        return
    if not found.places:
        found.places, found.places_source = _places({key: values.get(key) for key in _SPLIT_KEYS}), name
    wanted = values.get("names", "").replace("\\", "/").rsplit("/", 1)[-1].casefold()
    file = next((other for other in others if PurePosixPath(other).name.casefold() == wanted), None) if wanted else None
    if file is not None and not found.names:
        found.names, found.source = _read_class_list(root / file), file
        _check_count(values.get("classes"), "classes", name, found)


def _check_count(stated: Any, key: str, name: str, found: YoloSettings) -> None:
    if isinstance(stated, str) and stated.strip().isdecimal() and int(stated) != len(found.names):
        found.problems.append(
            Problem(
                "class-count",
                name,
                f"{key} is {stated.strip()}, and {Count(len(found.names)):class name is|class names are} listed in "
                f"{found.source}.",
                f"The names count. Correct {key}.",
            )
        )


def _read_class_lists(root: Path, files: Sequence[str], found: YoloSettings) -> None:
    lists = {name: names for name in files if (names := _read_class_list(root / name))}
    if not lists:
        return
    found.source = next(iter(lists))
    found.names = lists[found.source]
    others = [name for name, names in lists.items() if names != found.names]
    if others:
        found.problems.append(
            Problem(
                "several-class-lists",
                others[0],
                f"{len(others)} lists of class names differ from {found.source} ({others[0]}, ...).",
                f"The names of {found.source} are taken. Delete the list that is wrong.",
            )
        )


def _read_class_list(file: Path) -> dict[int, str]:
    return {number: line.strip() for number, line in enumerate(read_some_lines(file)) if line.strip()}


def _holds_labels(file: Path) -> bool:
    lines = [line.split() for line in read_some_lines(file) if line.strip()][:_LISTED_LINES]
    return bool(lines) and not any(isinstance(parse_object(words), str) for words in lines)
