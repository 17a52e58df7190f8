"""Reads every picture of a data set once, in threads, and measures it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.data.facts import PictureFacts, measure_pictures, measure_stack, unreadable_facts
from striate.data.privacy import identity_problems
from striate.data.scan_cache import ScanCache
from striate.errors import PictureError
from striate.images import (
    KINDS,
    ArraySource,
    FileSource,
    Header,
    natural_channel_names,
    read_entries,
    read_with_header,
)
from striate.structures import Picture, Problem, Sample

SCAN_SIDE = 128
"""JPEG files larger than twice this side are measured at a reduced size of at least it, which decodes faster."""

_CHUNK = 256
_BATCH_BYTES = 4 << 20
SMALL_FILE_BYTES = 4096
_KEPT_BYTES = 256 << 20

Progress = Callable[[int], None]


class PictureKeeper:
    """Keeps pictures that were read at full size, while they take little memory in all.

    A set of small pictures is then read once, by the scan, and not a second time for training.

    Args:
        largest_bytes: Bytes of all pictures together; further ones are not kept.
    """

    def __init__(self, largest_bytes: int = _KEPT_BYTES) -> None:
        self._room = largest_bytes
        self._pictures: dict[str, Picture] = {}

    def offer(self, name: str, picture: Picture, size_hw: tuple[int, int]) -> None:
        """Keeps a picture where it has its full size and there is room."""
        if picture.size_hw == size_hw and picture.pixels.nbytes <= self._room:
            self._room -= picture.pixels.nbytes
            self._pictures[name] = picture

    def holding(self, sample: Sample) -> Sample:
        """The sample, with its picture where it was kept."""
        picture = self._pictures.get(sample.name)
        if picture is None or not isinstance(sample.source, FileSource):
            return sample
        return replace(sample, source=replace(sample.source, kept=picture))


def scan_pictures(
    samples: Sequence[Sample],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    keeper: PictureKeeper | None = None,
) -> list[PictureFacts]:
    """Facts of every picture, in the order of the samples.

    Decoders let other threads run, so threads are enough, and an interruption ends them after the chunk they are at.
    Facts of files are kept in the user's cache folder and used again while path, size and time of change stay.

    Args:
        samples: The pictures.
        workers: Threads; one for each core up to 8 where `None`, and only one for small files.
        progress: Called with the number of pictures done since the last call.
        cache: Whether the cache on disk is used.
        keeper: Gets small pictures that were read, so that nobody has to read them again.
    """
    facts: list[PictureFacts | None] = [None] * len(samples)
    with ScanCache(cache and any(isinstance(sample.source, FileSource) for sample in samples)) as kept:
        keys = [_file_key(sample) for sample in samples]
        for index, known in kept.get(keys, [sample.name for sample in samples]).items():
            facts[index] = known
        missing = [index for index, known in enumerate(facts) if known is None]
        if progress and len(missing) < len(samples):
            progress(len(samples) - len(missing))
        # Small pictures are read so fast that threads spend their time waiting for the interpreter.
        small = 2 * sum(keys[index] is None for index in missing) > len(missing)
        threads = workers or (1 if small else min(8, _cores()))
        size = max(1, min(_CHUNK, -(-len(missing) // (4 * threads))))
        chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
        for chunk, found in _in_threads(
            chunks, lambda chunk: _scan_chunk([samples[i] for i in chunk], keeper), threads
        ):
            for index, fact in zip(chunk, found, strict=True):
                facts[index] = fact
            kept.put([keys[index] for index in chunk], found)
            if progress:
                progress(len(chunk))
    return [fact for fact in facts if fact is not None]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _in_threads(
    chunks: list[list[int]], work: Callable[[list[int]], list[PictureFacts]], threads: int
) -> Iterator[tuple[list[int], list[PictureFacts]]]:
    executor = ThreadPoolExecutor(threads, thread_name_prefix="scan")
    try:
        pending: dict[Future[list[PictureFacts]], list[int]] = {executor.submit(work, chunk): chunk for chunk in chunks}
        while pending:
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _file_key(sample: Sample) -> tuple[str, int, int] | None:
    """Absolute path, time of change in nanoseconds and size in bytes; `None` for what is not worth a look-up.

    That is a picture inside an archive, and a file so small that reading it takes no longer than finding its facts.
    """
    if not isinstance(sample.source, FileSource):
        return None
    try:
        status = sample.source.path.stat()
    except OSError:  # the scan itself will say what is wrong with the file
        return None
    if status.st_size < SMALL_FILE_BYTES:
        return None
    return str(sample.source.path.absolute()), status.st_mtime_ns, status.st_size


def _scan_chunk(samples: Sequence[Sample], keeper: PictureKeeper | None = None) -> list[PictureFacts]:
    facts: dict[int, PictureFacts] = {}
    batches: dict[tuple[object, ...], list[tuple[int, _Read]]] = {}
    entries: dict[tuple[Path, str], list[tuple[int, ArraySource]]] = {}
    for index, sample in enumerate(samples):
        if isinstance(sample.source, ArraySource):
            entries.setdefault((sample.source.path, sample.source.key), []).append((index, sample.source))
            continue
        try:
            read = _read(sample)
        except PictureError as error:
            facts[index] = unreadable_facts(sample.name, dropped(sample.name, error))
            continue
        if keeper is not None and isinstance(sample.source, FileSource):
            keeper.offer(sample.name, read.picture, read.size_hw)
        pixels = read.picture.pixels
        key = (pixels.shape, pixels.dtype, read.picture.channel_names)
        batch = batches.setdefault(key, [])
        batch.append((index, read))
        if len(batch) * pixels.nbytes >= _BATCH_BYTES:
            facts.update(_measure(samples, batches.pop(key)))
    for batch in batches.values():
        facts.update(_measure(samples, batch))
    for of_one_array in entries.values():
        indices, sources = zip(*of_one_array, strict=True)
        facts.update(zip(indices, _measure_entries(sources), strict=True))
    return [facts[index] for index in range(len(samples))]


class _Read:
    """A picture as it was read for measuring, its size in the file, and what the file says about itself."""

    __slots__ = ("picture", "problems", "size_hw")

    def __init__(self, picture: Picture, size_hw: tuple[int, int], problems: tuple[Problem, ...]) -> None:
        self.picture = picture
        self.size_hw = size_hw
        self.problems = problems


def _read(sample: Sample) -> _Read:
    source = sample.source
    if not isinstance(source, FileSource):
        picture = sample.read()
        return _Read(picture, picture.size_hw, _odd_values(sample.name, picture.pixels))
    header, picture = read_with_header(source.path, at_least_hw=(SCAN_SIDE, SCAN_SIDE))
    problems = (*_file_problems(source, header), *_odd_values(source.name, picture.pixels))
    return _Read(picture, header.size_hw, problems)


def _measure_entries(sources: Sequence[ArraySource]) -> list[PictureFacts]:
    """Facts of pictures of one array, which need not be taken out one by one."""
    facts: list[PictureFacts] = []
    try:
        size = max(1, _BATCH_BYTES // max(1, sources[0].array()[:1].nbytes))
        for start in range(0, len(sources), size):
            part = sources[start : start + size]
            facts += _measure_stack(part, read_entries(part))
    except PictureError as error:
        # What is wrong with the file, or with the type of its values, is wrong with all of its pictures.
        return [unreadable_facts(source.name, dropped(source.name, error)) for source in sources]
    return facts


def _measure_stack(sources: Sequence[ArraySource], stack: npt.NDArray[Any]) -> list[PictureFacts]:
    names = [source.name for source in sources]
    channel_names = natural_channel_names(stack.shape[1])
    problems = [_odd_values(name, pixels) for name, pixels in zip(names, stack, strict=True)]
    size_hw = int(stack.shape[2]), int(stack.shape[3])
    return measure_stack(names, stack, channel_names, [size_hw] * len(names), problems)


def _measure(samples: Sequence[Sample], batch: list[tuple[int, _Read]]) -> dict[int, PictureFacts]:
    measured = measure_pictures(
        [samples[i].name for i, _ in batch],
        [read.picture for _, read in batch],
        [read.size_hw for _, read in batch],
        [read.problems for _, read in batch],
    )
    return {index: facts for (index, _), facts in zip(batch, measured, strict=True)}


def dropped(name: str, error: PictureError) -> Problem:
    """The problem for a picture that cannot be read and is left out."""
    return Problem(error.kind, name, error.what, error.fix or "Left out.", severity="dropped")


def _file_problems(source: FileSource, header: Header) -> Iterator[Problem]:
    suffix = source.path.suffix.lower()
    kind = KINDS.get(header.kind)
    if suffix and suffix not in kind.suffixes:
        yield Problem(
            "misnamed",
            source.name,
            f"named {suffix}, but the file is {kind.title}.",
            f"It is read as what it is; rename it to {kind.suffixes[0]} for other programs.",
        )
    for note in header.notes:
        yield Problem("frames" if note.startswith("holds") else "converted", source.name, f"{note}.", "Nothing to do.")
    if header.orientation != 1:
        yield Problem(
            "orientation",
            source.name,
            f"its EXIF orientation is {header.orientation}: the pixels are stored turned or mirrored.",
            "It is turned upright when read; programs that ignore EXIF show it otherwise.",
        )
    if not header.pixels_alone:
        yield from identity_problems(source.path, source.name, header.kind)


def _odd_values(name: str, pixels: npt.NDArray[Any]) -> tuple[Problem, ...]:
    if pixels.dtype.kind != "f" or np.isfinite(pixels).all():
        return ()
    share = 1.0 - float(np.isfinite(pixels).mean())
    detail = f"{share:.2%} of its values are not finite numbers."
    return (Problem("not-finite", name, detail, "They count as 0; replace them by a value that means something."),)
