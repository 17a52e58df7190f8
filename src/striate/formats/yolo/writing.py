"""Writing YOLO's folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from striate.errors import RequestError
from striate.formats.outlines import refuse_inexact, trace_outline
from striate.formats.storing import (
    PictureStore,
    all_samples,
    kind_of_objects,
    objects_of,
    prepare_folder,
    refuse_strange_names,
    store_text,
)
from striate.images import read_header
from striate.structures import Annotation, Boxes, Instances, Sample

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def write_yolo(format: str, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
    """Writes `images/SPLIT/NAME.*`, `labels/SPLIT/NAME.txt` and `data.yaml`.

    Raises:
        RequestError: YOLO cannot hold a class name or an annotation.
        StorageError: The files cannot be written.
        PictureError: A picture or mask cannot be read.
    """
    import yaml

    kind = kind_of_objects(splits, (Boxes, Instances), format)
    refuse_strange_names(classes, format)
    for sample in all_samples(splits):
        if isinstance(sample.annotation, Boxes | Instances):
            _refuse_flags(sample.annotation, sample.name)
    prepare_folder(out)
    store = PictureStore(unique_stems=True)
    for split, samples in splits.items():
        for sample in samples:
            _write_sample(store, sample, kind, out, _FOLDERS.get(split, split))
    folders = {_FOLDERS.get(split, split): f"images/{_FOLDERS.get(split, split)}" for split in splits if split}
    settings = {"path": ".", **folders, "names": dict(enumerate(classes))}
    store_text(out / "data.yaml", yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def _write_sample(store: PictureStore, sample: Sample, kind: type[Annotation], out: Path, folder: str) -> None:
    annotation = objects_of(sample, kind, "yolo")
    assert isinstance(annotation, Boxes | Instances)
    _refuse_flags(annotation, sample.name)
    target = store.save(sample, out / "images" / folder)
    size_hw = read_header(target).size_hw
    lines = _box_lines(annotation, size_hw) if isinstance(annotation, Boxes) else _outlines(annotation, sample.name)
    store_text(out / "labels" / folder / f"{target.stem}.txt", "".join(f"{line}\n" for line in lines))


def _refuse_flags(objects: Boxes | Instances, name: str) -> None:
    if (objects.iscrowd | objects.ignore).any():
        raise RequestError(
            f"picture {name} has objects that are crowds or to be ignored, and YOLO's lines cannot say that.",
            where="yolo",
            fix="Write the format `coco` instead, or leave these objects out.",
        )


def _line(number: int, values: Sequence[float]) -> str:
    return " ".join([str(number), *(f"{value:.12g}" for value in values)])


def _box_lines(boxes: Boxes, size_hw: tuple[int, int]) -> Iterator[str]:
    height, width = size_hw
    for (left, top, right, bottom), kind in zip(boxes.boxes_xyxy.astype(np.float64), boxes.classes, strict=True):
        across, down = (left + right) / 2 / width, (top + bottom) / 2 / height
        yield _line(int(kind), (across, down, (right - left) / width, (bottom - top) / height))


def _outlines(objects: Instances, name: str) -> Iterator[str]:
    height, width = objects.size_hw
    for counts, mask, kind in zip(objects.masks, objects.dense(), objects.classes, strict=True):
        outline = trace_outline(mask) / (width, height) if mask.any() else np.zeros((0, 2))
        line = _line(int(kind), outline.ravel().tolist())
        written = np.array(line.split()[1:], np.float64).reshape(-1, 2) * (width, height)
        refuse_inexact(written, counts, objects.size_hw, name, "yolo")
        yield line
