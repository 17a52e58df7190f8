"""What every kind of written answers can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from striate.registry import Registry
from striate.runs.structures import PicturePrediction
from striate.structures import SHOWN_FROM


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """What is to be written, and where.

    Attributes:
        out: Folder that gets the files.
        task: Name of the task.
        classes: Class names of the network.
        asked: The paths that were asked about; answers in files of their own lie in folders as their pictures do
            below these.
        top: Classes to write for a picture that is classified as a whole, the likeliest first; all where `None`.
        min_score: Score from which an object counts; `None` is what each kind of files finds sensible: all of them in
            tables and JSON, those from `count_from` on in pictures.
        count_from: Score from which objects are counted where nobody said otherwise.
    """

    out: Path
    task: str
    classes: tuple[str, ...]
    asked: Sequence[Path] = ()
    top: int | None = None
    min_score: float | None = None
    count_from: float = SHOWN_FROM

    @property
    def drawn_from(self) -> float:
        """Score from which an object is drawn."""
        return self.count_from if self.min_score is None else self.min_score


class AnswerWriter(ABC):
    """Answers on their way to disk, as they come. A subclass registers itself at the end of its file.

    Args:
        order: What is to be written.

    Raises:
        RequestError: The place is taken.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What it writes, and where below the folder, for help and tables."""
    tasks: ClassVar[tuple[str, ...]]
    """Names of the tasks whose answers it can hold."""

    def __init__(self, order: AnswerOrder) -> None:
        self.order = order

    @abstractmethod
    def add(self, answer: PicturePrediction) -> None:
        """Writes one answer and forgets it.

        Raises:
            StorageError: It cannot be written.
        """

    @abstractmethod
    def close(self, *, complete: bool) -> None:
        """Ends the files.

        Args:
            complete: Whether all answers came; where not, what was written so far stays under another name.

        Raises:
            StorageError: They cannot be written.
        """


ANSWER_WRITERS: Registry[type[AnswerWriter]] = Registry("kind of written answers", "striate.runs.answers")
EVERY_TASK = ("classification", "multilabel", "detection", "segmentation", "instances")
