"""Facts of picture files, kept between runs in the user's cache folder.

The cache may be deleted at any time. Whatever is wrong with it (damaged, locked, a full disk, no permission), the
pictures are read again instead: it never makes a command fail.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from striate.data.facts import COLOUR_SIDE, HISTOGRAM_BINS, THUMBNAIL_SIDE, PictureFacts
from striate.structures import Problem

FileKey = tuple[str, int, int]

_VERSION = 2
"""Raise it whenever what is measured, or how it is stored, changes."""

_LARGEST_BYTES = 2 << 30
_STATISTICS = ("low", "high", "mean", "deviation")


def cache_folder() -> Path:
    """The user's cache folder for Striate: `STRIATE_CACHE`, or the platform's own place."""
    if chosen := os.environ.get("STRIATE_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "striate" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "striate"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "striate"


class ScanCache:
    """Facts by absolute path, time of change and size. Use as a context manager, from one thread."""

    def __init__(self, enabled: bool = True) -> None:
        self._database: sqlite3.Connection | None = _open() if enabled else None

    def __enter__(self) -> ScanCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.commit()
                self._database.close()
            self._database = None

    def get(self, keys: Sequence[FileKey | None], names: Sequence[str]) -> dict[int, PictureFacts]:
        """What is known, by position; facts and their problems get the names given here."""
        found: dict[int, PictureFacts] = {}
        if self._database is None:
            return found
        try:
            for index, key in enumerate(keys):
                if key is None:
                    continue
                query = "SELECT facts FROM facts WHERE path = ? AND changed = ? AND size = ?"
                row = self._database.execute(query, _storable(key)).fetchone()
                facts = None if row is None else _unpack(row[0], names[index])
                if facts is not None:
                    found[index] = facts
        except sqlite3.Error:
            self._give_up()
        return found

    def put(self, keys: Sequence[FileKey | None], facts: Sequence[PictureFacts]) -> None:
        """Keeps the facts of files that could be read."""
        if self._database is None:
            return
        rows = [
            (*_storable(key), _pack(fact))
            for key, fact in zip(keys, facts, strict=True)
            if key is not None and fact.readable
        ]
        try:
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error:
            self._give_up()

    def _give_up(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None


def _storable(key: FileKey) -> FileKey:
    """The key with a path that SQLite can hold: a file name need not be UTF-8."""
    return (os.fsencode(key[0]).decode("utf-8", "backslashreplace"), *key[1:])


def _open() -> sqlite3.Connection | None:
    path = cache_folder() / f"scan-{_VERSION}.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LARGEST_BYTES:
            path.unlink()
        return _connect(path)
    except (OSError, sqlite3.OperationalError):  # no permission, or another process holds it
        return None
    except sqlite3.DatabaseError:  # not a database any more: begin anew
        with suppress(OSError, sqlite3.Error):
            path.unlink(missing_ok=True)
            return _connect(path)
    return None


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0)
    try:
        database.execute(
            "CREATE TABLE IF NOT EXISTS facts (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER, facts BLOB)"
        )
    except sqlite3.Error:
        database.close()
        raise
    return database


def _pack(facts: PictureFacts) -> bytes:
    head = {
        "size_hw": facts.size_hw,
        "channel_names": facts.channel_names,
        "dtype": facts.dtype,
        "digest": facts.digest.hex(),
        "problems": [asdict(problem) for problem in facts.problems],
    }
    statistics = np.stack([getattr(facts, name) for name in _STATISTICS]).astype("<f8")
    return b"".join(
        [
            json.dumps(head).encode(),
            b"\n",
            facts.thumbnail.tobytes(),
            facts.colours.tobytes(),
            statistics.tobytes(),
            facts.histogram.astype("<u4").tobytes(),
        ]
    )


def _unpack(data: bytes, name: str) -> PictureFacts | None:
    """The facts, or `None` where the entry is not what was stored."""
    try:
        head_bytes, _, body = data.partition(b"\n")
        head: dict[str, Any] = json.loads(head_bytes)
        channels = len(head["channel_names"])
        sizes = (THUMBNAIL_SIDE**2, channels * COLOUR_SIDE**2, 4 * channels * 8, channels * HISTOGRAM_BINS * 4)
        edges = np.cumsum(sizes)
        if len(body) != edges[-1]:
            return None
        thumbnail, colours, statistics, histogram = (
            body[edge - size : edge] for edge, size in zip(edges.tolist(), sizes, strict=True)
        )
        values = np.frombuffer(statistics, "<f8").reshape(len(_STATISTICS), channels).astype(np.float64)
        return PictureFacts(
            name=name,
            size_hw=(int(head["size_hw"][0]), int(head["size_hw"][1])),
            channel_names=tuple(head["channel_names"]),
            dtype=str(head["dtype"]),
            digest=bytes.fromhex(head["digest"]),
            thumbnail=np.frombuffer(thumbnail, np.uint8).reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE),
            colours=np.frombuffer(colours, np.uint8).reshape(channels, COLOUR_SIDE, COLOUR_SIDE),
            histogram=np.frombuffer(histogram, "<u4").reshape(channels, HISTOGRAM_BINS).astype(np.uint32),
            problems=tuple(replace(Problem(**problem), path=name) for problem in head["problems"]),
            **dict(zip(_STATISTICS, values, strict=True)),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None
