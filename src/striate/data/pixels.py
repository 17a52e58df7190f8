"""From pictures of any size to one array that a network can be fed from.

Training, evaluation and prediction all come through `striate.data.framing.prepare` and `normalise`, so a picture looks
the same to the network wherever it is used.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.data.framing import Pixels, Preparation, as_dtype, prepare
from striate.data.scan_cache import cache_folder
from striate.errors import PictureError, StorageError
from striate.recipe import InputRecipe
from striate.structures import Frames, Problem, Sample, evenly

_FAST_BYTES = 256 << 10
"""So much is copied in less time than another thread needs to hand it over."""

_TURN = 64
_QUEUED = 32

_SAME = 1e-11
"""A variance below this share of the mean square is rounding."""


def normalise(batch: Tensor, recipe: InputRecipe) -> Tensor:
    """Stored values to what the network is fed: `(x / scale - mean) / std`, float32, shape unchanged.

    Args:
        batch: `(N, C, H, W)` of any type.
        recipe: A filled recipe; `mean` and `std` hold one value a channel.
    """
    if recipe.mean is None or recipe.std is None or recipe.scale is None:
        raise ValueError("the recipe has no input.mean, input.std and input.scale yet")
    mean = torch.tensor(recipe.mean, device=batch.device).mul_(recipe.scale).view(1, -1, 1, 1)
    factor = torch.tensor(recipe.std, device=batch.device).mul_(recipe.scale).reciprocal_().view(1, -1, 1, 1)
    return batch.to(torch.float32).sub_(mean).mul_(factor) if batch.dtype != torch.float32 else (batch - mean) * factor


class PixelStore(Protocol):
    """Prepared pixels of a split, read by index."""

    shape: tuple[int, int, int]

    def __len__(self) -> int:
        """Number of pictures."""

    def rows(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Pictures by index: `(n, C, H, W)`, dtype as stored."""

    def copies_fast(self, count: int) -> bool:
        """Whether so many pictures are read sooner than a thread could be asked for them."""


class ArrayStore:
    """Pixels in one array, in memory or memory-mapped.

    Args:
        array: `(N, C, H, W)`.
    """

    def __init__(self, array: Pixels) -> None:
        self.array = array
        self.shape = (int(array.shape[1]), int(array.shape[2]), int(array.shape[3]))

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Pictures by index."""
        return torch.from_numpy(np.take(self.array, indices, axis=0))

    def copies_fast(self, count: int) -> bool:
        """Whether they are small and in memory."""
        on_disk = isinstance(self.array, np.memmap)
        return not on_disk and count * self.array.itemsize * math.prod(self.shape) <= _FAST_BYTES


class StreamingStore:
    """Pixels decoded each time they are asked for, by threads: for sets too large to keep.

    Threads rather than processes: decoders release the interpreter lock, and on few cores worker processes take the
    network's cores. A picture that has become unreadable since the data set was opened is an error that names it.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preparation: Preparation,
        dtype: np.dtype[np.generic],
        frames: Frames | None = None,
    ) -> None:
        self.samples = samples
        self.preparation = preparation
        self.dtype = dtype
        self.frames = frames or Frames.single(len(samples))
        self.shape = (preparation.channels, *preparation.size_hw)
        self._pool = ThreadPoolExecutor(max_workers=_decoder_threads())

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Frames by index."""

        def decode(index: int) -> Pixels:
            picture = int(self.frames.pictures[index])
            tile = index - int(self.frames.positions_of(np.array([picture]))[0])
            shown = islice(prepare(self.samples[picture].read(), self.preparation), tile, None)
            return as_dtype(next(shown), self.dtype)

        return torch.from_numpy(np.stack(list(self._pool.map(decode, indices.tolist()))))

    def copies_fast(self, count: int) -> bool:  # noqa: ARG002 - the signature is the stores'
        """Never: pictures are decoded."""
        return False


def store_pixels(
    samples: Sequence[Sample],
    preparation: Preparation,
    *,
    dtype: np.dtype[np.generic],
    cache: Literal["memory", "disk", "none"],
    frames: Frames | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PixelStore, list[Problem]]:
    """Decodes pictures once, in parallel, and keeps them where `cache` says.

    Args:
        samples: The pictures of one split.
        preparation: Size, channels and fit.
        dtype: Type to keep; pictures of another type are converted by value range.
        cache: "memory", "disk" (a memory-mapped file in Striate's cache folder, found again next time), or "none".
        frames: The frames of the pictures, one row of the store each; one frame a picture where not given.
        progress: Called with pictures done and pictures in all.

    Returns:
        The store, and a problem for every picture that could not be read; its rows are zero and must not be used.

    Raises:
        StorageError: The cache file cannot be written.
    """
    frames = frames or Frames.single(len(samples))
    if cache == "none":
        return StreamingStore(samples, preparation, dtype, frames), []
    shape = (len(frames), preparation.channels, *preparation.size_hw)
    if cache == "memory":
        array: Pixels = np.zeros(shape, dtype=dtype)
        return ArrayStore(array), _fill(array, samples, preparation, frames, progress)
    path = cache_folder() / f"pixels-{_fingerprint(samples, preparation, dtype)}.npy"
    if path.exists():
        return ArrayStore(np.load(path, mmap_mode="r")), []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        mapped = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
        problems = _fill(mapped, samples, preparation, frames, progress)
        mapped.flush()
        del mapped
        if problems:
            array = np.load(partial)
            partial.unlink()
            return ArrayStore(array), problems
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"the pixel cache cannot be written ({error.strerror}).",
            where=path,
            fix="Free some space, set STRIATE_CACHE to another folder, or use --set data.cache=none.",
        ) from error
    return ArrayStore(np.load(path, mmap_mode="r")), problems


def channel_statistics(
    store: PixelStore, scale: float, limit: int = 2048
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of values divided by `scale`, over at most `limit` pictures."""
    picks = evenly(len(store), limit)
    count = 0.0
    total = torch.zeros(store.shape[0], dtype=torch.float64)
    squares = torch.zeros(store.shape[0], dtype=torch.float64)
    for start in range(0, len(picks), 64):
        values = store.rows(picks[start : start + 64]).to(torch.float64).div_(scale)
        total += values.sum(dim=(0, 2, 3))
        squares += values.square().sum(dim=(0, 2, 3))
        count += values.numel() / store.shape[0]
    mean, squares = total / count, squares / count
    variance = squares - mean.square()
    # A constant channel would divide by zero; a floor leaves it at zero instead. Channels whose values are small beside
    # the others' keep their own deviation.
    constant = variance <= _SAME * squares
    std = torch.where(constant, variance.clamp_min(1e-6), variance.clamp_min(0.0)).sqrt()
    return tuple(map(_rounded, mean.tolist())), tuple(map(_rounded, std.tolist()))


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")


def _fill(
    array: Pixels,
    samples: Sequence[Sample],
    preparation: Preparation,
    frames: Frames,
    progress: Callable[[int, int], None] | None,
) -> list[Problem]:
    starts = np.searchsorted(frames.pictures, np.arange(len(samples) + 1))

    def work(index: int) -> Problem | None:
        try:
            for row, pixels in enumerate(prepare(samples[index].read(), preparation), int(starts[index])):
                array[row] = as_dtype(pixels, array.dtype)
        except PictureError as error:
            return Problem(error.kind, samples[index].name, error.what, error.fix or "It is left out.", "dropped")
        return None

    problems: list[Problem] = []
    done = 0
    with ThreadPoolExecutor(max_workers=_decoder_threads()) as pool:
        for found in _in_turns(pool, work, len(samples)):
            problems += [problem for problem in found if problem is not None]
            done += len(found)
            if progress is not None:
                progress(done, len(samples))
    return problems


def _in_turns(
    pool: ThreadPoolExecutor, work: Callable[[int], Problem | None], count: int
) -> Iterator[list[Problem | None]]:
    """The work for each index, some to a task: handing over a small picture takes ten times as long as preparing it."""

    def turn(start: int) -> list[Problem | None]:
        return [work(index) for index in range(start, min(start + size, count))]

    size = max(1, min(_TURN, count // (8 * _decoder_threads())))
    starts = range(0, count, size)
    # Not all at once, so that an interrupt does not wait for a hundred thousand queued pictures.
    for first in range(0, len(starts), _QUEUED):
        yield from pool.map(turn, starts[first : first + _QUEUED])


def _decoder_threads() -> int:
    return min(16, os.cpu_count() or 1)


def _fingerprint(samples: Sequence[Sample], preparation: Preparation, dtype: np.dtype[np.generic]) -> str:
    digest = hashlib.sha256(f"1|{preparation}|{dtype.name}".encode())
    for sample in samples:
        digest.update(repr(sample.source).encode())
        path = getattr(sample.source, "path", None)
        paths = getattr(sample.source, "paths", () if path is None else (path,))
        for path in paths:
            try:
                facts = Path(path).stat()
            except OSError:
                continue
            digest.update(f"{facts.st_size}|{facts.st_mtime_ns}".encode())
    return digest.hexdigest()[:24]
