"""Pictures and semantic masks: a picture file for each mask, in a folder beside or next to its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.errors import DataError, RequestError
from striate.formats.base import FORMATS, Format, Reading, Sniff
from striate.formats.class_lists import VOID_NAMES
from striate.formats.masks.files import MaskFile
from striate.formats.masks.sets import (
    MaskSet,
    add_entry,
    class_list_of,
    collect_pairs,
    look_for_masks,
    read_mask_sets,
    refuse_different_lists,
)
from striate.formats.masks.survey import MOST_READ, packs_class_and_object
from striate.formats.masks.values import settle_values
from striate.formats.objects import ObjectFindings, build_object_reading
from striate.formats.storing import PictureStore, make_folder, objects_of, prepare_folder, store_table
from striate.images import write_picture
from striate.structures import Mask, Picture, Sample
from striate.structures.annotation import MOST_MASK_CLASSES, VOID

CLASSES_FILE = "_classes.csv"
_SURE, _UNSURE, _FEW = 0.85, 0.55, 0.4


def class_rows(classes: Sequence[str]) -> list[tuple[object, str]]:
    """Rows of the table that says which class each value of a mask stands for."""
    # A class may be called "void" itself.
    void = next(name for name in ("void", *sorted(VOID_NAMES)) if name not in classes)
    return [("Pixel Value", "Class"), *enumerate(classes), (VOID, void)]


class _Masks(Format):
    name = "masks"
    title = "pictures and masks with a value or colour for each class"
    tasks = ("segmentation",)

    def sniff(self, path: Path) -> Sniff | None:
        for one in look_for_masks(path):
            survey = one.survey(path)
            if not one.holds_masks(path, survey):
                continue
            if packs_class_and_object(survey.levels):
                continue
            if (one.instances or survey.looks_like_label_images()) and class_list_of(path, one) is None:
                continue
            sure = _FEW if one.share < 0.3 else _SURE if one.sure else _UNSURE
            return Sniff(sure, f"masks in {one.kind} with the names of pictures")
        return None

    def read(self, path: Path, task: str | None = None) -> Reading:
        del task
        sets = read_mask_sets(path)
        chosen = _choose(path, sets)
        survey = chosen.survey(path, MOST_READ)
        if survey.masks and not survey.looks_like_masks():
            raise DataError(
                f"the files in {chosen.kind} look like photographs: hardly any two neighbouring pixels are equal.",
                where=path,
                fix="Check which folder holds the masks, and that they were not saved as JPEG.",
            )
        _refuse_packed(path, chosen, survey.levels)
        refuse_different_lists(path, chosen)
        found = ObjectFindings("segmentation")
        pairs = collect_pairs(path, chosen, found, survey)
        settled = settle_values(path, survey, class_list_of(path, chosen))
        found.names, found.notes = settled.names, found.notes + settled.notes
        found.problems += settled.problems
        others = [one.kind for one in sets if one is not chosen and one.sure]
        if others:
            found.notes.append(f"Other masks of the same pictures are left out: {', '.join(others)}.")
        for picture, mask in pairs:
            add_entry(path, picture, MaskFile(path / mask, mask, settled.values), found)
        return build_object_reading(self.name, path, found)

    def write(self, splits: dict[str, Sequence[Sample]], classes: tuple[str, ...], out: Path) -> None:
        """Writes `images/split/`, `masks/split/` as 8-bit PNG of class indices with 255 for void, and `_classes.csv`.

        Groups are not kept. Pictures that are files are copied as they are.
        """
        prepare_folder(out)
        if len(classes) > MOST_MASK_CLASSES:
            raise RequestError(
                f"a mask of 8 bit can tell apart {MOST_MASK_CLASSES} classes, and there are {len(classes)}.",
                where=self.name,
                fix="Merge classes, or write the format `coco`.",
            )
        store_table(out / CLASSES_FILE, class_rows(classes))
        store = PictureStore(unique_stems=True)
        for split, samples in splits.items():
            for sample in samples:
                mask = objects_of(sample, Mask, self.name)
                picture = store.save(sample, out / "images" / split)
                folder = make_folder(out / "masks" / split)
                write_picture(Picture(mask.classes[None], ("gray",)), folder / f"{picture.stem}.png")


def _choose(path: Path, sets: Sequence[MaskSet]) -> MaskSet:
    """The first kind that looks like masks and numbers no objects; else the first."""
    for one in sets:
        survey = one.survey(path)
        if one.holds_masks(path, survey) and not survey.looks_like_label_images() and not one.instances:
            return one
    return sets[0]


def _refuse_packed(path: Path, chosen: MaskSet, levels: set[int]) -> None:
    factor = packs_class_and_object(levels)
    if factor is not None:
        example = max(levels)
        raise DataError(
            f"the values in {chosen.kind} hold a class and an object each ({example} is class {example // factor}, "
            f"object {example % factor}), as Cityscapes, KITTI and Mapillary write them, which is not read.",
            where=path,
            fix="Use the set's semantic masks (labelIds, labelTrainIds, semantic), or convert it to COCO.",
        )


FORMATS.add(_Masks.name, _Masks())
