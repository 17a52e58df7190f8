"""Which channels of the pictures a network sees: a rule, in words, and what it makes of pixels.

A rule is one of

- `all`: every channel there is, alpha too;
- `gray`: the luma of red, green and blue; the one channel of pictures that have one;
- `hsv`, `lab`: red, green and blue in another colour space;
- a list of names, first letters of colours and alpha (`r,g`), numbers (`3`) and ranges of numbers (`0-3`), in the order
  in which the network is to see them. Channels are numbered from 0.

Alpha is kept where the rule names it, by name, by number or by `all`: then colours are as they are stored. Under every
other rule, and without one, pictures with alpha are laid on white first and alpha is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.errors import PictureError, RequestError
from striate.images.channels import luma, to_channels
from striate.images.kinds import natural_channel_names

COLOURS = ("red", "green", "blue")
CONVERTED = {"hsv": ("hue", "saturation", "value"), "lab": ("lightness", "green to red", "blue to yellow")}
"""Colour spaces, and the names of their channels."""

FIELD = "data.channels"
"""The recipe field that holds the rule."""

_WHOLE = ("all", "gray", "grey", *CONVERTED)
_LETTERS = {name[0]: name for name in (*COLOURS, "alpha")}
_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_MOST_NAMED = 12
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """A rule that was understood for pictures with certain channels.

    Attributes:
        rule: The rule; a number is a plain count of channels, as older recipes have it.
        source: Channels that the pictures have; other pictures are brought to these first.
        names: Channels that the network sees.
        picked: Positions of the channels taken from `source`; `None` where the count alone decides.
        space: "gray", "hsv" or "lab" where the channels taken are turned into something else.
    """

    rule: str | int
    source: tuple[str, ...]
    names: tuple[str, ...]
    picked: tuple[int, ...] | None = None
    space: str = ""

    @property
    def count(self) -> int:
        """Number of channels that the network sees."""
        return len(self.names)

    @property
    def converts(self) -> bool:
        """Whether values become floats of another meaning: hue, saturation, lightness."""
        return self.space in CONVERTED

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Type of the values that come out, for pictures of one type; never a narrower one."""
        return np.dtype(np.float32) if self.converts else stored

    def select(self, pixels: npt.NDArray[Any], names: Sequence[str]) -> npt.NDArray[Any]:
        """The channels that the rule takes, `(C, H, W)`, their type unchanged.

        Args:
            pixels: `(C, H, W)` of any type.
            names: Names of its channels, which may be others than those of `source`.

        Raises:
            PictureError: The picture's channels cannot become those of `source`.
        """
        if self.picked is None:
            return to_channels(pixels, self.count, names)
        wanted = self.source if self._keeps_alpha else _without_alpha(self.source)
        names = tuple(names)
        if names != wanted and set(wanted) <= set(names) and (self._keeps_alpha or names[-1] != "alpha"):
            pixels = pixels[[names.index(name) for name in wanted]]
        elif names != wanted:
            pixels = to_channels(pixels, len(wanted), names, target_names=wanted)
        if self.picked != tuple(range(len(wanted))):
            pixels = pixels[list(self.picked)]
        return luma(pixels) if self.space == "gray" else pixels

    def convert(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the network sees of the channels taken: another colour space where the rule names one.

        Done after resizing: the middle of two hues is no mean of their numbers. By scikit-image, as float32, all in
        0..1: hue as a share of the circle; lightness / 100, and a* and b* as (value + 128) / 255, for sRGB under D65.
        Integers are taken as shares of their type's largest value.

        Args:
            pixels: `(3, H, W)`, what `select` gave.

        Raises:
            PictureError: Floats outside 0..1, which are no colours.
        """
        if not self.converts:
            return pixels
        from skimage import color

        shares = np.nan_to_num(_as_shares(pixels), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(shares.min()), float(shares.max())
        if low < -_SLACK or high > 1 + _SLACK:
            raise PictureError(
                f"its values reach from {low:.4g} to {high:.4g}, where {self.space} takes colours from 0 to 1.",
                fix=f"Scale the pictures to 0..1, or choose channels instead of {self.space}.",
                kind="channels",
            )
        shares = np.clip(shares, 0.0, 1.0)
        if self.space == "hsv":
            return np.asarray(color.rgb2hsv(shares, channel_axis=0), np.float32)
        lab = color.rgb2lab(shares, channel_axis=0)
        return np.stack([lab[0] / 100, (lab[1] + 128) / 255, (lab[2] + 128) / 255]).astype(np.float32)

    def apply(self, pixels: npt.NDArray[Any], names: Sequence[str]) -> npt.NDArray[Any]:
        """Both steps, for pixels that are not resized between them."""
        return self.convert(self.select(pixels, names))

    @property
    def _keeps_alpha(self) -> bool:
        if self.source[-1] != "alpha" or self.picked is None:
            return False
        return len(self.source) - 1 in self.picked


def choose_channels(rule: str | int | None, names: Sequence[str]) -> ChannelChoice:
    """Understands a rule for pictures that have certain channels.

    Args:
        rule: See this module; a number is a plain count, by the rules of `to_channels`; `None` takes all but alpha.
        names: Names of the channels that the pictures have.

    Raises:
        RequestError: The rule names what is not there, or cannot be understood; says which channels there are.
    """
    names = tuple(names)
    if rule is None:
        rule = len(_without_alpha(names))
    if isinstance(rule, int):
        return ChannelChoice(rule, names, _counted(rule, names))
    word = rule.strip().casefold()
    if word in _WHOLE and word not in map(str.casefold, names):
        return _whole(word, names)
    picked: list[int] = []
    for item in (part.strip() for part in rule.split(",")):
        for position in _positions(rule, item, names):
            if position in picked:
                raise _refusal(rule, f"takes {names[position]} twice", names)
            picked.append(position)
    return ChannelChoice(rule, names, tuple(names[position] for position in picked), tuple(picked))


def _whole(word: str, names: tuple[str, ...]) -> ChannelChoice:
    if word == "all":
        return ChannelChoice(word, names, names, tuple(range(len(names))))
    word = "gray" if word == "grey" else word
    if word == "gray" and len(_without_alpha(names)) == 1:
        return ChannelChoice(word, names, names[:1], (0,))
    if not set(COLOURS) <= set(names):
        raise _refusal(word, "needs red, green and blue", names)
    picked = tuple(names.index(name) for name in COLOURS)
    return ChannelChoice(word, names, CONVERTED.get(word, ("gray",)), picked, word)


def _positions(rule: str, item: str, names: tuple[str, ...]) -> list[int]:
    """Positions of what one part of a list names: a name goes before a number, a number before a letter."""
    if not item:
        raise _refusal(rule, "has an empty part", names)
    plain = [name.casefold() for name in names]
    if item.casefold() in plain:
        return [plain.index(item.casefold())]
    found = _RANGE.fullmatch(item)
    if item.isdecimal() or found:
        first, last = (int(item), int(item)) if found is None else (int(found[1]), int(found[2]))
        if first > last:
            raise _refusal(rule, f"has a range that runs backwards ({item})", names)
        if last >= len(names):
            raise _refusal(rule, f"takes channel number {last}", names)
        return list(range(first, last + 1))
    if (letter := _LETTERS.get(item.casefold())) in plain:
        return [plain.index(letter)]
    raise _refusal(rule, f"takes {item!r}", names)


def _refusal(rule: str, fault: str, names: tuple[str, ...]) -> RequestError:
    numbered = [name if name == f"channel {place}" else f"{place} {name}" for place, name in enumerate(names)]
    listed = ", ".join(numbered[:_MOST_NAMED])
    more = f", ... {numbered[-1]}" if len(names) > _MOST_NAMED else ""
    plural = "channels are" if len(names) != 1 else "channel is"
    return RequestError(
        f"the rule {rule!r} {fault}; the {plural} {listed}{more}.",
        where=FIELD,
        fix="Write all, gray, hsv, lab, or a list of names, numbers and ranges, such as r,g or 0-3.",
    )


def _counted(count: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of as many channels as a plain count asks for."""
    if count == len(names):
        return names
    return _without_alpha(names) if count == len(_without_alpha(names)) else natural_channel_names(count)


def _without_alpha(names: tuple[str, ...]) -> tuple[str, ...]:
    return names[:-1] if len(names) > 1 and names[-1] == "alpha" else names


def _as_shares(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    return np.asarray(pixels, np.float32) / np.float32(largest)
