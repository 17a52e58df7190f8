"""What is in this folder: the answer of `striate look`."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.data.channel_facts import ChannelLook, look_at_channels
from striate.data.dataset import Dataset
from striate.data.look_objects import ObjectLook, look_at_objects
from striate.data.refused import survey_refused
from striate.data.splits import class_counts
from striate.data.survey import Found, SplitWishes, Survey, survey_data
from striate.data.volume_facts import VolumeLook, look_at_volumes
from striate.errors import DataError
from striate.formats import FORMATS
from striate.structures import Count, Problem

CUT = "..."
"""Stands where there is more than fits on the screen, at the beginning or end of a line."""

_CLASS_LINES = 10
_PROBLEM_LINES = 7
_REST_LINES = 2
_SPOILING = ("leakage", "conflicting-labels", "nothing-to-find", "unknown-label")
"""Kinds of problems that make wrong what is learned or measured."""

_SCREEN = 24
_INDENT = 11
_FEWEST_NOTES = 2
_FEWEST_LETTERS = 20
"""Of what is wrong with a file, behind its path."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in a data set.

    Attributes:
        survey: The data set and what was measured of it.
        refused: Why training refuses it; `None` where it does not. What stands in the survey is then what was found
            until there, with pictures that cannot be read still counted, and splits only where the folder gives them.
        channels: What each channel is by itself, where somebody asked.
        volumes: Volumes in the folder, where there are some.
    """

    survey: Survey
    refused: DataError | None = None
    channels: ChannelLook | None = None
    volumes: VolumeLook | None = None

    @property
    def dataset(self) -> Dataset:
        """The data set."""
        return self.survey.dataset

    @property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """Pictures of each class, by split."""
        data = self.dataset
        return {
            name: dict(zip(data.classes, class_counts(labels, len(data.classes)).tolist(), strict=True))
            for name, labels in self.survey.labels.items()
        }

    @property
    def objects(self) -> ObjectLook | None:
        """What there is to say about boxes or masks; `None` where there are none."""
        return look_at_objects(self.survey)

    def problems_by_kind(self) -> dict[str, list[Problem]]:
        """Problems of each kind: first those for which pictures were left out, then those that spoil what is learned or
        measured, rare kinds before common ones.
        """
        kinds: dict[str, list[Problem]] = {}
        for problem in self.dataset.problems:
            kinds.setdefault(problem.kind, []).append(problem)

        def rank(kind: str) -> tuple[bool, bool, int]:
            return kinds[kind][0].severity != "dropped", kind not in _SPOILING, len(kinds[kind])

        return {kind: kinds[kind] for kind in sorted(kinds, key=rank)}

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        data, objects = self.dataset, self.objects
        answer: dict[str, Any] = {
            "path": str(data.root),
            "task": data.task or None,
            "format": data.format,
            "classes": list(data.classes),
            "class_counts": self.class_counts,
            "objects": objects and objects.objects_as_dict(),
            "pixels": objects and objects.pixels_as_dict(),
            "splits": {name: len(samples) for name, samples in data.splits.items()},
            "given_splits": list(data.given),
            "images": data.images,
            "channels": data.channels,
            "channel_names": list(data.channel_names),
            "channel_facts": self.channels and self.channels.as_dict(),
            "volumes": self.volumes and self.volumes.as_dict(),
            "bit_depth": data.bit_depth,
            "median_size_hw": list(data.median_size_hw),
            "sizes": len(data.sizes_hw),
            "duplicate_sets": len(self.survey.duplicates),
            "problems": [problem.as_dict() for problem in data.problems],
            "notes": list(data.notes),
            "scans": data.scans,
            "refused": None,
        }
        if self.refused is not None:
            error = self.refused
            answer["refused"] = {"message": error.what, "where": error.where, "fix": error.fix}
        if not self._looked_at:
            answer |= dict.fromkeys(("channels", "channel_names", "bit_depth", "median_size_hw", "sizes"))
        return answer

    @property
    def _looked_at(self) -> bool:
        """Whether any picture was read."""
        return any(fact.readable for facts in self.survey.facts.values() for fact in facts)

    def as_text(self, width: int | None = None) -> str:
        """The answer on one screen.

        Args:
            width: Characters in a line; those of the terminal, or 80, where `None`.
        """
        columns = width or shutil.get_terminal_size((80, 24)).columns
        found = self._lines(max(40, columns))
        if self.channels is not None:
            from striate.data.channel_lines import channel_lines

            found = [*found, *channel_lines(self.channels, max(60, columns))]
        return "\n".join(found)

    def _lines(self, width: int) -> list[str]:
        data = self.dataset
        name = data.root.resolve().name
        form = _entry("format", f"{data.format}: {FORMATS.get(data.format).title}", width, 2)
        if data.task:
            counts = f"{Count(data.images):picture}, {Count(len(data.classes)):class|classes}"
            head = [f"{name}: {data.task}, {counts}", *form]
            head += _entry("pictures", self.describe_pictures(), width, 2)
            head += _entry("splits", self.describe_splits(), width, 2)
        else:
            head = [f"{name}: its annotation cannot be used", *form]
        objects = self.objects
        for number, sentence in enumerate(self.volumes.sentences() if self.volumes else ()):
            head += _entry("" if number else "volumes", sentence, width, 3)
        for title, sentence in objects.sentences() if objects else ():
            head += _entry(title, sentence, width, 2)
        notes = [line for note in data.notes for line in _entry("", note, width, 2)]
        found = len(self.problems_by_kind())
        kinds = max(1, found) if found <= _PROBLEM_LINES else _PROBLEM_LINES - 1 + _REST_LINES
        classes = list(self._class_lines(width, max(4, min(_CLASS_LINES, _SCREEN - 1 - len(head) - kinds)), objects))
        for most in (4, 3, 2, 1):  # problems get the room that is left
            problems = list(self._problem_lines(width, most))
            if len(head) + min(len(notes), _FEWEST_NOTES) + len(classes) + len(problems) <= _SCREEN:
                break
        lines = [*head, *notes[: max(0, _SCREEN - len(head) - len(classes) - len(problems))], *classes, *problems]
        if self.refused is None:
            return lines
        place = "" if self.refused.where in (None, str(data.root)) else f"{self.refused.where}: "
        return [*lines, *_entry("refused", f"{place}{self.refused.what} {self.refused.fix}", width, _SCREEN)]

    def describe_pictures(self) -> str:
        """Sizes, channels and bit depth in words."""
        if not self._looked_at:
            return "none could be read" if any(self.survey.facts.values()) else "not looked at"
        data = self.dataset
        height, width = data.median_size_hw
        sizes = f"{height} x {width} pixels"
        if len(data.sizes_hw) > 1:
            usual, count = next(iter(data.sizes_hw.items()))
            most = count >= 0.9 * data.images
            sizes = (
                f"{usual[0]} x {usual[1]} pixels, {data.images - count} otherwise"
                if most
                else f"{len(data.sizes_hw)} sizes around {sizes}"
            )
        plural = "s" if data.channels > 1 else ""
        return f"{sizes}; {data.channels} channel{plural} ({', '.join(data.channel_names)}); {data.bit_depth} bit"

    def describe_splits(self) -> str:
        """Splits with their numbers of pictures, in words."""
        data = self.dataset
        sizes = ", ".join(
            f"{name} {len(samples)} ({'given' if name in data.given else 'made'})"
            for name, samples in data.splits.items()
        )
        if self.refused is not None:
            return ", ".join(f"{name} {len(samples)}" for name, samples in data.splits.items())
        return sizes if data.splits.get("test") else f"{sizes}; no test split"

    def _class_lines(self, width: int, most: int, objects: ObjectLook | None) -> Iterator[str]:
        totals = Counter[str]()
        for counts in self.class_counts.values():
            totals.update(counts)
        names = list(self.dataset.classes)
        if not names:
            return
        hidden = 0
        if len(names) > most:
            ranked = sorted(names, key=lambda name: -totals[name])
            hidden = len(names) - most + 1
            names = ranked[: most - 2] + ranked[-1:]
        longest = min(24, max(len(name) for name in names))
        largest = max(1, *totals.values())
        heading, texts = objects.columns(totals) if objects else ("", _right_aligned(totals, names))
        room = max(4, width - _INDENT - longest - len(texts[names[0]]) - 3)
        title = "classes"
        if heading:
            yield f"  {title:<{_INDENT - 2}}{'':<{longest}}  {heading}"
            title = ""
        for number, name in enumerate(names):
            if hidden and number == len(names) - 1:
                yield from _entry("", f"{CUT} {hidden} more classes, the smallest:", width)
            bar = "#" * max(1 if totals[name] else 0, round(room * totals[name] / largest))
            label = textwrap.shorten(name, longest, placeholder="...") if len(name) > longest else name
            yield f"  {title:<{_INDENT - 2}}{label:<{longest}}  {texts[name]} {bar}".rstrip()
            title = ""

    def _problem_lines(self, width: int, most: int) -> Iterator[str]:
        kinds = self.problems_by_kind()
        if not kinds:
            yield from _entry("problems", "none found" if self.refused is None else "none besides", width)
        title = "problems"
        for number, (kind, problems) in enumerate(kinds.items()):
            if number == _PROBLEM_LINES - 1 and len(kinds) > _PROBLEM_LINES:
                rest = ", ".join(f"{len(more)} {name}" for name, more in list(kinds.items())[number:])
                yield from _entry("", f"{CUT} and {Count(len(kinds) - number):kind} more: {rest}", width, _REST_LINES)
                return
            first = problems[0]
            left_out = ", left out" if first.severity == "dropped" else ""
            head = f"{len(problems)} {kind}{left_out}: "
            lines = _entry(title, f"{head}{first.path}: {first.detail}", width, most)
            if first.path in ("", ".") or first.path in first.detail or not _tells(lines, first.path):
                # A long path would leave no room for what is wrong; the page and --json hold both.
                lines = _entry(title, head + first.detail, width, most)
            yield from lines
            title = ""


def _right_aligned(counts: Mapping[str, int], names: Sequence[str]) -> dict[str, str]:
    digits = max(len(str(counts[name])) for name in names)
    return {name: f"{counts[name]:>{digits}}" for name in names}


def _tells(lines: Sequence[str], path: str) -> bool:
    """Whether there was room for more than a path, which may be broken over lines."""
    shown = "".join("".join(lines).split())
    _, found, rest = shown.partition("".join(f"{path}:".split()))
    return bool(found) and (not shown.endswith(CUT) or len(rest) >= _FEWEST_LETTERS)


def _entry(title: str, text: str, width: int, most: int = 1) -> list[str]:
    """Some lines with a title before the first; what does not fit is cut."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {title:<{_INDENT - 2}}",
        subsequent_indent=" " * _INDENT,
        max_lines=most,
        placeholder=f" {CUT}",
        break_on_hyphens=False,
    )


def look(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    validation_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 0,
    channels: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Look:
    """Says what is in a folder or file of pictures, as training would use it.

    Arguments and errors are those of `striate.data.open_dataset`, and `channels`: the rule of the channels that are
    looked at one by one, "all" for all; none are where not given.
    """
    seen = look_anyway(
        path,
        task=task,
        format=format,
        wishes=SplitWishes(validation_share, test_share, seed),
        channels=channels,
        progress=progress,
    )
    if seen.refused is not None:
        raise seen.refused
    return seen


def look_anyway(
    path: str | Path,
    *,
    task: str | None = None,
    format: str | None = None,
    wishes: SplitWishes | None = None,
    channels: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Look:
    """Says what is in a folder or file of pictures, also where training refuses it.

    Arguments are those of `striate.data.survey.survey_data`, and `channels` of `look`.

    Raises:
        RequestError: The rule of channels does not fit the pictures.
        DataError: Not even its format could be told.
        UnknownNameError: No such format or task.
    """
    found = Found()
    try:
        survey = survey_data(path, task=task, format=format, wishes=wishes, progress=progress, found=found)
    except DataError as error:
        volumes = look_at_volumes(Path(path))
        return Look(_with_problems(survey_refused(path, format, found, error), volumes), error, volumes=volumes)
    seed = wishes.seed if wishes else 0
    samples = survey.dataset.samples
    patients = {sample.case: sample.group or sample.case for sample in samples if sample.case}
    return Look(
        survey,
        channels=None if channels is None else look_at_channels(survey.dataset, channels, seed=seed),
        volumes=look_at_volumes(Path(path), patients) if patients else None,
    )


def _with_problems(survey: Survey, volumes: VolumeLook | None) -> Survey:
    """What is wrong with volumes, where nobody has told it yet."""
    told = {(problem.kind, problem.path) for problem in survey.dataset.problems}
    new = [one for one in (volumes.problems if volumes else ()) if (one.kind, one.path) not in told]
    return replace(survey, dataset=replace(survey.dataset, problems=(*survey.dataset.problems, *new)))


def write_look_page(seen: Look, path: str | Path) -> Path:
    """Writes what was seen as one page of HTML that works offline, and returns its path.

    Raises:
        StorageError: The file cannot be written.
    """
    from striate.data.look_page import build_look_page
    from striate.pages import write_page

    return write_page(build_look_page(seen), path)
