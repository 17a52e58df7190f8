"""Pictures in, answers out, in constant memory however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from striate.errors import CheckpointError, RequestError
from striate.evaluation.scoring import score_batches
from striate.evaluation.words import plural
from striate.images import FileSource, is_picture_path
from striate.recipe import Recipe
from striate.runs.overlay import is_overlay
from striate.structures import Picture, PictureSource, Problem, Sample
from striate.tasks import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

AT_ONCE = 256
"""Pictures held in memory at once."""


class Answering:
    """A network with all that is needed to show it a picture as it saw pictures in training.

    Args:
        network: Weights loaded.
        task: What its outputs mean.
        recipe: The filled recipe of the run.
        channels: Channels of its input.
        dtype: Type of stored pixels.
        device: Where to run.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        recipe: Recipe,
        *,
        channels: int,
        dtype: str,
        device: torch.device,
    ) -> None:
        from striate.data.pixels import Preparation

        self.network = network
        self.task = task
        self.recipe = recipe
        self.device = device
        self._preparation = Preparation.of(recipe.input, channels)
        self._dtype = np.dtype(dtype)

    def score(
        self, samples: Iterable[Sample], problems: list[Problem], *, batch_size: int = 64
    ) -> Iterator[tuple[Sample, tuple[int, int], npt.NDArray[np.float32]]]:
        """Sample, size and scores of each picture that can be read, in order.

        Args:
            samples: The pictures.
            problems: Gets one entry for each picture that cannot be read.
            batch_size: Pictures in one pass through the network.
        """
        pending = iter(samples)
        while chunk := list(islice(pending, AT_ONCE)):
            yield from self._score_chunk(chunk, problems, batch_size)

    def _score_chunk(
        self, chunk: list[Sample], problems: list[Problem], batch_size: int
    ) -> Iterator[tuple[Sample, tuple[int, int], npt.NDArray[np.float32]]]:
        from striate.data.batches import in_order
        from striate.data.pixels import store_pixels

        sources = [_SizeNoting(sample.source) for sample in chunk]
        store, found = store_pixels(
            [Sample(source) for source in sources], self._preparation, dtype=self._dtype, cache="memory"
        )
        problems.extend(found)
        unreadable = {problem.path for problem in found}
        sizes = {
            at: source.size_hw
            for at, source in enumerate(sources)
            if source.size_hw is not None and source.name not in unreadable
        }
        usable = np.array(list(sizes), dtype=np.int64)
        scores = score_batches(
            self.network, in_order(store, usable, batch_size), self.task, self.recipe.input, device=self.device
        )
        if not np.isfinite(scores).all():
            raise CheckpointError(
                "the network's answers are not finite numbers, so its weights are damaged.",
                where="weights",
                fix="Put weights/best.safetensors back, use the run's last weights, or train again.",
            )
        for (at, size_hw), row in zip(sizes.items(), scores, strict=True):
            yield chunk[at], size_hw, row


class _SizeNoting:
    """A source that remembers how large its picture was before it was made to fit the network."""

    def __init__(self, source: PictureSource) -> None:
        self._source = source
        self.size_hw: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        return self._source.name

    def read(self) -> Picture:
        picture = self._source.read()
        self.size_hw = picture.size_hw
        return picture


def find_pictures(paths: str | Path | Sequence[str | Path], problems: list[Problem]) -> Iterator[Sample]:
    """The pictures at some paths: files as they are, folders searched through, names in order.

    Args:
        paths: A picture, a folder of pictures, or several of these.
        problems: Gets one entry for each link in a folder that leads nowhere, and one for each folder that holds
            answers which `striate predict` wrote; those are no pictures to ask about.

    Raises:
        RequestError: Nothing is at a path, or a folder holds no picture.
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, several):
        if path.is_dir():
            yield from _in_folder(path, problems)
        elif path.exists():
            yield Sample(FileSource(path, str(path)))
        elif path.is_symlink():
            raise RequestError(
                f"this link leads to {path.readlink()}, where nothing is.",
                where=path,
                fix="Put the picture back there.",
            )
        else:
            raise RequestError("there is no such picture or folder.", where=path, fix="Check the path.")


def _in_folder(folder: Path, problems: list[Problem]) -> Iterator[Sample]:
    empty = True
    drawn = Counter[Path]()
    for path in sorted(folder.rglob("*")):
        if not is_picture_path(path) or path.name.startswith("."):
            continue
        if path.is_symlink() and not path.exists():
            detail = f"this link leads to {path.readlink()}, where nothing is."
            problems.append(Problem("broken-link", str(path), detail, "Put the picture back there.", "dropped"))
        elif not path.is_file():
            continue
        elif is_overlay(path):
            drawn[path.parent] += 1
        else:
            yield Sample(FileSource(path, str(path)))
        empty = False
    for place, count in drawn.items():
        detail = f"a set of {plural(count, 'picture')} that `striate predict` drew itself."
        problems.append(Problem("own-answers", str(place), detail, "Give it by name to ask about it.", "dropped"))
    if empty:
        raise RequestError("there is no picture in this folder.", where=folder, fix="Give a folder that holds some.")
