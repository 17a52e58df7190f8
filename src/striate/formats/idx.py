"""MNIST's IDX files, with gzip or without (LeCun, Cortes, Burges: "The MNIST database", 1998)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.errors import DataError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.folder_names import split_of
from striate.formats.labelled import Entry, Findings, build_reading, load_whole
from striate.formats.listing import scan
from striate.formats.storing import prepare_folder, refuse_several, store_text, stored
from striate.images import ArraySource, read_idx_header
from striate.structures import Problem, Sample

CLASSES_FILE = "classes.txt"
"""Class names, one a line, in the order of the label numbers. Our addition: IDX itself has numbers only."""

_NAME = re.compile(
    r"^(?P<prefix>.*?)[-_.]?(?P<what>images|labels)[-_.]idx(?P<axes>[1-4])(?:[-_.]ubyte)?(?:\.gz)?$", re.I
)
_WRITTEN_PREFIX = {"train": "train-", "validation": "validation-", "test": "t10k-", "": ""}
_DEPTH = 2


@dataclass(slots=True)
class _Pair:
    images: Path | None = None
    labels: Path | None = None


@dataclass(slots=True)
class _Files:
    folder: Path
    pairs: dict[str, _Pair] = field(default_factory=dict)
    set_names: set[str] = field(default_factory=set)


class _Idx(Format):
    name = "idx"
    title = "MNIST's IDX files (train-images-idx3-ubyte and the like, .gz or not)"
    tasks = ("classification",)

    def sniff(self, path: Path) -> Sniff | None:
        files = _find_files(path)
        if files is None:
            return None
        names = [file.name for pair in files.pairs.values() for file in (pair.images, pair.labels) if file is not None]
        return Sniff(1.0, "IDX files " + ", ".join(names[:4]))

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        files = _find_files(path)
        if files is None:
            raise DataError(
                "no IDX files were found here.",
                where=path,
                fix="They are called train-images-idx3-ubyte, train-labels-idx1-ubyte, and so on, .gz or not.",
            )
        if len(files.set_names) > 1:
            raise DataError(
                f"IDX files of several sets lie together: {', '.join(sorted(files.set_names))}.",
                where=path,
                fix="Move each set into a folder of its own.",
            )
        found = Findings()
        for split, pair in files.pairs.items():
            _read_pair(path, split, pair, found)
        if not found.splits:
            _refuse_incomplete(path, found)
        found.declared = _class_names(files.folder, found)
        _note_emnist(files, found)
        return build_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes one pair of gzipped files a split, and the class names to `classes.txt`."""
        arrays = {split: _gray_array(samples) for split, samples in splits.items() if samples}
        labels = {
            split: [refuse_several(sample.annotation, sample.name, self.name) for sample in samples]
            for split, samples in splits.items()
        }
        if len(classes) > 256:
            raise RequestError(f"IDX label files hold at most 256 classes, there are {len(classes)}.", where=self.name)
        if any("\n" in name or "\r" in name for name in classes):
            raise RequestError("a class name with a line break cannot be written to classes.txt.", where=self.name)
        prepare_folder(out)
        for split, array in arrays.items():
            prefix = _WRITTEN_PREFIX[split]
            _write_idx(out / f"{prefix}images-idx3-ubyte.gz", array)
            _write_idx(out / f"{prefix}labels-idx1-ubyte.gz", np.array(labels[split], dtype=np.uint8))
        store_text(out / CLASSES_FILE, "\n".join(classes) + "\n")


def _find_files(path: Path) -> _Files | None:
    """IDX files in a folder, or in one below (`MNIST/raw`); for a file, those beside it."""
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and _NAME.match(path.name) is None:
        return None
    waiting = [(folder, 0)]
    while waiting:
        current, depth = waiting.pop(0)
        listing = scan(current)
        files = _Files(current)
        # Where a file is there with and without .gz, the unpacked one is faster; it sorts first.
        for name in sorted(listing.others, key=len):
            _file_away(files, current / name)
        if files.pairs:
            return files
        if depth < _DEPTH:
            waiting += [(current / name, depth + 1) for name in listing.folders[:20]]
    return None


def _file_away(files: _Files, file: Path) -> None:
    named = _NAME.match(file.name)
    if named is None or read_idx_header(file) is None:
        return
    words = [word for word in re.split(r"[-_. ]+", named["prefix"]) if word]
    split = ""
    for word in words:
        split = ("test" if word.lower() == "t10k" else split_of(word)) or split
    rest = [word for word in words if word.lower() != "t10k" and split_of(word) is None]
    files.set_names.add("-".join(rest).lower())
    pair = files.pairs.setdefault(split, _Pair())
    kind = named["what"].lower()
    if getattr(pair, kind) is None:
        setattr(pair, kind, file)


def _read_pair(path: Path, split: str, pair: _Pair, found: Findings) -> None:
    root = path if path.is_dir() else path.parent
    if pair.images is None or pair.labels is None:
        present = pair.images or pair.labels
        assert present is not None
        has, lacks = ("pictures", "labels") if pair.images else ("labels", "pictures")
        expected = re.sub("idx1", "idx3", re.sub("labels", "images", present.name))
        if pair.images:
            expected = re.sub("idx3", "idx1", re.sub("images", "labels", present.name))
        found.problems.append(
            Problem(
                f"{has}-without-{lacks}",
                present.relative_to(root).as_posix(),
                f"there are {has} for the {split or 'whole'} split but no file of {lacks} (expected {expected}).",
                f"They are left out. Put {expected} beside the file.",
                "dropped",
            )
        )
        return
    images, labels = _header(pair.images), _header(pair.labels)
    if len(images) not in (3, 4) or len(labels) != 1 or images[0] != labels[0]:
        raise DataError(
            f"{pair.images.name} has shape {images} and {pair.labels.name} {labels}; (N, height, width) pictures and "
            "as many labels belong together.",
            where=pair.images.parent,
            fix="Get both files again from the same place.",
        )
    numbers = load_whole(pair.labels)
    load_whole(pair.images)
    prefix = pair.images.relative_to(root).as_posix()
    names = [str(number) for number in range(int(numbers.max(initial=0)) + 1)]
    found.splits[split] = [
        Entry(ArraySource(pair.images, "", index, f"{prefix}#{index}"), (names[number],))
        for index, number in enumerate(numbers.tolist())
    ]


def _header(file: Path) -> tuple[int, ...]:
    header = read_idx_header(file)
    assert header is not None
    return header[0]


def _refuse_incomplete(path: Path, found: Findings) -> None:
    details = " ".join(problem.detail for problem in found.problems)
    raise DataError(
        f"no split has both its pictures and its labels: {details}",
        where=path,
        fix="Put the missing files beside the others.",
    )


def _class_names(folder: Path, found: Findings) -> tuple[str, ...]:
    """Names for label numbers: from `classes.txt`, else the numbers up to the largest."""
    largest = max(int(entry.names[0]) for entries in found.splits.values() for entry in entries)
    numbers = tuple(str(number) for number in range(largest + 1))
    file = folder / CLASSES_FILE
    if not file.is_file():
        return numbers
    names = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    if len(names) <= largest or len(set(names)) != len(names):
        found.notes.append(f"{CLASSES_FILE} does not name {largest + 1} different classes, so it is left aside.")
        return numbers
    found.notes.append(f"Class names come from {CLASSES_FILE}.")
    for split, entries in found.splits.items():
        found.splits[split] = [Entry(entry.source, (names[int(entry.names[0])],)) for entry in entries]
    return names


def _note_emnist(files: _Files, found: Findings) -> None:
    if any(name.startswith("emnist") for name in files.set_names):
        found.notes.append("EMNIST stores its pictures with rows and columns exchanged; they are read as stored.")


def _gray_array(samples: Sequence[Sample]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    first: Sample | None = None
    planes = []
    for sample in samples:
        picture = sample.read()
        if picture.channels != 1 or picture.pixels.dtype != np.uint8:
            raise RequestError(
                f"IDX files of pictures hold 8-bit gray; {sample.name} has {picture.channels} channels of "
                f"{picture.pixels.dtype.name}.",
                where="idx",
                fix="Write the format `folders` or `medmnist`, or turn the pictures into 8-bit gray first.",
            )
        planes.append(np.asarray(picture.pixels[0], dtype=np.uint8))
        first = first or sample
        if planes[-1].shape != planes[0].shape:
            raise RequestError(
                f"IDX files hold pictures of one size; {first.name} has {planes[0].shape[0]} x {planes[0].shape[1]} "
                f"pixels and {sample.name} {planes[-1].shape[0]} x {planes[-1].shape[1]}.",
                where="idx",
                fix="Write the format `folders`, or scale the pictures to one size first.",
            )
    return np.stack(planes)


def _write_idx(file: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    head = bytes((0, 0, 0x08, array.ndim)) + np.array(array.shape, dtype=">u4").tobytes()
    # A fixed time makes equal pictures give equal files.
    data = gzip.compress(head + array.tobytes(), mtime=0)
    stored(file, lambda: file.write_bytes(data))


FORMATS.add(_Idx.name, _Idx())
