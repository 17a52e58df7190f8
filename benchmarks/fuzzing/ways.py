"""Every public way into Striate for a file that may be damaged, and how it may end."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.fuzzing.sources import KINDS, Sound, dicom_series
from striate.data.look import look_anyway
from striate.errors import PictureError, StriateError
from striate.images import read_header, read_picture, read_with_header
from striate.images.volumes import find_volume_kind, read_volume, read_volume_header
from striate.images.volumes.dicom_seg import is_segmentation, read_segmentation
from striate.images.volumes.dicom_series import find_series
from striate.structures import Problem

FOLDER_EVERY = 25
"""One of so many seeds is a whole folder of damaged files, which `striate look` is shown."""

SERIES_EVERY = 5
"""One of so many seeds of DICOM is a series of damaged slices."""

OUT_OF_MEMORY = "asks for more memory than the limit"


@dataclass(slots=True)
class Outcome:
    """What became of one seed.

    Attributes:
        name: The sound file.
        read: Ways that gave something.
        refused: Ways that ended in an error of ours, by its kind.
        faults: Ways that ended otherwise, with what happened.
    """

    name: str
    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def attempt(self, way: Callable[[], object], title: str) -> None:
        """Goes one way."""
        try:
            self.read += way() is not None
        except StriateError as error:
            kind = error.kind if isinstance(error, PictureError) else type(error).__name__
            self.refused[kind] = self.refused.get(kind, 0) + 1
            if "more memory than there is" in error.what:
                # On a larger machine it would have taken it.
                self.faults.append(f"{title}: {OUT_OF_MEMORY} ({_last_calls(error.__context__)})")
        except Exception as error:  # noqa: BLE001 - what is looked for
            self.faults.append(f"{title}: {type(error).__name__}: {str(error)[:120]} ({_last_calls(error)})")


def _last_calls(error: BaseException | None) -> str:
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))


class Fuzz:
    """Damages the sound files of one kind and reads them.

    Args:
        kind: One of `KINDS`.
        data: Folder of the real data sets.
        folder: Where damaged files are written; what lies there is replaced.
    """

    def __init__(self, kind: str, data: Path, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.sounds = list(KINDS[kind](data))
        self.series = dicom_series(data) if kind == "dicom" else []
        if not self.sounds:
            raise FileNotFoundError(f"no {kind} files in {data}")

    def run(self, seed: int) -> Outcome:
        """Makes what belongs to a seed and reads it in all ways."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if seed % FOLDER_EVERY == FOLDER_EVERY - 1:
            return self._folder(seed)
        if self.series and seed % SERIES_EVERY == 0:
            return self._series(seed)
        sound = self._sound(seed)
        path = self._write(sound, seed, self.folder / sound.name)
        outcome = Outcome(sound.name)
        for title, way in (
            ("read_header", read_header),
            ("read_picture", read_picture),
            ("read_with_header", read_with_header),
            ("find_volume_kind", lambda path: find_volume_kind(path) and None),
            ("read_volume_header", read_volume_header),
            ("read_volume", _read_upright),
        ):
            outcome.attempt(partial(way, path), title)
        return outcome

    def _sound(self, seed: int) -> Sound:
        return self.sounds[seed % len(self.sounds)]

    def _write(self, sound: Sound, seed: int, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound.damaged(seed))
        return path

    def _series(self, seed: int) -> Outcome:
        """Damaged slices together; the labels of a SEG on sound and on damaged ones."""
        slices = self.series[seed // SERIES_EVERY % len(self.series)]
        for number, sound in enumerate(slices):
            place = self.folder / "damaged" / sound.name
            self._write(sound, 7919 * seed + number, place)
            (self.folder / "sound").mkdir(exist_ok=True)
            (self.folder / "sound" / sound.name).write_bytes(sound.data)
        outcome = Outcome(slices[0].name)
        problems: list[Problem] = []
        found = find_series(self.folder / "sound")
        outcome.attempt(lambda: found.extend(find_series(self.folder / "damaged", problems)), "find_series")
        for series in found[1:]:
            outcome.attempt(partial(_read_upright, series.path), "read_volume of a series")
        labels = [sound for sound in self.sounds if _is_labels(sound)]
        if labels:
            chosen = labels[seed // SERIES_EVERY % len(labels)]
            path = self._write(chosen, seed, self.folder / chosen.name)
            for series in found:
                outcome.attempt(partial(is_segmentation, path), "is_segmentation")
                outcome.attempt(partial(read_segmentation, path, series), "read_segmentation")
        return outcome

    def _folder(self, seed: int) -> Outcome:
        """Damaged and some sound files in class folders."""
        for number in range(12):
            sound = self._sound(seed + 31 * number)
            place = self.folder / "set" / "ab"[number % 2] / f"{number}-{sound.name}"
            if number % 4:
                self._write(sound, 104_729 * seed + number, place)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(sound.damaged(0) if sound.packed and number % 8 else sound.data)
        outcome = Outcome("folder")
        outcome.attempt(lambda: look_anyway(self.folder / "set").as_text(), "look_anyway")
        return outcome


def _read_upright(path: Path) -> object:
    return read_volume(path).upright()


def _is_labels(sound: Sound) -> bool:
    return b"1.2.840.10008.5.1.4.1.1.66.4" in sound.data[:2000]
