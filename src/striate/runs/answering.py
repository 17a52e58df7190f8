"""Pictures in, answers out, in constant memory however many there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate.errors import CheckpointError, PictureError
from striate.evaluation.scoring import run_network, takes_stored_pixels
from striate.images import ChannelChoice, FileSource, read_header, read_picture
from striate.recipe import Recipe
from striate.structures import Frames, Picture, Placement, Prediction, Problem, Sample
from striate.tasks import Task
from striate.tasks.base import Scores, Targets, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

AT_ONCE = 64
"""Pictures read ahead, at most; of large ones only as many as `BYTES_AHEAD` holds."""

BYTES_AHEAD = 256 * 2**20

BATCH = 32
"""Frames in one pass through the network."""

_AT_FIRST = 4
_THREADS = max(_AT_FIRST, min(16, os.cpu_count() or 1))
"""Threads that read and prepare; decoders and runtimes let each other work."""

_ENOUGH = 2
"""A picture may be read smaller where both sides stay this many times as long as the network's input.

Down to there it makes half a step of 8 bits on average whether JPEG halves the picture or resizing does it all.
"""


_JPEG_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class _Read:
    """A picture that was read.

    Attributes:
        size_hw: Of the file, which may have been read smaller.
        notes: What is unlike the pictures of training.
        frames: Prepared already, or, of a picture in tiles, as they are asked for.
        nbytes: Memory that it took while it was read.
    """

    size_hw: tuple[int, int]
    notes: list[Problem]
    placements: tuple[Placement, ...]
    frames: Iterable[npt.NDArray[np.generic]]
    nbytes: int


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
        choice: Channels of its input. Where it does not say which channels pictures have, nobody is told of pictures
            that have others.
        dtype: Type of stored pixels.
        device: Where to run.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        recipe: Recipe,
        *,
        choice: ChannelChoice,
        dtype: str,
        device: torch.device,
    ) -> None:
        import torch

        from striate.data.framing import Preparation

        # The memory format that was measured as fastest; it changes nothing but the last bits.
        self.channels_last = bool(recipe.machine.channels_last)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.network = network
        self.task = task
        self.recipe = recipe
        self.device = device
        self._preparation = Preparation.of(recipe.input, choice)
        self._dtype = np.dtype(dtype)
        self._choice = choice

    def stored(self, picture: Picture) -> tuple[tuple[Placement, ...], npt.NDArray[np.generic]]:
        """How each frame of a picture lies in it, and the frames' stored values `(F, C, H, W)`.

        Raises:
            PictureError: Its channels cannot become those of the network.
        """
        size_hw = picture.size_hw
        return self._preparation.place(size_hw), np.stack(list(self._framed(picture, size_hw)))

    def shown(self, picture: Picture) -> tuple[tuple[Placement, ...], Tensor]:
        """The same as the network is shown it: normalised, but for networks that do this themselves.

        Raises:
            PictureError: Its channels cannot become those of the network.
        """
        import torch

        from striate.data.pixels import normalise

        placements, frames = self.stored(picture)
        pixels = torch.from_numpy(frames)
        return placements, pixels if takes_stored_pixels(self.network) else normalise(pixels, self.recipe.input)

    def _framed(self, picture: Picture, size_hw: tuple[int, int]) -> Iterator[npt.NDArray[np.generic]]:
        """A picture in each of its frames, in the type that the network learned from."""
        from striate.data.framing import as_dtype, prepare

        return (as_dtype(frame, self._dtype) for frame in prepare(picture, self._preparation, size_hw))

    def predict(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = BATCH
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
        for frames, output in self._outputs(samples, problems, batch_size, reduced=True):
            decoded = self.task.decode(output, [frame.placement for frame in frames])
            for frame, part in zip(frames, decoded, strict=True):
                parts.append(part)
                placements.append(frame.placement)
                if frame.last:
                    yield frame.sample, frame.size_hw, self.task.prediction(parts, placements, classes)
                    parts, placements = [], []

    def measure(
        self, samples: Iterable[Sample], classes: tuple[str, ...], problems: list[Problem], *, batch_size: int = BATCH
    ) -> tuple[list[Sample], Scores, Targets]:
        """The pictures that can be read, what is kept of their answers, and their truth; arguments as `predict` has."""
        read: list[Sample] = []
        answers: list[Scores] = []
        pictures: list[int] = []
        placements: list[Placement] = []
        # In full, as training read them: what it measured can be measured again to the last bit.
        for frames, output in self._outputs(samples, problems, batch_size, reduced=False):
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
        self, samples: Iterable[Sample], problems: list[Problem], batch_size: int, *, reduced: bool
    ) -> Iterator[tuple[list[_Frame], Any]]:
        """Frames and what the network says about them, batch by batch."""
        import torch

        shown: list[list[_Frame]] = []

        def batches() -> Iterator[tuple[slice, Tensor]]:
            frames = self._frames(samples, problems, reduced=reduced)
            while batch := list(islice(frames, batch_size)):
                shown.append(batch)
                yield slice(0, len(batch)), torch.from_numpy(np.stack([frame.pixels for frame in batch]))

        outputs = run_network(
            self.network, batches(), self.recipe.input, device=self.device, channels_last=self.channels_last
        )
        for _, output in outputs:
            _refuse_damage(self.task.scores(output))
            yield shown.pop(), output

    def _frames(self, samples: Iterable[Sample], problems: list[Problem], *, reduced: bool) -> Iterator[_Frame]:
        """Every frame of every picture that can be read."""
        noted: set[str] = set()
        for sample, found in _read_ahead(samples, partial(self._read, reduced=reduced), problems):
            problems.extend(note for note in found.notes if note.kind not in noted)
            noted.update(note.kind for note in found.notes)
            last = len(found.placements) - 1
            try:
                for index, (placement, frame) in enumerate(zip(found.placements, found.frames, strict=True)):
                    yield _Frame(sample, found.size_hw, placement, frame, last=index == last)
            except PictureError as error:
                _take_down(problems, sample, error)

    def _read(self, sample: Sample, *, reduced: bool) -> _Read:
        """Reads a picture and prepares it, unless it is cut into tiles: those together are larger than the picture.

        Raises:
            PictureError: It cannot be read, or its channels cannot become those of the network.
        """
        size_hw = self._halved_hw(sample) if reduced else None
        if size_hw is not None and isinstance(sample.source, FileSource):
            height, width = self._preparation.size_hw
            picture = read_picture(sample.source.path, (_ENOUGH * height, _ENOUGH * width))
        else:
            picture = sample.read()
            size_hw = picture.size_hw
        placements = self._preparation.place(size_hw)
        notes = self.unlike_training(sample.name, picture)
        frames = self._framed(picture, size_hw)
        ready = frames if len(placements) > 1 else list(frames)
        return _Read(size_hw, notes, placements, ready, picture.pixels.nbytes)

    def _halved_hw(self, sample: Sample) -> tuple[int, int] | None:
        """Size of a JPEG file that may be read smaller; `None` for every other picture.

        JPEG halves blocks of 8 x 8; of a side that is no whole number of them the last pixel would show what is not
        there, and everything would be shifted by a part of it. Cameras give whole blocks.

        Raises:
            PictureError: It is damaged.
        """
        source, preparation = sample.source, self._preparation
        cut = preparation.fit == "tiles" or preparation.tile_scale is not None
        if cut or not isinstance(source, FileSource) or source.kept is not None:
            return None
        if source.path.suffix.lower() not in _JPEG_SUFFIXES:
            return None
        size_hw = read_header(source.path).size_hw
        return size_hw if all(side % 8 == 0 for side in size_hw) else None

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
        learned = self._choice.source
        if learned and names != tuple(name for name in learned if name != "alpha"):
            detail = f"it has {', '.join(picture.channel_names)}; the network learned from {', '.join(learned)}."
            found.append(("other-channels", detail, "Channels are converted; answers may be worth less."))
        if (
            picture.pixels.dtype != self._dtype
            and not self._choice.converts
            and np.float32 not in (picture.pixels.dtype, self._dtype)
        ):
            detail = f"its values are {picture.pixels.dtype.name}; the network learned from {self._dtype.name}."
            found.append(("other-depth", detail, "Full scale is taken for full scale; answers may be worth less."))
        if tiles > 1 and self._preparation.fit != "tiles":
            height, width = picture.size_hw
            detail = f"{width} x {height} pixels are far more than the network learned from."
            found.append(("tiles", detail, f"The picture was seen in {tiles} tiles at the scale of training."))
        return [Problem(kind, name, detail, fix) for kind, detail, fix in found]


def _read_ahead(
    samples: Iterable[Sample], read: Callable[[Sample], _Read], problems: list[Problem]
) -> Iterator[tuple[Sample, _Read]]:
    """Pictures in order, read by threads a little ahead: many small ones, few large ones."""

    def attempt(sample: Sample) -> _Read | PictureError:
        try:
            return read(sample)
        except PictureError as error:
            return error

    pending = iter(samples)
    ahead: deque[tuple[Sample, Future[_Read | PictureError]]] = deque()
    # How large they are is not known before the first one.
    most = _AT_FIRST
    with ThreadPoolExecutor(_THREADS) as pool:
        while True:
            ahead.extend(
                (sample, pool.submit(attempt, sample)) for sample in islice(pending, max(0, most - len(ahead)))
            )
            if not ahead:
                return
            sample, coming = ahead.popleft()
            found = coming.result()
            if isinstance(found, PictureError):
                _take_down(problems, sample, found)
                continue
            most = min(max(1, BYTES_AHEAD // max(1, found.nbytes)), AT_ONCE)
            yield sample, found


def _take_down(problems: list[Problem], sample: Sample, error: PictureError) -> None:
    """Adds what is wrong with a picture; what is wrong with a volume is said once, not with each of its slices."""
    name = sample.case or sample.name
    problem = Problem(error.kind, name, error.what, error.fix or "It is left out.", "dropped")
    if problems[-1:] != [problem]:
        problems.append(problem)


def _refuse_damage(scores: Tensor) -> None:
    if not bool(scores.isfinite().all()):
        raise CheckpointError(
            "the network's answers are not finite numbers, so its weights are damaged.",
            where="weights",
            fix="Put weights/best.safetensors back, use the run's last weights, or train again.",
        )
