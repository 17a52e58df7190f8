"""Arrays in one npz file: MedMNIST's layout (Yang et al. 2023, Scientific Data), and Keras' x_train and y_train."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import DataError, PictureError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.folder_names import split_of
from striate.formats.labelled import Entry, Findings, build_reading, load_whole
from striate.formats.listing import scan
from striate.formats.storing import label_indices, make_folder, prepare_folder, stored
from striate.images import ArraySource, array_shapes
from striate.structures import Count, Labels, Problem, Sample

CLASSES_KEY = "class_names"
"""Key of the class names. Our addition: MedMNIST keeps them in its Python package."""

_PICTURE_WORDS = {"images", "image", "x", "data", "pictures"}
_LABEL_WORDS = {"labels", "label", "y", "target", "targets"}
_SHORT = {"train": "train", "validation": "val", "test": "test"}
_ORGANS = "bladder|femur-left|femur-right|heart|kidney-left|kidney-right|liver|lung-left|lung-right|pancreas|spleen"
_KNOWN = {
    "pneumoniamnist": "normal|pneumonia",
    "breastmnist": "malignant|normal, benign",
    "octmnist": "choroidal neovascularization|diabetic macular edema|drusen|normal",
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
    "chestmnist": "atelectasis|cardiomegaly|effusion|infiltration|mass|nodule|pneumonia|pneumothorax|consolidation|"
    "edema|emphysema|fibrosis|pleural|hernia",
    "pathmnist": "adipose|background|debris|lymphocytes|mucus|smooth muscle|normal colon mucosa|"
    "cancer-associated stroma|colorectal adenocarcinoma epithelium",
    "dermamnist": "actinic keratoses and intraepithelial carcinoma|basal cell carcinoma|benign keratosis-like lesions|"
    "dermatofibroma|melanoma|melanocytic nevi|vascular lesions",
    "bloodmnist": "basophil|eosinophil|erythroblast|"
    "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)|lymphocyte|monocyte|neutrophil|platelet",
    "tissuemnist": "Collecting Duct, Connecting Tubule|Distal Convoluted Tubule|Glomerular endothelial cells|"
    "Interstitial endothelial cells|Leukocytes|Podocytes|Proximal Tubule Segments|Thick Ascending Limb",
}
"""Class names of MedMNIST v2's sets, by the beginning of the file name; used where the number of classes agrees."""


_MEDICAL = (*_KNOWN, "retinamnist", "organmnist3d", "nodulemnist3d", "adrenalmnist3d", "fracturemnist3d")
_MEDICAL += ("vesselmnist3d", "synapsemnist3d")


def is_medical(path: Path) -> bool:
    """Whether an npz file is one of MedMNIST's sets, by its name: all of them are of medicine or biology."""
    return path.suffix.lower() == ".npz" and path.stem.lower().startswith(_MEDICAL)


@dataclass(frozen=True, slots=True)
class _Part:
    split: str
    images: str
    labels: str


class _MedMnist(Format):
    name = "medmnist"
    title = "arrays in an npz file (train_images, train_labels, ...), as MedMNIST has them"
    tasks = ("classification", "multilabel")

    def sniff(self, path: Path) -> Sniff | None:
        for file in _candidates(path):
            parts = _parts_of(file)
            if parts:
                return Sniff(1.0, f"{file.name} with {', '.join(part.images for part in parts)}")
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        files = [file for file in _candidates(path) if _parts_of(file)]
        if not files:
            raise DataError(
                "no npz file with pictures and labels was found here.",
                where=path,
                fix="It has arrays called train_images (N, height, width[, channels]) and train_labels, or x_train "
                "and y_train.",
            )
        if len(files) > 1:
            raise DataError(
                f"several npz files could be meant: {', '.join(file.name for file in files)}.",
                where=path,
                fix="Give the path of one of them.",
            )
        file = files[0]
        found = Findings()
        prefix = file.relative_to(path).as_posix() if path.is_dir() else file.name
        labels = {part: _load_labels(file, part) for part in _parts_of(file)}
        found.several = _are_several(labels.values())
        found.declared = _class_names(file, labels.values(), found)
        for part, values in labels.items():
            found.splits[part.split] = _entries(file, prefix, part, values, found)
        _report_unpaired(file, prefix, found)
        return build_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes one npz file. `out` is the file, or a folder in which it is called pictures.npz."""
        several = any(isinstance(sample.annotation, Labels) for part in splits.values() for sample in part)
        arrays: dict[str, npt.NDArray[Any]] = {CLASSES_KEY: np.array(classes, dtype=np.str_)}
        for split, samples in splits.items():
            if samples:
                prefix = f"{_SHORT[split]}_" if split else ""
                arrays[f"{prefix}images"] = _stack(samples)
                arrays[f"{prefix}labels"] = _label_array(samples, len(classes), several)
        file = out if out.suffix.lower() == ".npz" else out / "pictures.npz"
        if file == out:
            if out.exists():
                raise RequestError("there is something here already.", where=out, fix="Name a new file.")
            make_folder(out.parent)
        else:
            prepare_folder(out)
        stored(file, lambda: np.savez_compressed(file, allow_pickle=False, **arrays))


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".npz" else []
    return [path / name for name in scan(path).others if name.lower().endswith(".npz")]


def _parts_of(file: Path) -> list[_Part]:
    """Arrays that belong together, by their names; none where the file is no npz or has no pictures in it."""
    try:
        shapes = array_shapes(file)
    except PictureError:
        return []
    pictures, labels = {}, {}
    for key, (shape, _) in shapes.items():
        split, word = _read_key(key)
        if word in _PICTURE_WORDS and len(shape) in (3, 4):
            pictures[split] = key
        elif word in _LABEL_WORDS and len(shape) in (1, 2):
            labels[split] = key
    order = ("train", "validation", "test", "")
    return [_Part(split, pictures[split], labels[split]) for split in order if split in pictures and split in labels]


def _read_key(key: str) -> tuple[str, str]:
    """Split and word of a key such as `train_images` or `y_test`; the split is empty where there is none."""
    words = [word for word in re.split(r"[_\-. ]+", key.lower()) if word]
    splits = [split for word in words if (split := split_of(word)) is not None]
    rest = [word for word in words if split_of(word) is None]
    return (splits[0] if splits else ""), "_".join(rest)


def _load_labels(file: Path, part: _Part) -> npt.NDArray[Any]:
    """Labels `(N,)` or `(N, L)` as whole numbers."""
    values = load_whole(file, part.labels)
    pictures = len(load_whole(file, part.images))
    if len(values) != pictures:
        raise DataError(
            f"{part.images} has {Count(pictures):picture} and {part.labels} {Count(len(values)):label}.",
            where=file,
            fix="Save the file again with one label for each picture.",
        )
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind in "SU":
        return values.astype(np.str_)
    if values.dtype.kind not in "iuf" and values.dtype != np.bool_:
        raise DataError(f"{part.labels} holds {values.dtype} values where class numbers belong.", where=file)
    whole = values.astype(np.int64)
    if (whole != values).any() or (whole < 0).any():
        raise DataError(
            f"{part.labels} holds values that are no class numbers (0, 1, 2, ...), such as "
            f"{values[(whole != values) | (whole < 0)].flat[0]}.",
            where=file,
            fix="Save class numbers; regression is not one of the tasks.",
        )
    if whole.ndim == 2 and whole.max(initial=0) > 1:
        raise DataError(
            f"{part.labels} has {whole.shape[1]} columns with values other than 0 and 1.",
            where=file,
            fix="Save one class number for each picture, or a 0/1 column for each class.",
        )
    return whole


def _are_several(labels: Any) -> bool:
    """Whether 0/1 columns ever have another count than one in a row."""
    return any(values.ndim == 2 and bool((values.sum(axis=1) != 1).any()) for values in labels)


def _class_names(file: Path, labels: Any, found: Findings) -> tuple[str, ...] | None:
    labels = list(labels)
    if any(values.dtype.kind == "U" for values in labels):
        return None
    count = max(int(values.shape[1]) if values.ndim == 2 else int(values.max(initial=0)) + 1 for values in labels)
    if CLASSES_KEY in array_shapes(file):
        names = tuple(str(name) for name in load_whole(file, CLASSES_KEY))
        if len(names) >= count:
            return names
    known = next((tuple(names.split("|")) for stem, names in _KNOWN.items() if file.stem.lower().startswith(stem)), ())
    if len(known) == count:
        found.notes.append(f"Class names are those that MedMNIST gives for {file.stem}.")
        return known
    return tuple(str(number) for number in range(count))


def _entries(file: Path, prefix: str, part: _Part, labels: npt.NDArray[Any], found: Findings) -> list[Entry]:
    names = found.declared
    rows: list[tuple[str, ...]]
    if names is None:
        rows = [(str(value),) for value in labels.tolist()]
    elif labels.ndim == 1:
        rows = [(names[number],) for number in labels.tolist()]
    else:
        rows = [tuple(names[column] for column in np.flatnonzero(row)) for row in labels]
    return [
        Entry(ArraySource(file, part.images, index, f"{prefix}#{part.images}/{index}"), row)
        for index, row in enumerate(rows)
    ]


def _report_unpaired(file: Path, prefix: str, found: Findings) -> None:
    used = {key for part in _parts_of(file) for key in (part.images, part.labels)}
    for key in array_shapes(file):
        word = _read_key(key)[1]
        if key in used or word not in _PICTURE_WORDS | _LABEL_WORDS:
            continue
        has, lacks = ("pictures", "labels") if word in _PICTURE_WORDS else ("labels", "pictures")
        found.problems.append(
            Problem(
                f"{has}-without-{lacks}",
                f"{prefix}#{key}",
                f"the array {key!r} has no array of {lacks} to it.",
                "It is left out.",
                "dropped",
            )
        )


def _stack(samples: Sequence[Sample]) -> npt.NDArray[Any]:
    first = samples[0].read()
    planes = []
    for sample in samples:
        pixels = sample.read().pixels
        if pixels.shape != first.pixels.shape or pixels.dtype != first.pixels.dtype:
            raise RequestError(
                f"one array holds pictures of one shape and type; {samples[0].name} has {first.pixels.shape} of "
                f"{first.pixels.dtype.name} and {sample.name} {pixels.shape} of {pixels.dtype.name}.",
                where="medmnist",
                fix="Write the format `folders` or `table`, or scale the pictures to one size first.",
            )
        planes.append(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    return np.stack(planes)


def _label_array(samples: Sequence[Sample], classes: int, several: bool) -> npt.NDArray[np.int64]:
    rows = [label_indices(sample.annotation, sample.name, "medmnist") for sample in samples]
    if not several:
        return np.array(rows, dtype=np.int64)
    table = np.zeros((len(rows), classes), dtype=np.int64)
    for position, row in enumerate(rows):
        table[position, list(row)] = 1
    return table


FORMATS.add(_MedMnist.name, _MedMnist())
