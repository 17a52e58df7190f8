"""A picture with the answer written below it, for people who look through many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from striate.pages.overlays import draw_annotation
from striate.pages.pictures import display_pixels
from striate.runs.files import atomic_write
from striate.structures import SHOWN_FROM, ClassScores, DetectedObjects, Picture, Prediction, SegmentedPicture

SMALLEST_SIDE = 224
"""Smaller pictures are enlarged by a whole factor, so that the strip below can be read."""

_MARK = ("Software", "striate predict")
"""Text chunk of every picture that answers, by which a later search for pictures knows it."""

_INK, _PAPER, _BAR = (20, 20, 20), (255, 255, 255), (158, 202, 225)


def draw_answer(picture: Picture, answer: Prediction, top: int | None, shown_from: float = SHOWN_FROM) -> Image.Image:
    """The picture with its answer: boxes and masks over it, or class scores below it.

    Args:
        picture: Any channels and depth.
        answer: What a network said about it.
        top: Classes to name, where the answer is about the whole picture; all where `None`.
        shown_from: Score from which an object is drawn.
    """
    if isinstance(answer, ClassScores):
        return draw_labels(picture, answer.ranked(top))
    return Image.fromarray(np.moveaxis(draw_places(picture, answer, shown_from=shown_from), 0, -1))


def draw_places(
    picture: Picture,
    answer: SegmentedPicture | DetectedObjects,
    max_side: int | None = None,
    shown_from: float = SHOWN_FROM,
) -> npt.NDArray[np.uint8]:
    """The picture with boxes or a mask over it, `(3, H, W)`; of objects those that score `shown_from` at least."""
    if isinstance(answer, SegmentedPicture):
        return draw_annotation(picture, answer.as_annotation(), answer.classes, max_side=max_side)
    shown = answer.counted(shown_from)
    return draw_annotation(
        picture, shown.as_annotation(), answer.names, scores=shown.scores.tolist(), names=True, max_side=max_side
    )


def draw_labels(picture: Picture, ranked: Sequence[tuple[str, float]]) -> Image.Image:
    """The picture, and below it one line for each class with its score as a bar.

    Args:
        picture: Any channels and depth; shown as `display_pixels` says.
        ranked: Classes and scores in 0..1, the best first.

    Returns:
        An 8-bit RGB image, at least `SMALLEST_SIDE` wide.
    """
    shown, _ = display_pixels(picture)
    image = Image.fromarray(shown).convert("RGB")
    factor = -(-SMALLEST_SIDE // max(image.size))
    if factor > 1:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    width = max(image.width, SMALLEST_SIDE)
    size = max(14, width // 28)
    line = round(size * 1.5)
    sheet = Image.new("RGB", (width, image.height + line * len(ranked)), _PAPER)
    sheet.paste(image, ((width - image.width) // 2, 0))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size)
    for row, (name, score) in enumerate(ranked):
        top = image.height + row * line
        draw.rectangle((0, top, round((width - 1) * score), top + line - 2), fill=_BAR)
        figure = f"{100 * score:.1f} %"
        room = width - draw.textlength(figure, font) - size
        draw.text((size // 3, top + 1), _shortened(name, room, draw, font), _INK, font)
        draw.text((width - size // 3, top + 1), figure, _INK, font, anchor="ra")
    return sheet


def write_marked(image: Image.Image, path: Path) -> None:
    """Writes a picture that answers as PNG, with a mark by which `is_overlay` knows it.

    Raises:
        StorageError: It cannot be written.
    """
    mark = PngInfo()
    mark.add_text(*_MARK)
    atomic_write(path, lambda file: image.save(file, "PNG", pnginfo=mark))


def is_overlay(path: Path) -> bool:
    """Whether a file was written by `write_marked`, told by its first bytes."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with path.open("rb") as file:
            # Text chunks stand between the header and the pixels.
            return b"tEXt" + "\0".join(_MARK).encode() in file.read(256)
    except OSError:
        # What cannot be opened is told of where it is read.
        return False


def _shortened(
    text: str, room: float, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "...", font) > room:
        text = text[:-1]
    return text + "..."
