"""What all formats do when they write: an empty place, file names, pictures that lose nothing."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar, overload

from striate.errors import PictureError, RequestError, StorageError
from striate.images import FileSource, lossless_suffix, write_picture
from striate.images.reading import is_picture_path
from striate.structures import Annotation, AnnotationSource, Label, Labels, Sample

_FORBIDDEN = re.compile(r'[<>:"/\\|?*#\x00-\x1f]')
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))}

S = TypeVar("S")
T = TypeVar("T")


def prepare_folder(out: Path) -> None:
    """Makes an empty folder to write to.

    Raises:
        RequestError: There is something already.
        StorageError: It cannot be made.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("there is something here already.", where=out, fix="Name a new or empty folder.")
    stored(out, lambda: out.mkdir(parents=True, exist_ok=True))


def stored(path: Path, write: Callable[[], T]) -> T:
    """Does something that writes to disk.

    Raises:
        StorageError: It failed.
    """
    try:
        return write()
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error}).",
            where=path,
            fix="Check that there is space on the disk and that you may write there.",
        ) from error


def make_folder(folder: Path) -> Path:
    """Makes a folder and those above it; one that is there already stays.

    Raises:
        StorageError: It cannot be made.
    """
    stored(folder, lambda: folder.mkdir(parents=True, exist_ok=True))
    return folder


def store_text(path: Path, text: str, encoding_errors: str = "strict") -> None:
    """Writes a text file in UTF-8, and the folders above it.

    Raises:
        StorageError: It cannot be written.
    """
    make_folder(path.parent)
    stored(path, lambda: path.write_bytes(text.encode("utf-8", encoding_errors)))


def store_table(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Writes a CSV table.

    Raises:
        StorageError: It cannot be written.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    store_text(path, text.getvalue())


def refuse_strange_names(classes: Sequence[str], format: str) -> None:
    """Makes sure that class names survive in a text file.

    Raises:
        RequestError: One does not.
    """
    for name in classes:
        if not name or name != name.strip() or any(ord(letter) < 32 for letter in name):
            raise RequestError(
                f"the class name {name!r} would not be read again as it is: it is empty, begins or ends with a blank, "
                "or has a line break.",
                where=format,
                fix="Rename the class.",
            )


def folder_name_of(class_name: str, format: str) -> str:
    """A class name that is to be a folder name, unchanged.

    Raises:
        RequestError: No folder can have this name on every operating system.
    """
    bad = (
        not class_name
        or _FORBIDDEN.search(class_name)
        or class_name.startswith((".", " "))
        or class_name.endswith((".", " "))
        or class_name.lower().split(".")[0] in _DEVICES
    )
    if bad:
        raise RequestError(
            f"class {class_name!r} cannot be the name of a folder on every operating system.",
            where=format,
            fix="Write the format `table` instead, or rename the class.",
        )
    return class_name


class PictureStore:
    """Copies or writes pictures into folders, each under a name of its own.

    Args:
        unique_stems: Whether names differ without their suffixes too, so that annotation can take them.
    """

    def __init__(self, unique_stems: bool = False) -> None:
        self._unique_stems = unique_stems
        self._taken: set[str] = set()

    def save(self, sample: Sample, folder: Path) -> Path:
        """Writes one picture: the file itself where there is one, else PNG or TIFF with every value.

        Raises:
            PictureError: It cannot be read.
            StorageError: It cannot be written.
        """
        source = sample.source
        original = source.path if isinstance(source, FileSource) and is_picture_path(source.path) else None
        if original is not None:
            target = self._free(folder, Path(sample.name).stem, original.suffix)
            try:
                stored(target, lambda: shutil.copyfile(original, target))
            except FileNotFoundError as error:
                raise PictureError("there is no such file.", where=original, kind="missing") from error
            return target
        picture = source.read()
        target = self._free(folder, _FORBIDDEN.sub("_", sample.name).lstrip("._"), lossless_suffix(picture))
        write_picture(picture, target)
        return target

    def _free(self, folder: Path, stem: str, suffix: str) -> Path:
        make_folder(folder)
        ending = "" if self._unique_stems else suffix
        free, number = stem, 1
        while str(folder / f"{free}{ending}").lower() in self._taken:
            number += 1
            free = f"{stem} ({number})"
        self._taken.add(str(folder / f"{free}{ending}").lower())
        return folder / f"{free}{suffix}"


def label_indices(annotation: Annotation | AnnotationSource | None, name: str, format: str) -> tuple[int, ...]:
    """Class indices of an annotation.

    Raises:
        RequestError: It is no label.
    """
    if isinstance(annotation, Label):
        return (annotation.index,)
    if isinstance(annotation, Labels):
        return annotation.indices
    raise RequestError(
        f"picture {name} has no label, and the format `{format}` holds labels only.",
        fix="Leave unlabelled pictures out.",
    )


def refuse_several(annotation: Annotation | AnnotationSource | None, name: str, format: str) -> int:
    """The one class index of an annotation.

    Raises:
        RequestError: It has several classes, or none.
    """
    if isinstance(annotation, Labels):
        raise RequestError(
            f"picture {name} may have several labels, and the format `{format}` holds one for each picture.",
            fix="Write the format `table` or `medmnist`.",
        )
    return label_indices(annotation, name, format)[0]


def kind_of_objects(
    splits: dict[str, Sequence[Sample]], kinds: tuple[type[Annotation], ...], format: str
) -> type[Annotation]:
    """The kind of annotation that all samples have. Of those whose annotation lies in files only the first is read.

    Raises:
        RequestError: It is none of the kinds that the format holds, or several at once, or there are no samples.
        PictureError: The annotation of the first sample cannot be read.
    """
    chosen: type[Annotation] | None = None
    for sample in all_samples(splits):
        annotation = sample.annotation
        if isinstance(annotation, AnnotationSource):
            if chosen is not None:
                continue
            annotation = annotation.read()
        if not isinstance(annotation, kinds):
            raise _no_objects(sample, annotation, kinds, format)
        if chosen not in (None, type(annotation)):
            raise _no_objects(sample, annotation, (chosen,), format)
        chosen = type(annotation)
    if chosen is None:
        raise RequestError("there are no pictures to write.", where=format, fix="Name a set that has some.")
    return chosen


@overload
def objects_of(sample: Sample, kind: type[T], format: str) -> T: ...
@overload
def objects_of(sample: Sample, kind: tuple[type[T], type[S]], format: str) -> T | S: ...
def objects_of(sample: Sample, kind: type[T] | tuple[type[T], type[S]], format: str) -> T | S:
    """Annotation of a sample, read where it lies in a file.

    Raises:
        RequestError: It is of another kind than the format holds.
        PictureError: It cannot be read.
    """
    annotation = sample.read_annotation()
    if not isinstance(annotation, kind):
        raise _no_objects(sample, annotation, kind if isinstance(kind, tuple) else (kind,), format)
    return annotation


_WORDS = {"Boxes": "boxes", "Mask": "a mask of classes", "Instances": "masks of single objects"}
_HOLDERS = {"Boxes": "coco", "Mask": "masks", "Instances": "coco", "Label": "table", "Labels": "table"}


def _no_objects(
    sample: Sample, found: Annotation | None, expected: Iterable[type[object]], format: str
) -> RequestError:
    kind = type(found).__name__
    seen = "no annotation" if found is None else _WORDS.get(kind, "a label")
    wanted = " or ".join(_WORDS[one.__name__] for one in expected)
    other = "" if found is None else f", or write the format `{_HOLDERS[kind]}`, which holds that"
    return RequestError(
        f"picture {sample.name} has {seen}, and `{format}` was to write {wanted}.",
        fix=f"Leave this picture out{other}.",
    )


def all_samples(splits: dict[str, Sequence[Sample]]) -> Iterable[Sample]:
    """Samples of all splits."""
    return (sample for part in splits.values() for sample in part)
