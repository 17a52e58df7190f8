"""Writing Pascal VOC's folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.errors import RequestError
from striate.formats.storing import (
    PictureStore,
    all_samples,
    kind_of_objects,
    make_folder,
    objects_of,
    prepare_folder,
    refuse_strange_names,
    store_text,
    stored,
)
from striate.formats.voc.image_sets import FOLDER as LISTS_FOLDER
from striate.formats.voc.mask_files import LABEL_MAP, format_label_map, write_mask
from striate.formats.voc.xml_files import write_voc_xml
from striate.images import read_header
from striate.structures import MOST_MASK_CLASSES, VOID, Annotation, Boxes, Instances, Mask, Sample

PICTURE_FOLDER, XML_FOLDER = "JPEGImages", "Annotations"
CLASS_FOLDER, OBJECT_FOLDER = "SegmentationClass", "SegmentationObject"
BACKGROUND = "background"

_LISTS = {"train": "train", "validation": "val", "test": "test", "": "trainval"}


def write_voc(format: str, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
    """Writes pictures, annotation, the order of the classes, and lists where there are splits.

    Raises:
        RequestError: VOC cannot hold a class name or an annotation.
        StorageError: The files cannot be written.
        PictureError: A picture or mask cannot be read.
    """
    kind = kind_of_objects(splits, (Boxes, Mask, Instances), format)
    _check_names(classes, kind, format)
    for sample in all_samples(splits):
        if isinstance(sample.annotation, Instances):
            _objects_image(sample.annotation, sample.name)
    prepare_folder(out)
    names = (BACKGROUND, *classes) if kind is Instances else classes
    store_text(out / LABEL_MAP, format_label_map(names))
    store = PictureStore(unique_stems=True)
    for split, samples in splits.items():
        stems = [_write_sample(store, sample, kind, classes, out) for sample in samples]
        if set(splits) != {""}:
            folder = out / LISTS_FOLDER / ("Main" if kind is Boxes else "Segmentation")
            names_in_list = "".join(f"{stem}\n" for stem in stems)
            store_text(folder / f"{_LISTS.get(split, split)}.txt", names_in_list, "surrogateescape")


def _check_names(classes: Sequence[str], kind: type[object], format: str) -> None:
    refuse_strange_names(classes, format)
    comment = next((name for name in classes if name.startswith("#")), None)
    if comment is not None:
        raise RequestError(
            f"class {comment!r} would be taken for a comment in {LABEL_MAP}.", where=format, fix="Rename the class."
        )
    most = {Boxes: None, Mask: MOST_MASK_CLASSES}.get(kind, MOST_MASK_CLASSES - 1)
    if most is not None and len(classes) > most:
        raise RequestError(
            f"{len(classes)} classes do not fit into VOC's masks, whose values are bytes: at most {most} do.",
            where=format,
            fix="Write the format `coco` instead, which holds any number, or merge classes.",
        )
    if kind is Instances and BACKGROUND in (name.casefold() for name in classes):
        raise RequestError(
            "a class called 'background' would be taken for no object.", where=format, fix="Rename the class."
        )


def _write_sample(
    store: PictureStore, sample: Sample, kind: type[Annotation], classes: Sequence[str], out: Path
) -> str:
    annotation = objects_of(sample, kind, "voc")
    target = store.save(sample, out / PICTURE_FOLDER)
    if isinstance(annotation, Boxes):
        header = read_header(target)
        path = make_folder(out / XML_FOLDER) / f"{target.stem}.xml"
        stored(path, lambda: write_voc_xml(path, target.name, header.size_hw, header.channels, annotation, classes))
    elif isinstance(annotation, Mask):
        _store_mask(annotation.classes, out / CLASS_FOLDER, target.stem)
    elif isinstance(annotation, Instances):
        objects = _objects_image(annotation, sample.name)
        class_of = np.concatenate([[0], annotation.classes + 1])
        _store_mask(objects, out / OBJECT_FOLDER, target.stem)
        _store_mask(class_of[objects].astype(np.uint8), out / CLASS_FOLDER, target.stem)
    return target.stem


def _store_mask(values: npt.NDArray[np.uint8], folder: Path, stem: str) -> None:
    path = make_folder(folder) / f"{stem}.png"
    stored(path, lambda: write_mask(values, path))


def _objects_image(objects: Instances, name: str) -> npt.NDArray[np.uint8]:
    """`(H, W)`: 0 where nothing is, else the number of the object from 1."""
    dense = objects.dense()
    flags = (objects.iscrowd | objects.ignore).any()
    reasons = (
        (len(objects) >= VOID, f"has {len(objects)} objects, and VOC's masks tell at most {VOID - 1} apart"),
        (bool(flags), "has objects that are crowds or to be ignored, which VOC's masks cannot say"),
        (bool((dense.sum(axis=0) > 1).any()), "has objects that overlap, and a pixel of VOC's masks is of one object"),
        (not dense.any(axis=(1, 2)).all(), "has an object without a pixel"),
    )
    for wrong, reason in reasons:
        if wrong:
            raise RequestError(f"picture {name} {reason}.", where="voc", fix="Write the format `coco`, which holds it.")
    image = np.zeros(objects.size_hw, np.uint8)
    for number, mask in enumerate(dense, 1):
        image[mask] = number
    return image
