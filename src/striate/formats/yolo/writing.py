"""Writing YOLO's folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from striate.errors import RequestError
from striate.formats.polygons import fill_polygon, trace_polygon
from striate.formats.storing import PictureStore, kind_of_objects, objects_of, prepare_folder, stored
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
    for name in classes:
        if not name or name != name.strip():
            raise RequestError(f"class {name!r} would not be read again as it is.", where=format, fix="Rename it.")
    for sample in (sample for part in splits.values() for sample in part):
        if isinstance(sample.annotation, Boxes | Instances):
            _refuse_flags(sample.annotation, sample.name)
    prepare_folder(out)
    store = PictureStore(unique_stems=True)
    for split, samples in splits.items():
        for sample in samples:
            _write_sample(store, sample, kind, out, _FOLDERS.get(split, split))
    folders = {_FOLDERS.get(split, split): f"images/{_FOLDERS.get(split, split)}" for split in splits if split}
    settings = {"path": ".", **folders, "names": dict(enumerate(classes))}
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    stored(out / "data.yaml", lambda: (out / "data.yaml").write_text(text, encoding="utf-8"))


def _write_sample(store: PictureStore, sample: Sample, kind: type[Annotation], out: Path, folder: str) -> None:
    annotation = objects_of(sample, kind, "yolo")
    assert isinstance(annotation, Boxes | Instances)
    _refuse_flags(annotation, sample.name)
    target = store.save(sample, out / "images" / folder)
    size_hw = read_header(target).size_hw
    lines = _box_lines(annotation, size_hw) if isinstance(annotation, Boxes) else _outlines(annotation, sample.name)
    text = "".join(f"{line}\n" for line in lines)
    path = out / "labels" / folder / f"{target.stem}.txt"
    stored(path, lambda: path.parent.mkdir(parents=True, exist_ok=True))
    stored(path, lambda: path.write_text(text, encoding="utf-8"))


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
        outline = trace_polygon(mask) / (width, height) if mask.any() else np.zeros((0, 2))
        line = _line(int(kind), outline.ravel().tolist())
        written = np.array(line.split()[1:], np.float64).reshape(-1, 2) * (width, height)
        if not len(written) or fill_polygon(written, objects.size_hw) != counts:
            raise RequestError(
                f"picture {name} has an object whose outline would not give the same pixels again.",
                where="yolo",
                fix="Write the format `coco`, which holds masks as they are.",
            )
        yield line
