"""Pictures in, answers out, in constant memory however many there are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.errors import CheckpointError, PictureError, RequestError
from striate.evaluation.scoring import run_network
from striate.evaluation.words import plural
from striate.images import FileSource, is_picture_path
from striate.recipe import Recipe
from striate.runs.overlay import is_overlay
from striate.structures import Frames, Picture, Placement, Prediction, Problem, Sample
from striate.tasks import Task
from striate.tasks.base import Scores, Targets, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

AT_ONCE = 64
"""Pictures read ahead, at most; of large ones only as many as `BYTES_AHEAD` holds."""

BYTES_AHEAD = 256 * 2**20

_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the network is shown at once: a picture, or a tile of a large one."""

    sample: Sample
    size_hw: tuple[int, int]
    placement: Placement
    pixels: npt.NDArray[np.generic]
    last: bool


class Answering:
    """A network with all that is needed to show it a picture as it saw pictures in training.

    Args:
        network: Weights loaded.
        task: What its outputs mean.
        recipe: The filled recipe of the run.
        channels: Channels of its input.
        dtype: Type of stored pixels.
        device: Where to run.
        channel_names: Their names; where not given nobody is told of pictures that have others.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        recipe: Recipe,
        *,
        channels: int,
        dtype: str,
        channel_names: tuple[str, ...] = (),
        device: torch.device,
    ) -> None:
        import torch

        from striate.data.framing import Preparation

        # The memory format that was measured as fastest; it changes nothing but the last bits.
        self._channels_last = bool(recipe.machine.channels_last)
        if self._channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.network = network
        self.task = task
        self.recipe = recipe
        self.device = device
        self._preparation = Preparation.of(recipe.input, channels)
        self._dtype = np.dtype(dtype)
        self._channel_names = channel_names

    def shown(self, picture: Picture) -> tuple[tuple[Placement, ...], Tensor]:
        """What the network is shown of a picture: how each frame lies in it, and the frames `(F, C, H, W)`, normalised.

        Raises:
            PictureError: Its channels cannot become those of the network.
        """
        import torch

        from striate.data.framing import as_dtype, prepare
        from striate.data.pixels import normalise

        frames = [as_dtype(frame, self._dtype) for frame in prepare(picture, self._preparation)]
        placements = self._preparation.place(picture.size_hw)
        return placements, normalise(torch.from_numpy(np.stack(frames)), self.recipe.input)

    def predict(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = 64
    ) -> Iterator[tuple[Sample, tuple[int, int], Prediction]]:
        """Sample, size and answer of each picture that can be read, in order; a large one is seen in tiles.

        Args:
            samples: The pictures.
            classes: Class names.
            problems: Gets one entry for each picture that cannot be read.
            batch_size: Frames in one pass through the network.
        """
        parts: list[Any] = []
        placements: list[Placement] = []
        for frames, output in self._outputs(samples, problems, batch_size):
            decoded = self.task.decode(output, [frame.placement for frame in frames])
            for frame, part in zip(frames, decoded, strict=True):
                parts.append(part)
                placements.append(frame.placement)
                if frame.last:
                    yield frame.sample, frame.size_hw, self.task.prediction(parts, placements, classes)
                    parts, placements = [], []

    def measure(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = 64
    ) -> tuple[list[Sample], Scores, Targets]:
        """The pictures that can be read, what is kept of their answers, and their truth; arguments as `predict` has."""
        read: list[Sample] = []
        answers: list[Scores] = []
        pictures: list[int] = []
        placements: list[Placement] = []
        for frames, output in self._outputs(samples, problems, batch_size):
            own = [frame.placement for frame in frames]
            view = View([frame.sample for frame in frames], own, None, exact=True)
            answers.append(self.task.answers(output, view))
            placements += own
            for frame in frames:
                pictures.append(len(read))
                if frame.last:
                    read.append(frame.sample)
        scores = self.task.stitch(self.task.join(answers), Frames(np.array(pictures, np.int64), tuple(placements)))
        return read, scores, self.task.targets(read, classes)

    def _outputs(
        self, samples: Iterable[Sample], problems: list[Problem], batch_size: int
    ) -> Iterator[tuple[list[_Frame], Any]]:
        """Frames and what the network says about them, batch by batch."""
        import torch

        shown: list[list[_Frame]] = []

        def batches() -> Iterator[tuple[slice, Tensor]]:
            frames = self._frames(samples, problems)
            while batch := list(islice(frames, batch_size)):
                shown.append(batch)
                yield slice(0, len(batch)), torch.from_numpy(np.stack([frame.pixels for frame in batch]))

        outputs = run_network(
            self.network, batches(), self.recipe.input, device=self.device, channels_last=self._channels_last
        )
        for _, output in outputs:
            _refuse_damage(self.task.scores(output))
            yield shown.pop(), output

    def _frames(self, samples: Iterable[Sample], problems: list[Problem]) -> Iterator[_Frame]:
        """Every frame of every picture that can be read."""
        from striate.data.framing import as_dtype, prepare

        noted: set[str] = set()
        for sample, picture in _read_ahead(samples, problems):
            placements = self._preparation.place(picture.size_hw)
            notes = self.unlike_training(sample.name, picture)
            problems.extend(note for note in notes if note.kind not in noted)
            noted.update(note.kind for note in notes)
            pixels = prepare(picture, self._preparation)
            last = len(placements) - 1
            try:
                for index, (placement, frame) in enumerate(zip(placements, pixels, strict=True)):
                    yield _Frame(sample, picture.size_hw, placement, as_dtype(frame, self._dtype), last=index == last)
            except PictureError as error:
                problems.append(_problem(sample, error))

    def unlike_training(self, name: str, picture: Picture) -> list[Problem]:
        """What is unlike the pictures that the network learned from, where an answer may be worth less for it.

        Args:
            name: What to call the picture.
            picture: The picture.
        """
        found = []
        tiles = len(self._preparation.place(picture.size_hw))
        if picture.pixels.dtype.kind == "f" and not np.isfinite(picture.pixels).all():
            share = 1.0 - float(np.isfinite(picture.pixels).mean())
            found.append(("not-finite", f"{share:.1%} of its values are no finite numbers.", "They count as 0."))
        names = tuple(name for name in picture.channel_names if name != "alpha")
        if self._channel_names and names != tuple(name for name in self._channel_names if name != "alpha"):
            detail = (
                f"it has {', '.join(picture.channel_names)}; the network learned from {', '.join(self._channel_names)}."
            )
            found.append(("other-channels", detail, "Channels are converted; answers may be worth less."))
        if picture.pixels.dtype != self._dtype and np.float32 not in (picture.pixels.dtype, self._dtype):
            detail = f"its values are {picture.pixels.dtype.name}; the network learned from {self._dtype.name}."
            found.append(("other-depth", detail, "Full scale is taken for full scale; answers may be worth less."))
        if tiles > 1 and self._preparation.fit != "tiles":
            height, width = picture.size_hw
            detail = f"{width} x {height} pixels are far more than the network learned from."
            found.append(("tiles", detail, f"The picture was seen in {tiles} tiles at the scale of training."))
        return [Problem(kind, name, detail, fix) for kind, detail, fix in found]


def _read_ahead(samples: Iterable[Sample], problems: list[Problem]) -> Iterator[tuple[Sample, Picture]]:
    """Pictures in order, decoded by threads a little ahead: many small ones, few large ones."""

    def read(sample: Sample) -> Picture | PictureError:
        try:
            return sample.read()
        except PictureError as error:
            return error

    pending = iter(samples)
    ahead: deque[tuple[Sample, Future[Picture | PictureError]]] = deque()
    most = _THREADS
    with ThreadPoolExecutor(_THREADS) as pool:
        while True:
            ahead.extend((sample, pool.submit(read, sample)) for sample in islice(pending, max(0, most - len(ahead))))
            if not ahead:
                return
            sample, coming = ahead.popleft()
            found = coming.result()
            if isinstance(found, PictureError):
                problems.append(_problem(sample, found))
                continue
            most = min(max(1, BYTES_AHEAD // max(1, found.pixels.nbytes)), AT_ONCE)
            yield sample, found


def _problem(sample: Sample, error: PictureError) -> Problem:
    return Problem(error.kind, sample.name, error.what, error.fix or "It is left out.", "dropped")


def _refuse_damage(scores: Tensor) -> None:
    if not bool(scores.isfinite().all()):
        raise CheckpointError(
            "the network's answers are not finite numbers, so its weights are damaged.",
            where="weights",
            fix="Put weights/best.safetensors back, use the run's last weights, or train again.",
        )


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
