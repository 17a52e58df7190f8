"""Pictures in, answers out, in constant memory however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.errors import CheckpointError, RequestError
from striate.evaluation.scoring import run_network
from striate.evaluation.words import plural
from striate.images import FileSource, is_picture_path
from striate.recipe import Recipe
from striate.runs.overlay import is_overlay
from striate.structures import Picture, PictureSource, Placement, Prediction, Problem, Sample
from striate.tasks import Task
from striate.tasks.base import Scores, Targets, View

if TYPE_CHECKING:
    import torch
    from torch import nn

    from striate.data.pixels import PixelStore

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

    def predict(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = 64
    ) -> Iterator[tuple[Sample, tuple[int, int], Prediction]]:
        """Sample, size and answer of each picture that can be read, in order.

        Args:
            samples: The pictures.
            classes: Class names.
            problems: Gets one entry for each picture that cannot be read.
            batch_size: Pictures in one pass through the network.
        """
        for chunk in self._chunks(samples, problems):
            placements = [self._preparation.place(size_hw) for size_hw in chunk.sizes_hw]
            for place, output in self._run(chunk, batch_size):
                answers = self.task.predictions(output, placements[place], classes)
                yield from zip(chunk.samples[place], chunk.sizes_hw[place], answers, strict=True)

    def measure(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = 64
    ) -> tuple[list[Sample], Scores, Targets]:
        """The pictures that can be read, what is kept of their answers, and their truth; arguments as `predict` has."""
        read: list[Sample] = []
        parts: list[Scores] = []
        truths: list[Targets] = []
        for chunk in self._chunks(samples, problems):
            targets = self.task.targets(chunk.samples, classes)
            placements: list[Placement] = []
            if self.task.spatial:
                placements = [self._preparation.place(size_hw) for size_hw in chunk.sizes_hw]
            truth = self.task.build_truth(chunk.samples, targets, placements)
            for place, output in self._run(chunk, batch_size):
                rows = truth.rows(np.arange(len(chunk.samples))[place])
                view = View(chunk.samples[place], placements[place] if placements else [], rows, exact=True)
                parts.append(self.task.answers(output, view))
            read += chunk.samples
            truths.append(targets)
        return read, self.task.join(parts), self.task.join(truths)

    def _chunks(self, samples: Iterable[Sample], problems: list[Problem]) -> Iterator[_Chunk]:
        from striate.data.pixels import store_pixels

        pending = iter(samples)
        while chunk := list(islice(pending, AT_ONCE)):
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
            yield _Chunk([chunk[at] for at in sizes], list(sizes.values()), store, np.array(list(sizes), np.int64))

    def _run(self, chunk: _Chunk, batch_size: int) -> Iterator[tuple[slice, Any]]:
        from striate.data.batches import in_order

        batches = in_order(chunk.store, chunk.places, batch_size)
        for place, output in run_network(self.network, batches, self.recipe.input, device=self.device):
            _refuse_damage(output)
            yield place, output


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Readable pictures, their sizes, and where their pixels are in a store."""

    samples: list[Sample]
    sizes_hw: list[tuple[int, int]]
    store: PixelStore
    places: npt.NDArray[np.int64]


def _refuse_damage(output: Any) -> None:
    import torch

    tensors = [output] if isinstance(output, torch.Tensor) else output.values() if isinstance(output, dict) else output
    if not all(bool(torch.isfinite(one).all()) for one in tensors if isinstance(one, torch.Tensor)):
        raise CheckpointError(
            "the network's answers are not finite numbers, so its weights are damaged.",
            where="weights",
            fix="Put weights/best.safetensors back, use the run's last weights, or train again.",
        )


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
