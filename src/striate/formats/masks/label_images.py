"""Pictures and label images: a file for each picture in which every object has a value of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.errors import DataError, PictureError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.masks.files import read_codes
from striate.formats.masks.object_masks import ONE_CLASS, instances_of
from striate.formats.masks.sets import MaskSet, add_entry, class_list_of, collect_pairs, look_for_masks, read_mask_sets
from striate.formats.masks.survey import packs_class_and_object
from striate.formats.objects import ObjectFindings, build_object_reading
from striate.formats.storing import PictureStore, make_folder, prepare_folder
from striate.images import write_picture
from striate.structures import Instances, Picture, Sample

_SURE, _UNSURE = 0.85, 0.55
MOST_OBJECTS = 65_535


@dataclass(frozen=True, slots=True)
class LabelImage:
    """Objects in a label image, read when asked for; all of one class.

    Attributes:
        path: The file.
        name: Path relative to the root of the data set, with forward slashes.
    """

    path: Path
    name: str

    def read(self) -> Instances:
        """Reads the objects, in ascending order of their values. 0 is background, and so are negative values.

        Colour files are label images too: each colour but black is an object.

        Raises:
            PictureError: It cannot be read, or is of a lossy kind.
        """
        codes = read_codes(self.path)
        if codes.lossy:
            raise PictureError(
                "a label image in a lossy kind of file (JPEG), which changes the numbers of objects.",
                where=self.path,
                fix="Save it as PNG or TIFF from where it was made.",
                kind="lossy",
            )
        return Instances.from_label_image(np.maximum(codes.values, 0))


class _LabelImages(Format):
    name = "label-images"
    title = "pictures and label images with a value for each object"
    tasks = ("instances",)
    unflagged_tasks = tasks
    names_classes = False

    def sniff(self, path: Path) -> Sniff | None:
        for one in look_for_masks(path):
            survey = one.survey(path)
            counting = survey.looks_like_label_images() or (one.instances and survey.counts_without_gap())
            if not counting or packs_class_and_object(survey.levels):
                continue
            if class_list_of(path, one) is None:
                what = f"files in {one.kind} with the names of pictures, whose values count objects"
                return Sniff(_SURE if one.sure else _UNSURE, what)
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        chosen = _choose(path, read_mask_sets(path))
        survey = chosen.survey(path)
        factor, largest = packs_class_and_object(survey.levels), max(survey.levels, default=0)
        if factor is not None:
            raise DataError(
                f"the values in {chosen.kind} are no numbers of objects: they hold a class and an object each "
                f"({largest} is class {largest // factor}, object {largest % factor}).",
                where=path,
                fix="Convert the set to COCO, which keeps classes and objects.",
            )
        found = ObjectFindings("instances", [ONE_CLASS])
        for picture, mask in collect_pairs(path, chosen, found, survey):
            add_entry(path, picture, LabelImage(path / mask, mask), found)
        found.notes.append(f"Label images name no class: all objects are {ONE_CLASS!r}.")
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `images/split/` and `instances/split/`, 16-bit PNG with 1, 2, ... in the order of the objects.

        Groups, boxes that differ from the masks, and objects without a pixel are not kept.
        """
        prepare_folder(out)
        store = PictureStore(unique_stems=True)
        for split, samples in splits.items():
            for sample in samples:
                labels = _label_image(instances_of(sample, classes, self.name), sample.name)
                picture = store.save(sample, out / "images" / split)
                folder = make_folder(out / "instances" / split)
                write_picture(Picture(labels[None], ("gray",)), folder / f"{picture.stem}.png")


def _choose(path: Path, sets: Sequence[MaskSet]) -> MaskSet:
    """The first kind whose values count objects, or that is named so; else the first."""
    counting = (one for one in sets if one.survey(path).looks_like_label_images())
    return next(counting, None) or next((one for one in sets if one.instances), sets[0])


def _label_image(instances: Instances, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    if len(instances) > MOST_OBJECTS:
        raise RequestError(
            f"picture {name} has {len(instances)} objects; a label image of 16 bit holds {MOST_OBJECTS}.",
            where="label-images",
            fix="Write the format `object-masks` or `coco`.",
        )
    labels = instances.label_image()
    shared = int(instances.areas().sum()) - int(np.count_nonzero(labels))
    if shared:
        raise RequestError(
            f"in picture {name} objects overlap in {shared} pixels, and a label image holds one object for each pixel.",
            where="label-images",
            fix="Write the format `object-masks` or `coco`, which keep overlapping objects.",
        )
    return labels.astype(np.uint16)


FORMATS.add(_LabelImages.name, _LabelImages())
