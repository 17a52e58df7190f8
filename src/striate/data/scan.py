"""Reads every picture of a data set once, in threads, and measures it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from striate.data.facts import PictureFacts, measure_pictures, unreadable_facts
from striate.data.scan_cache import ScanCache
from striate.errors import PictureError
from striate.images import KINDS, FileSource, read_header, read_picture
from striate.structures import Picture, Problem, Sample

SCAN_SIDE = 128
"""JPEG files larger than twice this side are measured at a reduced size of at least it, which decodes faster."""

_CHUNK = 256
_BATCH_BYTES = 4 << 20
_ORIENTED_KINDS = ("jpeg", "tiff", "webp", "png")
_EXIF_ORIENTATION = 0x0112

Progress = Callable[[int], None]


def scan_pictures(
    samples: Sequence[Sample],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: bool = True,
) -> list[PictureFacts]:
    """Facts of every picture, in the order of the samples.

    Decoders let other threads run, so threads are enough, and an interruption ends them after the chunk they are at.
    Facts of files are kept in the user's cache folder and used again while path, size and time of change stay.

    Args:
        samples: The pictures.
        workers: Threads; one for each core up to 8 where `None`.
        progress: Called with the number of pictures done since the last call.
        cache: Whether the cache on disk is used.
    """
    facts: list[PictureFacts | None] = [None] * len(samples)
    with ScanCache(cache and any(isinstance(sample.source, FileSource) for sample in samples)) as kept:
        keys = [_file_key(sample) for sample in samples]
        for index, known in kept.get(keys, [sample.name for sample in samples]).items():
            facts[index] = known
        missing = [index for index, known in enumerate(facts) if known is None]
        if progress and len(missing) < len(samples):
            progress(len(samples) - len(missing))
        threads = workers or min(8, _cores())
        size = max(1, min(_CHUNK, -(-len(missing) // (4 * threads))))
        chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
        for chunk, found in _in_threads(chunks, lambda chunk: _scan_chunk([samples[i] for i in chunk]), threads):
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
    """Absolute path, time of change in nanoseconds and size in bytes; `None` for a picture inside an archive."""
    if not isinstance(sample.source, FileSource):
        return None
    try:
        status = sample.source.path.stat()
    except OSError:  # the scan itself will say what is wrong with the file
        return None
    return str(sample.source.path.absolute()), status.st_mtime_ns, status.st_size


def _scan_chunk(samples: Sequence[Sample]) -> list[PictureFacts]:
    facts: dict[int, PictureFacts] = {}
    batches: dict[tuple[object, ...], list[tuple[int, _Read]]] = {}
    for index, sample in enumerate(samples):
        try:
            read = _read(sample)
        except PictureError as error:
            facts[index] = unreadable_facts(sample.name, dropped(sample.name, error))
            continue
        pixels = read.picture.pixels
        key = (pixels.shape, pixels.dtype.name, read.picture.channel_names)
        batch = batches.setdefault(key, [])
        batch.append((index, read))
        if len(batch) * pixels.nbytes >= _BATCH_BYTES:
            facts.update(_measure(samples, batches.pop(key)))
    for batch in batches.values():
        facts.update(_measure(samples, batch))
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
        return _Read(picture, picture.size_hw, _odd_values(sample.name, picture))
    header = read_header(source.path)
    picture = read_picture(source.path, at_least_hw=(SCAN_SIDE, SCAN_SIDE))
    problems = [*_file_problems(source, header.kind, header.notes), *_odd_values(source.name, picture)]
    return _Read(picture, header.size_hw, tuple(problems))


def _measure(samples: Sequence[Sample], batch: list[tuple[int, _Read]]) -> dict[int, PictureFacts]:
    measured = measure_pictures([samples[i].name for i, _ in batch], [read.picture for _, read in batch])
    return {
        index: replace(facts, size_hw=read.size_hw, problems=read.problems + _blank(facts))
        for (index, read), facts in zip(batch, measured, strict=True)
    }


def dropped(name: str, error: PictureError) -> Problem:
    """The problem for a picture that cannot be read and is left out."""
    return Problem(error.kind, name, error.what, error.fix or "Left out.", severity="dropped")


def _file_problems(source: FileSource, kind: str, notes: tuple[str, ...]) -> Iterator[Problem]:
    suffix = source.path.suffix.lower()
    if suffix and suffix not in KINDS.get(kind).suffixes:
        yield Problem(
            "misnamed",
            source.name,
            f"named {suffix}, but the file is {KINDS.get(kind).title}.",
            f"It is read as what it is; rename it to {KINDS.get(kind).suffixes[0]} for other programs.",
        )
    for note in notes:
        yield Problem("frames" if note.startswith("holds") else "converted", source.name, f"{note}.", "Nothing to do.")
    orientation = _orientation(source.path) if kind in _ORIENTED_KINDS else 1
    if orientation != 1:
        yield Problem(
            "orientation",
            source.name,
            f"its EXIF orientation is {orientation}: the pixels are stored turned or mirrored.",
            "It is turned upright when read; programs that ignore EXIF show it otherwise.",
        )


def _orientation(path: Path) -> int:
    try:
        with Image.open(path) as image:
            value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except (
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return 1  # the reader of this kind has opened it; only Pillow cannot
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _odd_values(name: str, picture: Picture) -> tuple[Problem, ...]:
    if picture.pixels.dtype.kind != "f" or np.isfinite(picture.pixels).all():
        return ()
    share = 1.0 - float(np.isfinite(picture.pixels).mean())
    detail = f"{share:.2%} of its values are not finite numbers."
    return (Problem("not-finite", name, detail, "They count as 0; replace them by a value that means something."),)


def _blank(facts: PictureFacts) -> tuple[Problem, ...]:
    if not facts.blank:
        return ()
    values = ", ".join(f"{value:g}" for value in facts.low)
    fix = "It stays in; delete it unless a blank picture means something here."
    return (Problem("blank", facts.name, f"every pixel has the value {values}: there is nothing to see.", fix),)
