"""Random changes: each does what its name says, the same for one process and for several."""

from __future__ import annotations

import pytest
import torch

from striate.data.augmentation import Augmentation
from striate.recipe import AugmentationRecipe

RAMP = torch.arange(64.0).view(1, 1, 8, 8).repeat(6, 1, 1, 1)
ALL = slice(0, 6)


def moved(pixels: torch.Tensor = RAMP, seed: int = 0, step: int = 0, **recipe: object) -> torch.Tensor:
    height, width = pixels.shape[-2:]
    return Augmentation(AugmentationRecipe(**recipe), (height, width), seed).move(
        pixels, step, slice(0, len(pixels)), len(pixels)
    )


def test_nothing_asked_nothing_done() -> None:
    augmentation = Augmentation(AugmentationRecipe(), (8, 8), 0)
    assert augmentation.move(RAMP, 0, ALL, 6) is RAMP
    assert torch.equal(augmentation.colour(RAMP, 0, ALL, 6), RAMP)
    mixed, mixing = augmentation.mix(RAMP, 0)
    assert mixed is RAMP
    assert mixing is None


def test_a_certain_mirror_mirrors_exactly_and_a_flip_flips() -> None:
    assert torch.equal(moved(mirror=1.0), RAMP.flip(-1))
    assert torch.equal(moved(flip=1.0), RAMP.flip(-2))


def test_half_a_chance_mirrors_some_and_leaves_some() -> None:
    out = moved(RAMP[:1].repeat(200, 1, 1, 1), mirror=0.5)
    same = sum(torch.allclose(one, RAMP[0], atol=1e-4) for one in out)
    turned = sum(torch.allclose(one, RAMP[0].flip(-1), atol=1e-4) for one in out)
    assert same + turned == 200
    assert 70 < same < 130


def test_quarter_turns_are_exact_rotations() -> None:
    turns = [torch.rot90(RAMP[0], k, (-2, -1)) for k in range(4)]
    out = moved(RAMP[:1].repeat(64, 1, 1, 1), quarter_turns=True)
    kinds = [next(k for k in range(4) if torch.allclose(one, turns[k], atol=1e-3)) for one in out]
    assert set(kinds) == {0, 1, 2, 3}


def test_a_shift_moves_by_whole_pixels_and_repeats_the_border() -> None:
    out = moved(RAMP[:1].repeat(32, 1, 1, 1), shift=0.25)
    for one in out[:, 0]:
        columns = (one[0] % 8).round()
        assert torch.allclose(one, one.round(), atol=1e-4)
        assert int(columns.min()) >= 0
    assert len({tuple(one.flatten().round().tolist()) for one in out}) > 4


def test_rotation_of_a_wide_picture_does_not_shear() -> None:
    disc = torch.zeros(1, 1, 21, 41)
    y, x = torch.meshgrid(torch.arange(21.0), torch.arange(41.0), indexing="ij")
    disc[0, 0] = ((y - 10) ** 2 + (x - 20) ** 2 < 49).float()
    out = moved(disc.repeat(8, 1, 1, 1), rotate_deg=90.0)
    # A disc in the middle looks the same at every angle; sheared it would not.
    assert (out - disc).abs().mean() < 0.02


def test_crops_come_out_at_the_size_asked_for_and_within_the_picture() -> None:
    augmentation = Augmentation(AugmentationRecipe(crop_area=0.3), (5, 5), 0)
    out = augmentation.move(RAMP, 0, ALL, 6)
    assert out.shape == (6, 1, 5, 5)
    assert float(out.min()) >= 0
    assert float(out.max()) <= 63


@pytest.mark.parametrize("recipe", [{"rotate_deg": 30.0, "zoom": 0.2}, {"crop_area": 0.5, "mirror": 0.5}])
def test_two_processes_see_what_one_would(recipe: dict[str, float]) -> None:
    augmentation = Augmentation(AugmentationRecipe(**recipe), (8, 8), 5)
    pixels = torch.rand(6, 2, 8, 8)
    whole = augmentation.move(pixels, 9, ALL, 6)
    parts = [augmentation.move(pixels[rows], 9, rows, 6) for rows in (slice(0, 4), slice(4, 6))]
    assert torch.equal(torch.cat(parts), whole)


def test_colour_changes_keep_a_grey_picture_grey_and_stay_in_bounds() -> None:
    grey = torch.rand(6, 1, 8, 8).repeat(1, 3, 1, 1)
    recipe = AugmentationRecipe(brightness=0.2, contrast=0.5, saturation=0.5)
    out = Augmentation(recipe, (8, 8), 0).colour(grey, 3, ALL, 6)
    assert torch.allclose(out[:, 0], out[:, 2], atol=1e-6)
    assert not torch.allclose(out, grey)


def test_erasing_blanks_a_rectangle_to_the_mean() -> None:
    out = Augmentation(AugmentationRecipe(erase=1.0), (8, 8), 0).colour(torch.ones(6, 2, 8, 8), 0, ALL, 6)
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(out[:, 0], out[:, 1])


def test_mixup_blends_pixels_by_the_weight_it_reports() -> None:
    pixels = torch.rand(6, 1, 8, 8)
    mixed, mixing = Augmentation(AugmentationRecipe(mixup=1.0), (8, 8), 0).mix(pixels, 2)
    assert mixing is not None
    weight = mixing.weight.view(-1, 1, 1, 1)
    assert torch.allclose(mixed, pixels * weight + pixels[mixing.partner] * (1 - weight), atol=1e-6)


def test_cutmix_weights_are_the_area_that_is_left() -> None:
    pixels = torch.arange(6.0).view(6, 1, 1, 1).repeat(1, 1, 16, 16)
    mixed, mixing = Augmentation(AugmentationRecipe(cutmix=1.0), (16, 16), 0).mix(pixels, 1)
    assert mixing is not None
    for index, one in enumerate(mixed):
        if int(mixing.partner[index]) != index:
            assert float((one == pixels[index]).float().mean()) == pytest.approx(float(mixing.weight[index]))


@pytest.mark.parametrize(
    "recipe",
    [
        {"mirror": 1.0},
        {"shift": 0.25, "mirror": 0.5, "flip": 0.5},
        {"quarter_turns": True, "shift": 0.2},
        {"rotate_deg": 20.0, "zoom": 0.2, "mirror": 0.5},
        {"crop_area": 0.4, "mirror": 0.5},
        {},
    ],
)
def test_truth_moves_with_the_pixels(recipe: dict[str, object]) -> None:
    size = (40, 40)
    pictures = torch.zeros(16, 1, *size)
    pictures[:, :, 12:22, 15:29] = 1.0
    augmentation = Augmentation(AugmentationRecipe(**recipe), size, seed=1)
    rows = slice(0, 16)
    moved = augmentation.move(pictures, 3, rows, 16)
    motion = augmentation.motion(size, 3, rows, 16)
    planes = motion.planes((pictures[:, 0] * 7).to(torch.uint8))
    assert planes.dtype == torch.uint8
    assert set(planes.unique().tolist()) <= {0, 7}
    assert ((planes == 7) != (moved[:, 0] > 0.5)).float().mean() < 0.01
    boxes = motion.boxes(torch.tensor([[[15.0, 12.0, 29.0, 22.0]]]).repeat(16, 1, 1))
    for picture, (left, top, right, bottom) in zip(moved[:, 0], boxes[:, 0].tolist(), strict=True):
        inside = (picture > 0.5).nonzero()
        if not len(inside):
            continue
        (first_row, first_column), (last_row, last_column) = inside.amin(0).tolist(), inside.amax(0).tolist()
        # The box around a moved box holds all of the moved object.
        assert left <= first_column + 0.6
        assert top <= first_row + 0.6
        assert right >= last_column + 0.4
        assert bottom >= last_row + 0.4


def test_boxes_of_a_mirrored_and_shifted_picture_are_exact() -> None:
    size = (20, 30)
    pictures = torch.zeros(8, 1, *size)
    pictures[:, :, 6:11, 8:15] = 1.0
    augmentation = Augmentation(AugmentationRecipe(mirror=0.5, flip=0.5, shift=0.1), size, seed=2)
    moved = augmentation.move(pictures, 0, slice(0, 8), 8)
    boxes = augmentation.motion(size, 0, slice(0, 8), 8).boxes(torch.tensor([[[8.0, 6.0, 15.0, 11.0]]] * 8))
    for picture, box in zip(moved[:, 0], boxes[:, 0].tolist(), strict=True):
        inside = picture.nonzero()
        (top, left), (bottom, right) = inside.amin(0).tolist(), (inside.amax(0) + 1).tolist()
        assert box == pytest.approx([left, top, right, bottom], abs=1e-4)
