"""Numbers in sentences, with their nouns."""

from __future__ import annotations


class Count(int):
    """A number that brings its noun into the right form: `{count:picture is|pictures are}` in a template or f-string.

    The form for one stands before the bar, the form for any other number behind it; a noun alone takes an s. Without
    either, it is written like any whole number.
    """

    def __format__(self, words: str) -> str:
        if not any(letter.isalpha() for letter in words.rstrip("d")):
            return super().__format__(words)
        one, _, many = words.partition("|")
        return f"{int(self)} {one if self == 1 else many or f'{one}s'}"


def plural(count: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return format(Count(count), noun)
