"""Every error that Striate raises on purpose.

    StriateError                 base; carries where, what and the next step
    ├── RequestError             the request was wrong (exit code 2)
    │   ├── UnknownNameError     a name that no registry holds
    │   ├── RecipeError          a recipe field that does not hold
    │   └── DataError            data in which nothing can be learned, or that cannot be understood
    ├── WorkError                the request was right, the work failed (exit code 1)
    │   ├── TrainingError        the loss left the numbers, a batch could not be made
    │   ├── CheckpointError      a run folder or weight file that cannot be read
    │   ├── ExportError          another tool cannot hold a network, or answers otherwise
    │   └── StorageError         disk full, no permission to write
    ├── MissingPartError         an optional package is not installed (exit code 2)
    └── PictureError             one file is not a readable picture (collected as a problem, seldom fatal)

A message is a sentence a person can act on: the file or argument, what was expected, what was found, what to do.
"""

from __future__ import annotations

import re
from pathlib import Path


class StriateError(Exception):
    """Base of all errors that are part of the product.

    Args:
        what: What was expected and what was found, one sentence.
        where: The file, folder or argument it is about.
        fix: What to do next, one sentence; empty where nothing can be done.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str = "") -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(what, self.where, fix)

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return f"{text} {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments would be lost when a worker process hands the error back.
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[StriateError], what: str, where: str | None, fix: str) -> StriateError:
    return kind(what, where=where, fix=fix)


class RequestError(StriateError):
    """The request was wrong: a path, a flag, a value."""

    exit_code = 2


class UnknownNameError(RequestError):
    """A network, format, task or other registered thing that does not exist."""


class RecipeError(RequestError):
    """A recipe field that does not exist, or whose value does not hold."""


class DataError(RequestError):
    """The data cannot be understood, or nothing can be learned from it."""


class MissingPartError(RequestError):
    """An optional package is needed and not installed."""


class WorkError(StriateError):
    """The request was right and the work failed."""


class TrainingError(WorkError):
    """Training cannot go on."""


class CheckpointError(WorkError):
    """A run folder, checkpoint or weight file cannot be used."""


class ExportError(WorkError):
    """Another tool cannot hold a network or read an artefact, or its answers are not the network's."""


class StorageError(WorkError):
    """Files cannot be written."""


class PictureError(StriateError):
    """One file is not a readable picture.

    Args:
        what: What is wrong with it.
        where: The file.
        fix: What to do.
        kind: Short machine-readable kind, for example ``truncated`` or ``not-a-picture``.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str = "", kind: str = "unreadable") -> None:
        super().__init__(what, where=where, fix=fix)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_picture, (self.what, self.where, self.fix, self.kind)


def _rebuild_picture(what: str, where: str | None, fix: str, kind: str) -> PictureError:
    return PictureError(what, where=where, fix=fix, kind=kind)


def cause_of(error: BaseException, most: int = 200) -> str:
    """What another library says went wrong, to stand in parentheses in a sentence of ours.

    Args:
        error: Its error.
        most: Characters at most; longer text ends at a word, followed by an ellipsis.

    Returns:
        Its first sentence on one line, without the full stop; the kind of the error where it says next to nothing.
    """
    # torch breaks lines inside of sentences, and pads the first with advice on how to load unsafe files.
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    first = re.split(r"[.!?](?:\s*\n|\s+(?=[A-Z(]))", text, maxsplit=1)[0]
    sentence = " ".join(first.split()).rstrip(" .!:;,")
    if not sentence:
        return "it ends too early" if isinstance(error, EOFError) else type(error).__name__
    if " " not in sentence:
        return f"{type(error).__name__}: {sentence}"
    if len(sentence) <= most:
        return sentence
    return sentence[:most].rsplit(" ", 1)[0].rstrip(" .!:;,") + " ..."
