"""Damage to files, made from a seed: the same seed and file give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

Place = tuple[int, int]
"""Offset of a number in a file, and its bytes."""

_BYTES = (0x00, 0xFF, 0x7F, 0x80)
_WORDS = ("0", "-1", "1", "65536", "2147483647", "4294967296", "99999999999999999999", "1e308", "nan", "inf", "")
_DIGITS = re.compile(rb"\d+")


def damage(data: bytes, random: np.random.Generator, head: int, places: Sequence[Place], text: bool) -> bytes:
    """Does one to four things to a file.

    Args:
        data: Its bytes.
        random: Source of all choices.
        head: Bytes that half of the damage goes to: faults there steer a reader, faults in pixels mostly do not.
        places: Numbers of its header.
        text: Whether the header is text, so that its numbers are digits.
    """
    for _ in range(int(random.integers(1, 5))):
        if len(data) < 2:
            break
        choice = random.random()
        if text and choice < 0.4:
            data = _number_of_text(data, random, head)
        elif places and choice < 0.4:
            data = _extreme_at(data, random, *places[int(random.integers(len(places)))])
        else:
            action = _ACTIONS[random.integers(len(_ACTIONS))]
            data = action(data, random, _offset(data, random, head))
    return data


def _offset(data: bytes, random: np.random.Generator, head: int) -> int:
    end = min(head, len(data)) if random.random() < 0.5 else len(data)
    return int(random.integers(end))


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new[: len(data) - at] + data[at + len(new) :]


def _flip(data: bytes, random: np.random.Generator, at: int) -> bytes:
    return _put(data, at, bytes([data[at] ^ 1 << int(random.integers(8))]))


def _overwrite(data: bytes, random: np.random.Generator, at: int) -> bytes:
    length = int(2 ** random.integers(7))
    kind = int(random.integers(5))
    return _put(data, at, random.bytes(length) if kind == 4 else bytes([_BYTES[kind]]) * length)


def _length(random: np.random.Generator) -> int:
    """Mostly short, at times thousands of bytes."""
    return int(2 ** random.uniform(0, 13))


def _delete(data: bytes, random: np.random.Generator, at: int) -> bytes:
    return data[:at] + data[at + _length(random) :]


def _duplicate(data: bytes, random: np.random.Generator, at: int) -> bytes:
    part = data[at : at + _length(random)]
    return data[:at] + part * int(random.integers(2, 5)) + data[at + len(part) :]


def _swap(data: bytes, random: np.random.Generator, at: int) -> bytes:
    length = _length(random)
    other = int(random.integers(len(data)))
    first, second = sorted((at, other))
    length = min(length, second - first, len(data) - second)
    one, two = data[first : first + length], data[second : second + length]
    return _put(_put(data, first, two), second, one)


def _cut(data: bytes, random: np.random.Generator, at: int) -> bytes:  # noqa: ARG001
    return data[:at]


def _extreme(data: bytes, random: np.random.Generator, at: int) -> bytes:
    return _extreme_at(data, random, at & ~1, int(2 ** random.integers(1, 4)))


def _extreme_at(data: bytes, random: np.random.Generator, at: int, size: int) -> bytes:
    """A number of the smallest or largest values, of a power of two, or next to it, or of any bits."""
    bits = 8 * size
    power = 1 << int(random.integers(bits))
    values = (0, 1, (1 << bits) - 1, (1 << bits) - 2, 1 << bits - 1, (1 << bits - 1) - 1, power, power - 1)
    kind = int(random.integers(len(values) + 1))
    if kind == len(values):
        return _put(data, at, random.bytes(size))
    return _put(data, at, values[kind].to_bytes(size, "little" if random.random() < 0.7 else "big"))


def _number_of_text(data: bytes, random: np.random.Generator, head: int) -> bytes:
    found = list(_DIGITS.finditer(data, 0, head))
    if not found:
        return data
    chosen = found[random.integers(len(found))]
    return data[: chosen.start()] + _WORDS[random.integers(len(_WORDS))].encode() + data[chosen.end() :]


_ACTIONS: tuple[Callable[[bytes, np.random.Generator, int], bytes], ...] = (
    *(_flip, _overwrite, _overwrite, _extreme, _extreme),
    *(_delete, _duplicate, _swap, _cut),
)
