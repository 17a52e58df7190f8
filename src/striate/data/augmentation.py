"""Random changes of training pictures, a whole batch at once.

All geometry (mirror, turns, rotation, shift, zoom, crop) is one affine map and one resampling, so a picture is
blurred at most once, and not at all where it is only mirrored and shifted. Numbers are drawn for the whole batch and
then cut to this process's share, so that two processes see what one would have seen.

Sources: random resized crop, Szegedy et al. 2015, section 6; mixup, Zhang et al. 2018; CutMix, Yun et al. 2019;
random erasing, Zhong et al. 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from striate.data.batches import seeded_generator
from striate.recipe import AugmentationRecipe


@dataclass(frozen=True, slots=True)
class Mixing:
    """How the pictures of a batch were mixed: target = weight * own + (1 - weight) * that of `partner`.

    Attributes:
        partner: `(n,)` positions within this process's share.
        weight: `(n,)` share of the own picture.
    """

    partner: Tensor
    weight: Tensor


class Motion:
    """What was done to the geometry of a batch, for truth that has places.

    Args:
        theta: `(n, 2, 3)` maps from output to input coordinates, both -1..1; `None` where nothing moved.
        source_hw: Height and width of the pictures that went in.
        size_hw: Height and width of those that came out.
    """

    def __init__(self, theta: Tensor | None, source_hw: tuple[int, int], size_hw: tuple[int, int]) -> None:
        self.theta = theta
        self.source_hw = source_hw
        self.size_hw = size_hw

    def planes(self, planes: Tensor) -> Tensor:
        """Planes of classes or object numbers `(n, H, W)`, moved as the pixels were; values are never mixed."""
        if self.theta is None:
            return planes
        theta = self.theta.to(planes.device)
        grid = functional.affine_grid(theta, [len(theta), 1, *self.size_hw], align_corners=False)
        # float32 holds whole numbers up to 2**24, more than any picture has objects.
        moved = functional.grid_sample(
            planes[:, None].to(torch.float32), grid, mode="nearest", padding_mode="border", align_corners=False
        )
        return moved[:, 0].round().to(planes.dtype)

    def boxes(self, boxes_xyxy: Tensor) -> Tensor:
        """The smallest boxes around the moved ones, not clipped: `(n, M, 4)`, in pixels."""
        if self.theta is None:
            return boxes_xyxy
        theta = self.theta.to(boxes_xyxy)
        source = boxes_xyxy.new_tensor([self.source_hw[1], self.source_hw[0]])
        out = boxes_xyxy.new_tensor([self.size_hw[1], self.size_hw[0]])
        left, top, right, bottom = boxes_xyxy.unbind(-1)
        corners = torch.stack([left, top, right, top, left, bottom, right, bottom], -1)
        corners = corners.view(*boxes_xyxy.shape[:-1], 4, 2) / source * 2 - 1
        # The map goes from output to input; boxes go the other way.
        inverse = torch.linalg.inv(theta[:, :, :2])
        moved = torch.einsum("nij,nmkj->nmki", inverse, corners - theta[:, None, None, :, 2])
        moved = (moved + 1) / 2 * out
        return torch.cat([moved.amin(-2), moved.amax(-2)], -1)


class Augmentation:
    """Draws and applies the random changes of a recipe.

    Args:
        recipe: A filled recipe section; `None` fields count as off.
        size_hw: Height and width that come out; what goes in may be larger.
        seed: With the step, fixes what is drawn.
    """

    def __init__(self, recipe: AugmentationRecipe, size_hw: tuple[int, int], seed: int) -> None:
        self.recipe = recipe
        self.size_hw = size_hw
        self.seed = seed
        shaping = (recipe.mirror, recipe.flip, recipe.quarter_turns, recipe.rotate_deg, recipe.shift, recipe.zoom)
        self._moves = any(shaping) or (recipe.crop_area or 1.0) < 1.0
        resampling = (recipe.quarter_turns, recipe.rotate_deg, recipe.zoom)
        self._resamples = any(resampling) or (recipe.crop_area or 1.0) < 1.0
        self._colours = any((recipe.brightness, recipe.contrast, recipe.saturation, recipe.erase))

    def move(self, pixels: Tensor, step: int, rows: slice, whole: int) -> Tensor:
        """Applies the geometry to normalised pixels.

        Args:
            pixels: `(n, C, H, W)` float.
            step: Steps done before this one.
            rows: Where these pictures lie in the whole batch.
            whole: Pictures in the whole batch.

        Returns:
            `(n, C, *size_hw)`.
        """
        source_hw = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        if not self._moves and source_hw == self.size_hw:
            return pixels
        draw = _Draw(self.seed, "move", step, whole)
        if not self._resamples and source_hw == self.size_hw:
            return self._shift_whole_pixels(pixels, draw, rows)
        theta = self._matrices(draw, source_hw)[rows].to(pixels.device)
        grid = functional.affine_grid(theta, [len(theta), 1, *self.size_hw], align_corners=False)
        return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def motion(self, source_hw: tuple[int, int], step: int, rows: slice, whole: int) -> Motion:
        """What `move` does to the geometry of the same batch; the arguments are those of `move`."""
        if not self._moves and source_hw == self.size_hw:
            return Motion(None, source_hw, self.size_hw)
        theta = self._matrices(_Draw(self.seed, "move", step, whole), source_hw)[rows]
        return Motion(theta, source_hw, self.size_hw)

    def colour(self, pixels: Tensor, step: int, rows: slice, whole: int) -> Tensor:
        """Changes brightness, contrast and saturation, and blanks rectangles; normalised pixels in and out."""
        recipe = self.recipe
        if not self._colours:
            return pixels
        draw = _Draw(self.seed, "colour", step, whole)
        shape = (-1, 1, 1, 1)
        contrast = draw.spread(recipe.contrast or 0.0)[rows].to(pixels.device).view(shape)
        brightness = draw.spread(recipe.brightness or 0.0)[rows].to(pixels.device).view(shape)
        saturation = draw.spread(recipe.saturation or 0.0)[rows].to(pixels.device).view(shape)
        if recipe.saturation and pixels.shape[1] == 3:
            grey = pixels.mean(dim=1, keepdim=True)
            pixels = grey + (pixels - grey) * (1 + saturation)
        if recipe.contrast:
            middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
            pixels = middle + (pixels - middle) * (1 + contrast)
        if recipe.brightness:
            # Normalised pixels have a standard deviation near one: a full swing moves by about two of them.
            pixels = pixels + 2 * brightness
        if recipe.erase:
            pixels = self._erase(pixels, draw, rows)
        return pixels

    def mix(self, pixels: Tensor, step: int) -> tuple[Tensor, Mixing | None]:
        """Blends pictures (mixup) or pastes a rectangle of another one (CutMix), one of the two a batch.

        Partners come from the same process's share, so that no pixels travel between processes.
        """
        mixup, cutmix = self.recipe.mixup or 0.0, self.recipe.cutmix or 0.0
        if (not mixup and not cutmix) or len(pixels) < 2:
            return pixels, None
        generator = seeded_generator(self.seed, "mix", step)
        partner = torch.randperm(len(pixels), generator=generator).to(pixels.device)
        both = mixup > 0 and cutmix > 0
        cut = bool(torch.rand((), generator=generator) < 0.5) if both else cutmix > 0
        share = _beta(cutmix if cut else mixup, generator)
        if not cut:
            mixed = pixels.lerp(pixels[partner], 1 - share)
        else:
            mixed = pixels.clone()
            top, bottom, left, right = _rectangle(1 - share, (pixels.shape[-2], pixels.shape[-1]), generator)
            mixed[:, :, top:bottom, left:right] = pixels[partner, :, top:bottom, left:right]
            share = 1 - (bottom - top) * (right - left) / (pixels.shape[-2] * pixels.shape[-1])
        return mixed, Mixing(partner, torch.full((len(pixels),), share, device=pixels.device))

    def _shift_whole_pixels(self, pixels: Tensor, draw: _Draw, rows: slice) -> Tensor:
        """Mirror, flip and shift alone: every pixel keeps its value, so they are moved instead of resampled.

        Beyond the border the edge goes on, as it does in `move` otherwise.
        """
        shift_y, shift_x, mirror, flip = self._draw_shift(draw)
        places = []
        for side, shift, turned in zip(self.size_hw, (shift_y, shift_x), (flip, mirror), strict=True):
            forwards = torch.arange(side)
            place = torch.where(turned[rows, None], side - 1 - forwards, forwards)
            # A shift is drawn in the coordinates of `_matrices`, in which the side is 2.
            moved = place + (shift[rows, None] * (side / 2)).round().long()
            places.append(moved.clamp_(0, side - 1).to(pixels.device))
        # One place for each pixel, the same in all channels: three times as fast as an index for every axis.
        flat = (places[0][:, :, None] * self.size_hw[1] + places[1][:, None, :]).flatten(1)[:, None]
        return pixels.flatten(2).gather(2, flat.expand(-1, pixels.shape[1], -1)).view(pixels.shape)

    def _draw_shift(self, draw: _Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Shifts, mirrors and flips, drawn in the order in which `_matrices` draws them."""
        _, _, shift_y, shift_x = self._window(draw)
        draw.spread(0.0)
        return shift_y, shift_x, draw.chance(self.recipe.mirror or 0.0), draw.chance(self.recipe.flip or 0.0)

    def _matrices(self, draw: _Draw, source_hw: tuple[int, int]) -> Tensor:
        """`(whole, 2, 3)` maps from output to input coordinates, both -1..1, as `affine_grid` takes them."""
        recipe = self.recipe
        zoom_y, zoom_x, shift_y, shift_x = self._window(draw)
        angle = draw.spread(recipe.rotate_deg or 0.0) * (math.pi / 180)
        turns = draw.integers(4) if recipe.quarter_turns else torch.zeros(draw.count)
        angle = angle + turns * (math.pi / 2)
        mirror = torch.where(draw.chance(recipe.mirror or 0.0), -1.0, 1.0)
        flip = torch.where(draw.chance(recipe.flip or 0.0), -1.0, 1.0)
        cosine, sine = angle.cos(), angle.sin()
        # Rotation happens in pixels, not in -1..1: a non-square picture must not be sheared.
        aspect = source_hw[0] / source_hw[1]
        theta = torch.zeros(draw.count, 2, 3)
        theta[:, 0, 0] = cosine * zoom_x * mirror
        theta[:, 0, 1] = -sine * zoom_y * aspect * flip
        theta[:, 1, 0] = sine * zoom_x / aspect * mirror
        theta[:, 1, 1] = cosine * zoom_y * flip
        if not (recipe.rotate_deg or recipe.zoom or (recipe.crop_area or 1.0) < 1.0):
            # Whole pixels where nothing needs resampling: a shift must not blur.
            shift_x = (shift_x * source_hw[1] / 2).round() * (2 / source_hw[1])
            shift_y = (shift_y * source_hw[0] / 2).round() * (2 / source_hw[0])
        theta[:, 0, 2] = shift_x
        theta[:, 1, 2] = shift_y
        return theta

    def _window(self, draw: _Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Half-sizes and centre of the window that is looked at, in -1..1."""
        recipe = self.recipe
        if (recipe.crop_area or 1.0) < 1.0:
            area = draw.between(float(recipe.crop_area or 1.0), 1.0)
            ratio = draw.between(math.log(3 / 4), math.log(4 / 3)).exp().sqrt()
            zoom_y = (area.sqrt() / ratio).clamp(max=1.0)
            zoom_x = (area.sqrt() * ratio).clamp(max=1.0)
            return zoom_y, zoom_x, draw.spread(1.0) * (1 - zoom_y), draw.spread(1.0) * (1 - zoom_x)
        zoom = 1 + draw.spread(recipe.zoom or 0.0)
        # `shift` is a share of the side; the side is 2 in these coordinates.
        return zoom, zoom, draw.spread(2 * (recipe.shift or 0.0)), draw.spread(2 * (recipe.shift or 0.0))

    def _erase(self, pixels: Tensor, draw: _Draw, rows: slice) -> Tensor:
        height, width = int(pixels.shape[-2]), int(pixels.shape[-1])
        chosen = draw.chance(self.recipe.erase or 0.0)[rows]
        area = draw.between(0.02, 0.25)[rows]
        ratio = draw.between(math.log(0.4), math.log(2.5)).exp().sqrt()[rows]
        centre_y, centre_x = draw.between(0.0, 1.0)[rows], draw.between(0.0, 1.0)[rows]
        half_y = (area.sqrt() * ratio / 2).view(-1, 1)
        half_x = (area.sqrt() / ratio / 2).view(-1, 1)
        grid_y = (torch.arange(height) + 0.5) / height
        grid_x = (torch.arange(width) + 0.5) / width
        inside_y = (grid_y - centre_y.view(-1, 1)).abs() < half_y
        inside_x = (grid_x - centre_x.view(-1, 1)).abs() < half_x
        blank = inside_y[:, None, :, None] & inside_x[:, None, None, :] & chosen.view(-1, 1, 1, 1)
        # Zero is the mean of normalised pixels.
        return pixels.masked_fill(blank.to(pixels.device), 0.0)


class _Draw:
    """Random numbers for the pictures of one whole batch; what one change draws never depends on the others."""

    def __init__(self, seed: int, purpose: str, step: int, count: int) -> None:
        self.count = count
        self._generator = seeded_generator(seed, purpose, step)

    def between(self, low: float, high: float) -> Tensor:
        return torch.rand(self.count, generator=self._generator) * (high - low) + low

    def spread(self, size: float) -> Tensor:
        return self.between(-size, size)

    def chance(self, share: float) -> Tensor:
        return torch.rand(self.count, generator=self._generator) < share

    def integers(self, below: int) -> Tensor:
        return torch.randint(below, (self.count,), generator=self._generator).float()


def _beta(alpha: float, generator: torch.Generator) -> float:
    # Beta(a, a) from two gammas; torch's samplers take no generator, its `_standard_gamma` does.
    pair = torch._standard_gamma(torch.full((2,), alpha), generator=generator)
    return float(pair[0] / pair.sum().clamp_min(1e-12))


def _rectangle(area: float, size_hw: tuple[int, int], generator: torch.Generator) -> tuple[int, int, int, int]:
    height, width = size_hw
    side = math.sqrt(max(0.0, area))
    centre = torch.rand(2, generator=generator)
    top = int(max(0.0, float(centre[0]) * height - side * height / 2))
    left = int(max(0.0, float(centre[1]) * width - side * width / 2))
    bottom = int(min(float(height), float(centre[0]) * height + side * height / 2))
    right = int(min(float(width), float(centre[1]) * width + side * width / 2))
    return top, bottom, left, right
