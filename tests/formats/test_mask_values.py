"""Which value stands for which class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.formats.class_lists import ListedClass
from striate.formats.masks.survey import Survey, packs_class_and_object, survey_masks
from striate.formats.masks.values import Settled, settle_values


def survey(tmp_path: Path, *masks: object, suffix: str = ".png", most: int = 300) -> Survey:
    files = []
    for number, mask in enumerate(masks):
        image = mask if isinstance(mask, Image.Image) else Image.fromarray(np.asarray(mask))
        files.append((tmp_path / f"{number}{suffix}", f"{number}{suffix}"))
        image.save(files[-1][0])
    return survey_masks(files, most)


def levels(*values: int) -> np.ndarray:
    """A mask of 32 x 32 with bands of these values."""
    return np.array(values, np.uint8)[np.arange(32) * len(values) // 32][:, None].repeat(32, 1)


def colours(*values: int) -> np.ndarray:
    packed = np.array(values)[np.arange(32) * len(values) // 32][:, None].repeat(32, 1)
    return np.dstack([packed >> 16, packed >> 8 & 255, packed & 255]).astype(np.uint8)


def meanings(settled: Settled) -> dict[int, str | None]:
    return {value: None if index == 255 else settled.names[index] for value, index in settled.values.classes}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((0, 1), {0: "background", 1: "foreground", 255: None}),
        ((0, 255), {0: "background", 255: "foreground"}),
        ((0, 1, 255), {0: "background", 1: "foreground", 255: None}),
        ((0, 1, 2, 5, 255), {0: "background", 1: "class-1", 2: "class-2", 5: "class-5", 255: None}),
        ((1, 2, 3), {1: "class-1", 2: "class-2", 3: "class-3", 255: None}),
        ((0, 127, 255), {0: "background", 127: "class-127", 255: "class-255"}),
        ((0, 85, 170, 255), {0: "background", 85: "class-85", 170: "class-170", 255: "class-255"}),
    ],
)
def test_levels_without_a_list(tmp_path: Path, found: tuple[int, ...], expected: dict[int, str | None]) -> None:
    settled = settle_values(tmp_path, survey(tmp_path, levels(*found)), None)
    assert meanings(settled) == expected
    assert settled.names == [name for _, name in sorted(expected.items()) if name]
    assert settled.problems == []


def test_sixteen_bit_without_a_list(tmp_path: Path) -> None:
    band = levels(0, 1, 2).astype(np.uint16)
    band[:2] = 65_535
    settled = settle_values(tmp_path, survey(tmp_path, band), None)
    assert meanings(settled) == {0: "background", 1: "class-1", 2: "class-2", 255: None, 65_535: None}
    band[band < 65_535] = 0
    settled = settle_values(tmp_path, survey(tmp_path, band), None)
    assert meanings(settled) == {0: "background", 255: None, 65_535: "foreground"}


def test_a_list_may_call_255_a_class(tmp_path: Path) -> None:
    listed = ("c.csv", [ListedClass("wall", 0), ListedClass("crack", 255)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 255)), listed)
    assert meanings(settled) == {0: "wall", 255: "crack"}


def test_longer_lists_than_a_mask_can_hold(tmp_path: Path) -> None:
    listed = ("c.txt", [ListedClass(f"c{index}", index) for index in range(256)])
    with pytest.raises(DataError, match="256 classes are listed; a mask can tell apart 255"):
        settle_values(tmp_path, survey(tmp_path, levels(0, 5)), listed)


def test_fractions_stand_for_no_class(tmp_path: Path) -> None:
    band = levels(0, 1).astype(np.float32)
    band[:2] = 0.5
    settled = settle_values(tmp_path, survey(tmp_path, band, suffix=".tif"), None)
    assert meanings(settled) == {0: "background", 1: "foreground", 255: None}
    assert [one.kind for one in settled.problems] == ["unknown-mask-value"]
    with pytest.raises(DataError, match="1 mask, and none shows any of the classes"):
        settle_values(tmp_path, survey(tmp_path, np.full((32, 32), 0.5, np.float32), suffix=".tif"), None)


def test_colours_without_a_list(tmp_path: Path) -> None:
    found = survey(tmp_path, colours(0, 0x800000), colours(0x00FF00, 0xE0E0C0))
    settled = settle_values(tmp_path, found, None)
    assert settled.values.coloured
    assert meanings(settled) == {0: "background", 0x00FF00: "#00ff00", 0x800000: "#800000", 0xE0E0C0: None}
    assert "label_colors.txt" in settled.notes[0]
    settled = settle_values(tmp_path, survey(tmp_path, colours(0, 0x800000)), None)
    assert settled.names == ["background", "foreground"]


def test_too_many_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the masks hold 61 different colours, and no list says which") as caught:
        settle_values(tmp_path, survey(tmp_path, *(colours(3, 1000 * n + 999) for n in range(1, 61))), None)
    assert "label_colors.txt" in caught.value.fix


def test_a_list_of_values(tmp_path: Path) -> None:
    listed = ("c.csv", [ListedClass("road", 7), ListedClass("sky", 3), ListedClass("Void", 0)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(7, 3, 0, 9)), listed)
    assert settled.names == ["road", "sky"]
    assert meanings(settled) == {7: "road", 3: "sky", 0: None, 255: None}
    (problem,) = settled.problems
    assert (problem.kind, problem.path) == ("unknown-mask-value", "0.png")
    assert "of 1 mask looked at, 1 holds values that stand for no class: 9" in problem.detail


def test_classes_that_do_not_occur_stay_in_the_list(tmp_path: Path) -> None:
    listed = ("c.txt", [ListedClass(name, index) for index, name in enumerate(["bg", "cat", "dog"])])
    assert settle_values(tmp_path, survey(tmp_path, levels(0, 2)), listed).names == ["bg", "cat", "dog"]


def test_a_list_without_background(tmp_path: Path) -> None:
    listed = ("c.txt", [ListedClass("cat", 0), ListedClass("dog", 1)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 1, 2)), listed)
    assert meanings(settled) == {0: "background", 1: "cat", 2: "dog", 255: None}
    assert "names no background" in settled.notes[0]
    listed = ("c.csv", [ListedClass("cat", 3), ListedClass("dog", 1)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 1, 3)), listed)
    assert settled.names == ["background", "cat", "dog"]
    assert settled.problems == []
    assert "does not say what 0 is" in settled.notes[0]


@pytest.mark.parametrize("names", [("nothing", "tumour"), ("tumour",)])
def test_white_is_the_second_class(tmp_path: Path, names: tuple[str, ...]) -> None:
    listed = ("c.txt", [ListedClass(name, index) for index, name in enumerate(names)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 255)), listed)
    assert settled.names == [*(names if len(names) == 2 else ("background", "tumour"))]


def test_unlabeled_of_two_classes_is_the_background(tmp_path: Path) -> None:
    listed = ("c.csv", [ListedClass("unlabeled", 0), ListedClass("leaf", 1)])
    assert settle_values(tmp_path, survey(tmp_path, levels(0, 1)), listed).names == ["unlabeled", "leaf"]


def test_a_class_may_be_called_ignored_where_255_is_void(tmp_path: Path) -> None:
    names = ["bg", "leaf", "ignored"]
    listed = ("c.csv", [*(ListedClass(name, index) for index, name in enumerate(names)), ListedClass("void", 255)])
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 1, 2, 255)), listed)
    assert settled.names == names
    assert dict(settled.values.classes)[255] == 255


def test_a_list_of_colours(tmp_path: Path) -> None:
    listed = ("l.txt", [ListedClass("road", colour=0x804080), ListedClass("sky", colour=0), ListedClass("void", colour=1)])  # fmt: skip  # noqa: E501
    settled = settle_values(tmp_path, survey(tmp_path, colours(0x804080, 0, 1, 0xE0E0C0)), listed)
    assert settled.names == ["road", "sky"]
    assert meanings(settled) == {0x804080: "road", 0: "sky", 1: None, 0xE0E0C0: None}


def test_a_list_of_colours_for_palettes_and_for_indices(tmp_path: Path) -> None:
    listed = ("l.txt", [ListedClass("road", colour=0x804080), ListedClass("sky", colour=0), ListedClass("car", colour=9)])  # fmt: skip  # noqa: E501
    image = Image.fromarray(levels(0, 1, 2), "P")
    image.putpalette([0, 0, 0, 128, 64, 128, 0, 0, 9])
    # The palette has the colours of the list in another order, and what a mask shows is its colours.
    settled = settle_values(tmp_path, survey(tmp_path, image), listed)
    assert settled.values.coloured
    assert settled.names == ["road", "sky", "car"]
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 1, 2)), listed)
    assert meanings(settled) == {0: "road", 1: "sky", 2: "car", 255: None}


def test_names_alone_do_not_name_colours(tmp_path: Path) -> None:
    listed = ("c.txt", [ListedClass("road", 0), ListedClass("sky", 1)])
    settled = settle_values(tmp_path, survey(tmp_path, colours(0, 0x800000)), listed)
    assert settled.names == ["background", "foreground"]
    assert settled.notes[-1] == "c.txt does not say which colour is which class, so it is left aside."


def test_blurred_black_and_white(tmp_path: Path) -> None:
    blurred = levels(0, 0, 255, 255)
    blurred[15:17] = np.arange(64).reshape(2, 32) * 4
    # Two rows of 32 are one sixteenth; the rest of a larger mask is clean.
    large = np.vstack([blurred, *[levels(0, 255)] * 3])
    settled = settle_values(tmp_path, survey(tmp_path, large), None)
    assert settled.values.nearest
    assert settled.names == ["background", "foreground"]
    settled = settle_values(tmp_path, survey(tmp_path, levels(0, 255), suffix=".jpg"), None)
    assert settled.values.nearest
    assert "(JPEG)" in settled.notes[0]


def test_jpeg_masks_of_several_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lossy kind \(JPEG\), which mixes the values") as caught:
        settle_values(tmp_path, survey(tmp_path, levels(0, 60, 120, 180), suffix=".jpg"), None)
    assert "PNG" in caught.value.fix


def test_one_value_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 masks, and all show only 'background' of the classes"):
        settle_values(tmp_path, survey(tmp_path, levels(0), levels(0, 255)[:4]), None)


def test_a_sample_is_said_to_be_one_and_keeps_values_in_between(tmp_path: Path) -> None:
    found = survey(tmp_path, levels(0, 1), levels(2), levels(0, 4), most=2)
    assert [mask.name for mask in found.masks] == ["0.png", "2.png"]
    settled = settle_values(tmp_path, found, None)
    assert settled.names == ["background", "class-1", "class-2", "class-3", "class-4"]
    assert "Values were looked at in 2 of 3 masks" in settled.notes[-1]


def test_broken_masks_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    Image.fromarray(levels(0, 1)).save(tmp_path / "y.png")
    found = survey_masks([(tmp_path / name, name) for name in ("x.png", "y.png")])
    assert [(name, error.kind) for name, error in found.broken] == [("x.png", "empty")]
    assert found.levels == {0, 1}
    assert found.is_complete


def test_label_images_are_told_by_their_values(tmp_path: Path) -> None:
    counting = [np.uint16(np.arange(1024).reshape(32, 32) * top // 1024 + 1) for top in (2, 5)]
    assert survey(tmp_path, *counting).looks_like_label_images()
    assert not survey(tmp_path, *(one.astype(np.uint8) for one in counting)).looks_like_label_images()
    assert survey(tmp_path, *(levels(*range(top)) for top in (3, 5, 7, 9, 11))).looks_like_label_images()
    assert survey(tmp_path, np.arange(1024, dtype=np.uint8).reshape(32, 32)).looks_like_label_images()
    assert not survey(tmp_path, *(levels(*range(top)) for top in (3, 5, 7))).looks_like_label_images()
    assert not survey(tmp_path, levels(0, 4, 9), levels(0, 1)).looks_like_label_images()
    assert not survey(tmp_path, np.uint16([[0, 1], [1, 1]])).looks_like_label_images()


@pytest.mark.parametrize(
    ("found", "factor"),
    [
        ({3, 27001, 27002, 31001}, 1000),
        ({768, 6913, 6914}, 256),
        ({0, 1, 2}, None),
        (set(range(500)), None),
        (set(range(3000)), None),
        ({0, 1517, 2921, 4803}, None),
    ],
)
def test_values_that_pack_class_and_object(found: set[int], factor: int | None) -> None:
    assert packs_class_and_object(found) == factor


def test_a_value_in_a_few_pixels_of_one_mask_is_no_class(tmp_path: Path) -> None:
    masks = [levels(0, 1, 2) for _ in range(12)]
    masks[3][0, :15] = 7
    settled = settle_values(tmp_path, survey(tmp_path, *masks), None)
    assert settled.names == ["background", "class-1", "class-2"]
    assert "count as void (7)" in settled.notes[1]
    (problem,) = settled.problems
    assert (problem.kind, problem.path) == ("unknown-mask-value", "3.png")
    assert "of 12 masks looked at, 1 holds values that stand for no class: 7" in problem.detail


@pytest.mark.parametrize(("pixels", "masks"), [(16, 1), (15, 2)])
def test_a_rare_class_stays_one(tmp_path: Path, pixels: int, masks: int) -> None:
    """Sixteen pixels can be a thing, and two masks of twelve are no slip."""
    planes = [levels(0, 1, 2) for _ in range(12)]
    for plane in planes[:masks]:
        plane[0, :pixels] = 7
    settled = settle_values(tmp_path, survey(tmp_path, *planes), None)
    assert settled.names == ["background", "class-1", "class-2", "class-7"]
    assert settled.problems == []
