"""Pictures inside a page, and what was done to their pixels to show them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from striate.pages.part import Part, attributes
from striate.structures import Picture

WINDOW_PERCENTILES = (0.5, 99.5)
"""Pixels of more than 8 bits are shown from the first of these percentiles (black) to the second (white)."""

MIDDLE_SLICE = "slice +0"
"""Name of the channel that is the slice itself, where its neighbours are channels, too."""

_CRISP_SIDE = 80
"""A picture whose longer side is at most this many pixels is shown as PNG, each pixel as a square."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture ready for a page.

    Attributes:
        uri: `data:` address that holds the picture.
        width_px: Width on the page.
        height_px: Height on the page.
        caption: Below the picture.
        detail: Smaller, below the caption.
        alt: For readers who cannot see it; the caption where empty.
        tone: Border that says good or bad.
        crisp: Whether enlarged pixels stay square.
    """

    uri: str
    width_px: int
    height_px: int
    caption: str = ""
    detail: str = ""
    alt: str = ""
    tone: Literal["", "good", "bad"] = ""
    crisp: bool = False


def display_pixels(
    picture: Picture | npt.NDArray[Any], channel_names: tuple[str, ...] = ()
) -> tuple[npt.NDArray[np.uint8], str]:
    """Pixels as a screen can show them, and in words what was left out or stretched for that.

    Values of 8 bits stay as they are. Others are stretched linearly between two percentiles (`WINDOW_PERCENTILES`) of
    all channels shown together; a slice of a scan as all of the scan's slices are, by the window that its file asks
    for, or else the same percentiles of the whole scan. Of several channels, red, green and blue are shown where they
    are named so, of a slice with its neighbours the slice, else the first three of three or more, else the first.

    Args:
        picture: A picture, or pixels `(C, H, W)`.
        channel_names: Names of the channels of mere pixels, where known.

    Returns:
        `(H, W)` or `(H, W, 3)` uint8, and a phrase that is empty where nothing was done.
    """
    pixels: npt.NDArray[Any] = picture.pixels if isinstance(picture, Picture) else picture
    levels = picture.levels if isinstance(picture, Picture) else None
    channel_names = picture.channel_names if isinstance(picture, Picture) else channel_names
    chosen = _shown_channels(pixels.shape[0], channel_names)
    remarks = []
    if len(chosen) < pixels.shape[0]:
        named = [channel_names[i] if channel_names else f"channel {i + 1}" for i in chosen]
        remarks.append(f"showing {', '.join(named)} of {pixels.shape[0]} channels")
    shown = np.moveaxis(pixels[chosen], 0, -1)
    if shown.dtype != np.uint8:
        low, high = _window(shown) if levels is None else levels.window or (levels.low, levels.high)
        high = high if high > low else low + 1.0
        remarks.append(f"shown from {low:.5g} (black) to {high:.5g} (white)")
        scaled = (np.nan_to_num(shown.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / (high - low)
        shown = (np.clip(scaled, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    return (shown[..., 0] if len(chosen) == 1 else shown), "; ".join(remarks)


def _shown_channels(count: int, names: tuple[str, ...]) -> list[int]:
    if {"red", "green", "blue"} <= set(names):
        return [names.index(name) for name in ("red", "green", "blue")]
    if MIDDLE_SLICE in names:
        return [names.index(MIDDLE_SLICE)]
    return [0, 1, 2] if count >= 3 else [0]


def _window(values: npt.NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(finite, WINDOW_PERCENTILES))
    if high <= low:  # nearly constant: the percentiles coincide
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def thumbnail(
    picture: Picture | npt.NDArray[Any],
    caption: str = "",
    *,
    detail: str = "",
    alt: str = "",
    tone: Literal["", "good", "bad"] = "",
    max_side: int = 144,
    drawn: bool = False,
) -> Thumbnail:
    """A picture as a thumbnail. What was done to show it (see `display_pixels`) is added to the detail.

    Args:
        picture: A picture, or pixels `(C, H, W)`.
        caption: Below the picture.
        detail: Smaller, below the caption.
        alt: For readers who cannot see it; the caption where empty.
        tone: Border that says good or bad.
        max_side: Longest side on the page, in pixels. Larger pictures are reduced; tiny ones are enlarged by a whole
            factor, each pixel becoming a square.
        drawn: Whether thin coloured lines were drawn over it, whose colour must not run.
    """
    shown, remark = display_pixels(picture)
    image = Image.fromarray(shown)
    longest = max(image.size)
    crisp = longest <= min(_CRISP_SIDE, max_side)
    if crisp:
        factor = max(1, max_side // longest)
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    elif longest > max_side:
        width, height = (max(1, round(side * max_side / longest)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Thumbnail(
        uri=_encode(image, lossless=crisp, drawn=drawn),
        width_px=image.width,
        height_px=image.height,
        caption=caption,
        detail="; ".join(text for text in (detail, remark) if text),
        alt=alt,
        tone=tone,
        crisp=crisp,
    )


def plain_picture(pixels: npt.NDArray[np.uint8], alt: str, caption: str = "", *, crisp: bool = False) -> Part:
    """Pixels `(3, H, W)` as they are, at most as wide as the page.

    Args:
        pixels: Red, green and blue.
        alt: For readers who cannot see it.
        caption: Below it.
        crisp: Kept lossless, and enlarged pixels stay square.
    """
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    tag = Markup('<img{} alt="{}">').format(
        attributes(
            src=_encode(image, lossless=crisp, drawn=True),
            width=image.width,
            height=image.height,
            class_="crisp" if crisp else "",
            loading="lazy",
        ),
        alt,
    )
    below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    return Part(Markup('<figure class="plain">{}{}</figure>').format(tag, below))


def picture_uri(picture: Picture | npt.NDArray[Any], max_side: int = 144) -> str:
    """A picture as a `data:` address, for places where a gallery does not fit."""
    return thumbnail(picture, max_side=max_side).uri


def _encode(image: Image.Image, *, lossless: bool, drawn: bool) -> str:
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, "PNG", optimize=True)
    else:
        # Colour at half the resolution, which is JPEG's habit, smears coloured lines.
        image.save(buffer, "JPEG", quality=84, optimize=True, subsampling="4:4:4" if drawn else "4:2:0")
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def gallery(items: Iterable[Thumbnail]) -> Part:
    """Thumbnails in rows, with their captions."""
    return Part(Markup('<ul class="gallery">{}</ul>').format(Markup("\n").join(_figure(item) for item in items)))


def _figure(item: Thumbnail) -> Markup:
    image = Markup('<img{} alt="{}">').format(
        attributes(
            src=item.uri,
            width=item.width_px,
            height=item.height_px,
            class_="crisp" if item.crisp else "",
            loading="lazy",
        ),
        item.alt or item.caption or "picture",
    )
    detail = Markup('<span class="detail">{}</span>').format(item.detail) if item.detail else ""
    caption = Markup("<figcaption>{}{}</figcaption>").format(item.caption, detail) if item.caption or detail else ""
    style = f"width:{max(item.width_px, 112 if item.caption or item.detail else 0)}px"
    return Markup("<li><figure{}>{}{}</figure></li>").format(attributes(class_=item.tone, style=style), image, caption)
