"""`striate predict`: what a trained network says about pictures."""

from __future__ import annotations

import json as json_text
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import JSON_HELP, RUNTIME_HELP, Answer, percent, say, table, tell_scans
from striate.cli.progress import TerminalProgress
from striate.errors import RequestError

if TYPE_CHECKING:
    from striate.runs.answers import AnswerOrder
    from striate.runs.structures import PicturePrediction
    from striate.structures import Prediction, Problem


@dataclass(slots=True)
class _Told:
    """What is kept of the answers until all are there: words and text, since masks of many pictures fill the memory.

    Attributes:
        rows: Picture, and what it shows in words.
        documents: Each answer as JSON, where that was asked for.
    """

    rows: list[tuple[str, str]] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    answers: int = 0
    _voxels: Counter[str] = field(default_factory=Counter)

    def add(self, answer: PicturePrediction, words: str) -> None:
        """Takes down one answer; the slices of a volume share a row, with the size of what was found in all of them."""
        from striate.images.volumes import SliceSource, shared_volume
        from striate.structures import SegmentedPicture

        self.answers += 1
        source, found = answer.source, answer.prediction
        if not isinstance(source, SliceSource) or not isinstance(found, SegmentedPicture):
            self.rows.append((answer.path, words))
            return
        if not self.rows or self.rows[-1][0] != source.volume:
            self._voxels.clear()
            self.rows.append((source.volume, ""))
        pixels = {name: round(share * found.mask.size) for name, share in found.ranked()}
        self._voxels.update(pixels)
        geometry = shared_volume(source.path).geometry
        voxel_ml = math.prod(geometry.spacing_mm) / 1000
        sizes = [
            f"{name} {self._voxels[name] * voxel_ml:.3g} ml"
            if geometry.known
            else f"{name} {self._voxels[name]:,} voxels"
            for name in found.classes[1:]
            if self._voxels[name]
        ]
        self.rows[-1] = (source.volume, ", ".join(sizes) or "nothing found")


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or an exported network.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the answers here, as --as says.")] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="What --out gets: overlays (the default; of volumes volumes), json, csv, coco, masks or volumes; "
            "repeatable.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to name for each picture, the likeliest first.")] = 3,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Leave out objects below this score. Counts, overlays and masks leave out those below the score at "
            "which precision and recall balanced best in validation.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the run's own.")] = None,
    runtime: Annotated[str | None, typer.Option(metavar="NAME", help=RUNTIME_HELP)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> Answer:
    """Asks a trained network about pictures.

    With `--out` answers are written as they come, as one or several kinds of files. `overlays` draws each answer into
    its picture. `json` is answers.json, the list that `--json` prints. `csv` is answers.csv, with a row for each object
    or each class of a picture. `coco` is coco.json: COCO's lists, with a score for each object. `masks` is a folder
    with a PNG for each picture that holds the class of each pixel, or the number of its object, and a table of these.
    `volumes` is a label volume for each volume, on its own grid: NAME_seg.nii.gz for NIfTI, DICOM SEG for a series.

    Pictures that cannot be read are named and left out. So are pictures that `--out` wrote, where it lies inside the
    folder that is searched; give one by name to ask about it all the same.

    Example:
        striate predict runs/photos cat.jpg
        striate predict runs/photos new/ --out answers/ --top 1
        striate predict runs/cells new/ --out answers/ --as coco --as csv
        striate predict runs/photos new/ --runtime auto
        striate predict runs/brains patient7.nii.gz --out answers/
    """
    from striate.runs.answers import AnswerFiles, AnswerOrder
    from striate.runs.model import tell_unread
    from striate.structures import plural
    from striate.tools.exported import open_model

    if kinds and out is None:
        raise RequestError("says what to write, and nothing says where.", where="--as", fix="Add --out DIR.")
    trained = open_model(run, device, runtime=runtime, say=say)
    problems: list[Problem] = []
    told = _Told()
    order = AnswerOrder(out or Path(), trained.task.name, trained.classes, paths, top, min_score, trained.count_from)
    wanted = (kinds or [_usual_kind(trained.task.name, paths)]) if out is not None else []
    with TerminalProgress() as progress, AnswerFiles(wanted, order) as files:
        for answer in trained.predict_each(paths, problems):
            kept = answer if min_score is None else answer.surer_than(min_score)
            files.add(kept)
            told.add(kept, _words(kept.prediction, top, order.drawn_from))
            if json:
                told.documents.append(_as_text(kept, top))
            progress.part("pictures answered", told.answers, 0)
    tell_unread(problems, told.answers, say)
    if out is not None:
        say(f"Answers for {plural(told.answers, 'picture')} are in {out}: {', '.join(dict.fromkeys(wanted))}.")
    return Answer(
        map(json_text.loads, told.documents), lambda console: _show(told.rows, order, trained.facts.scans, console)
    )


def _usual_kind(task: str, paths: Sequence[Path]) -> str:
    """What is written where nobody says: label volumes for volumes, drawings for pictures."""
    from striate.formats.volumes.files import look_for_volumes
    from striate.formats.volumes.found import looks_like_dicom_volumes
    from striate.images.volumes import find_volume_kind

    def holds_volumes(path: Path) -> bool:
        if find_volume_kind(path) is not None:
            return True
        return path.is_dir() and (bool(look_for_volumes(path).all) or looks_like_dicom_volumes(path))

    return "volumes" if task == "segmentation" and all(map(holds_volumes, paths)) else "overlays"


def _as_text(answer: PicturePrediction, top: int) -> str:
    from striate.runs.files import plain

    return json_text.dumps(plain(answer.as_dict(top)))


def _words(answer: Prediction, top: int, count_from: float) -> str:
    """What a picture shows: how many objects of each class, or the likeliest classes."""
    from striate.structures import DetectedObjects

    if isinstance(answer, DetectedObjects):
        counted = answer.counts(count_from)
        return ", ".join(f"{count:,} {name}" for name, count in counted.items()) or "nothing found"
    return ", ".join(f"{name} {percent(value)}" for name, value in answer.ranked(top))


def _show(rows: Sequence[tuple[str, str]], order: AnswerOrder, scans: bool, console: Console) -> None:
    shown = table("picture", "answer")
    for path, words in rows:
        shown.add_row(path, words)
    console.print(shown)
    if order.task in ("detection", "instances"):
        console.print(f"Objects are counted from a score of {order.drawn_from:g} on; --min-score changes that.")
    tell_scans(console, scans)
