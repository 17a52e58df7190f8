"""All files that were asked for, written side by side while answers come."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from striate.errors import RequestError
from striate.runs.answers.base import ANSWER_WRITERS, AnswerOrder, AnswerWriter
from striate.runs.structures import PicturePrediction


class AnswerFiles:
    """Answers written as several kinds of files; a context that ends them.

    Memory does not grow with the number of pictures, except for the size and path of each where COCO is written.

    Example:
        >>> order = AnswerOrder(Path("answers"), run.task.name, run.classes, asked=[Path("new")])
        >>> with AnswerFiles(["coco", "csv"], order) as files:
        ...     for answer in run.predict_each("new", problems):
        ...         files.add(answer)

    Args:
        kinds: Names in `ANSWER_WRITERS`.
        order: What is to be written.

    Raises:
        UnknownNameError: There is no such kind.
        RequestError: A kind cannot hold answers of this task, or its place is taken.
    """

    def __init__(self, kinds: Sequence[str], order: AnswerOrder) -> None:
        chosen = [ANSWER_WRITERS.get(kind) for kind in dict.fromkeys(kinds)]
        for writer in chosen:
            _refuse_unfit(writer, order.task)
        self._writers = [writer(order) for writer in chosen]

    def __enter__(self) -> AnswerFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close(complete=kind is None)

    def add(self, answer: PicturePrediction) -> None:
        """Writes one answer.

        Raises:
            StorageError: It cannot be written.
        """
        for writer in self._writers:
            writer.add(answer)


def _refuse_unfit(writer: type[AnswerWriter], task: str) -> None:
    if task in writer.tasks:
        return
    fit = [other.name for other in ANSWER_WRITERS if task in other.tasks]
    raise RequestError(
        f"`{writer.name}` holds answers for {' and '.join(writer.tasks)}, and this run is for {task}.",
        where="--as",
        fix=f"Choose {', '.join(fit[:-1])} or {fit[-1]}.",
    )
