"""Boxes and masks drawn over the pictures that they are for, in one stable colour for each class.

A picture is brought to the size at which it will be seen before anything is drawn, so that lines stay as thick as they
were meant.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from striate.pages.part import Part
from striate.pages.pictures import display_pixels
from striate.structures import VOID, Annotation, Boxes, Instances, Mask, Picture

CLASS_COLORS = (
    *("#e69f00", "#56b4e9", "#d55e00", "#009e73", "#f0e442", "#0072b2", "#cc79a7"),
    *("#8de01f", "#7b3fb5", "#a6561b", "#1fe0d0", "#ff8f9e"),
)
"""Colours of the first classes. The first seven are those of Okabe and Ito ("Color universal design", 2008), which
people with any common colour blindness tell apart; the others differ from them and each other in lightness too."""

BACKGROUND_COLOR = "#7a8490"
"""Colour of what is background, in a legend; over a picture it is not drawn."""

BACKGROUND_NAMES = ("background", "bg", "_background_", "unlabeled", "unlabelled")
"""Names of classes that mean: nothing of interest."""

VOID_NAME = "nobody knows"
"""What a legend calls pixels and objects that count neither way."""

FILL = 0.42
"""How much of its class's colour a mask has inside its outline."""

_VOID_FILL = 0.55
_GRAY = 150
_DASH = 6
_CRISP_FACTOR = 3
_MASK_AT_LEAST = 0.4
_NAMED_AT_MOST = 60
"""Objects above which names would hide the picture."""

Pixels = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


def class_color(index: int) -> str:
    """Colour of a class, `#rrggbb`, by its position among the class names."""
    if index < len(CLASS_COLORS):
        return CLASS_COLORS[index]
    # Hues by the golden section never come close to their neighbours, however many there are.
    later = index - len(CLASS_COLORS)
    hue, lightness = (0.11 + later * 0.6180339887) % 1.0, (0.62, 0.42, 0.75)[later % 3]
    return "#" + "".join(f"{round(255 * value):02x}" for value in colorsys.hls_to_rgb(hue, lightness, 0.75))


def background_index(classes: Sequence[str]) -> int | None:
    """Position of the class that means background, by its name; `None` where there is none."""
    return next((index for index, name in enumerate(classes) if name.strip().lower() in BACKGROUND_NAMES), None)


def draw_annotation(
    picture: Picture | npt.NDArray[Any],
    annotation: Annotation | None,
    classes: Sequence[str],
    *,
    scores: Sequence[float] | None = None,
    names: bool = False,
    boxes: bool = True,
    max_side: int | None = None,
    size_hw: tuple[int, int] | None = None,
    fill: float = FILL,
) -> Pixels:
    """Draws boxes and masks over a picture.

    Boxes are lines with a dark edge, masks let the picture through inside an outline; objects that count neither way
    have dashed boxes, void pixels are hatched in gray, and background is not drawn. Values that a screen cannot show
    are stretched and channels chosen as `display_pixels` does it.

    Args:
        picture: A picture, or pixels `(C, H, W)`.
        annotation: What to draw; labels and `None` leave the picture as it is.
        classes: Class names.
        scores: A score for each object, written beside its box.
        names: Whether the class is written beside each box.
        boxes: Whether instances have boxes around their masks.
        max_side: Longest side of the result, in pixels, to which the picture is scaled; a tiny one by a whole factor,
            so that its pixels stay squares, and perhaps not quite as far. It keeps its size where `None`.
        size_hw: Height and width that coordinates refer to, where the picture was read smaller than it is.
        fill: How much of its colour a mask has inside its outline, from 0 (the outline alone) to 1 (opaque).

    Returns:
        `(3, H, W)`.
    """
    pixels = picture.pixels if isinstance(picture, Picture) else picture
    shown, _ = display_pixels(picture)
    canvas = _scaled(Image.fromarray(shown).convert("RGB"), max_side)
    if isinstance(annotation, Mask):
        canvas = _draw_mask(canvas, annotation, background_index(classes), fill)
    elif isinstance(annotation, Boxes | Instances):
        size_hw = annotation.size_hw if isinstance(annotation, Instances) else size_hw or pixels.shape[1:3]
        if isinstance(annotation, Instances):
            canvas = _draw_instances(canvas, annotation, fill)
        if boxes or isinstance(annotation, Boxes):
            _draw_boxes(canvas, annotation, size_hw, _texts(annotation, classes, scores, names=names))
    return np.ascontiguousarray(np.moveaxis(np.asarray(canvas, np.uint8), -1, 0))


def legend(classes: Sequence[str], shown: Sequence[int] | None = None, *, void: bool = False) -> Part:
    """The colours of classes, for a page.

    Args:
        classes: Class names.
        shown: Positions of those to list; all where `None`.
        void: Whether to say how void pixels are drawn.
    """
    background = background_index(classes)
    items = [
        Markup('<li><span class="swatch" style="background:{}"></span>{}{}</li>').format(
            BACKGROUND_COLOR if index == background else class_color(index),
            classes[index],
            " (not drawn)" if index == background else "",
        )
        for index in (range(len(classes)) if shown is None else shown)
    ]
    if void:
        items.append(Markup('<li><span class="swatch hatched"></span>{}</li>').format(VOID_NAME))
    return Part(Markup('<ul class="legend">{}</ul>').format(Markup("").join(items)))


def _scaled(image: Image.Image, max_side: int | None) -> Image.Image:
    longest = max(image.size)
    if max_side is None or longest == max_side:
        return image
    factor = max_side // longest
    if factor >= _CRISP_FACTOR:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    width, height = (max(1, round(side * max_side / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _draw_mask(canvas: Image.Image, mask: Mask, background: int | None, fill: float) -> Image.Image:
    small = np.asarray(Image.fromarray(mask.classes).resize(canvas.size, Image.Resampling.NEAREST))
    pixels = np.asarray(canvas, np.float32).copy()
    for index in np.unique(small).tolist():
        inside = small == index
        if index == VOID:
            _hatch(pixels, inside)
        elif index != background:
            _fill(pixels, inside, _rgb(class_color(index)), fill)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _draw_instances(canvas: Image.Image, objects: Instances, fill: float) -> Image.Image:
    pixels = np.asarray(canvas, np.float32).copy()
    # The largest first, so that what lies over it is seen. One at a time: dense masks of all would fill the memory.
    for index in np.argsort(-objects.areas(), kind="stable").tolist():
        plane = Image.fromarray(objects[index : index + 1].dense()[0].astype(np.uint8) * 255)
        inside = np.asarray(plane.resize(canvas.size, Image.Resampling.BILINEAR)) >= 255 * _MASK_AT_LEAST
        if objects.iscrowd[index] or objects.ignore[index]:
            _hatch(pixels, inside)
        else:
            _fill(pixels, inside, _rgb(class_color(int(objects.classes[index]))), fill)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _fill(pixels: npt.NDArray[np.float32], inside: Flags, color: tuple[int, int, int], fill: float) -> None:
    tone = np.array(color, np.float32)
    pixels[inside] += fill * (tone - pixels[inside])
    pixels[_edge(inside)] = tone


def _hatch(pixels: npt.NDArray[np.float32], inside: Flags) -> None:
    y, x = np.nonzero(inside)
    tone = np.where((x + y) % 8 < 3, _GRAY + 70.0, _GRAY - 50.0).astype(np.float32)[:, None]
    pixels[y, x] += _VOID_FILL * (tone - pixels[y, x])


def _edge(inside: Flags) -> Flags:
    """Pixels inside that have a neighbour outside; the edge of the picture is no edge of the object."""
    padded = np.pad(inside, 1, mode="edge")
    within = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~within


def _texts(
    objects: Boxes | Instances, classes: Sequence[str], scores: Sequence[float] | None, *, names: bool
) -> list[str]:
    if len(objects) > _NAMED_AT_MOST or (scores is None and not names):
        return [""] * len(objects)
    written = [classes[index] if names else "" for index in objects.classes.tolist()]
    if scores is None:
        return written
    return [f"{name} {score:.2f}".strip() for name, score in zip(written, scores, strict=True)]


def _draw_boxes(
    canvas: Image.Image, objects: Boxes | Instances, size_hw: tuple[int, ...], texts: Sequence[str]
) -> None:
    scale = np.array([canvas.width / size_hw[1], canvas.height / size_hw[0]] * 2)
    boxes = objects.boxes_xyxy.astype(np.float64) * scale
    draw = ImageDraw.Draw(canvas)
    longest = max(canvas.size)
    thick = 1 if longest < 150 else max(2, round(longest / 300))
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    for index in np.argsort(-sides.prod(1), kind="stable").tolist():
        if not np.isfinite(boxes[index]).all():
            continue
        color = class_color(int(objects.classes[index]))
        left, top, right, bottom = _corners(boxes[index], canvas.size)
        unknown = bool(objects.iscrowd[index] or objects.ignore[index])
        # Half-open boxes: the last pixel inside is one before the right and lower edge.
        for edge, width in ((0, thick + 2), (1, thick)):
            frame = (left - 1 + edge, top - 1 + edge, right - edge, bottom - edge)
            _frame(draw, frame, color if edge else "#101010", width, dashed=unknown and edge == 1)
        if texts[index]:
            _write(draw, texts[index], color, (left, top, right, bottom), canvas.size)


def _corners(box: npt.NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels of a box, at least one, no further out than just beyond the picture."""
    far = max(size) + 10
    left, top, right, bottom = (round(float(np.clip(value, -10, far))) for value in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _frame(
    draw: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], color: str, width: int, *, dashed: bool
) -> None:
    """A frame that grows inwards from its corners, dashed or not."""
    left, top, right, bottom = corners
    width = max(1, min(width, (right - left + 1) // 2, (bottom - top + 1) // 2))
    if not dashed:
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=color, width=width)
        return
    for x in range(left, right + 1, 2 * _DASH):
        end = min(x + _DASH - 1, right)
        draw.rectangle((x, top, end, top + width - 1), fill=color)
        draw.rectangle((x, bottom - width + 1, end, bottom), fill=color)
    for y in range(top, bottom + 1, 2 * _DASH):
        end = min(y + _DASH - 1, bottom)
        draw.rectangle((left, y, left + width - 1, end), fill=color)
        draw.rectangle((right - width + 1, y, right, end), fill=color)


def _write(
    draw: ImageDraw.ImageDraw, text: str, color: str, box: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    """Text on a plate of the class's colour, above the box, or inside where there is no room."""
    font = ImageFont.load_default(max(10, min(18, max(size) // 40)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = int(right - left) + 5, int(bottom - top) + 5
    x = max(0, min(box[0], size[0] - width))
    y = box[1] - height if box[1] >= height else min(box[1] + 1, size[1] - height)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=color)
    red, green, blue = _rgb(color)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue > 120
    draw.text((x + 2 - left, y + 2 - top), text, fill="#000000" if dark else "#ffffff", font=font)
