"""Looks into a trained network with one picture, and writes what it sees as one page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate import __version__
from striate.errors import RequestError
from striate.inside.network_sections import anatomy_section, channels_section, maps_section
from striate.inside.neuron import NeuronSum, check_unit, neuron_sum
from striate.inside.neuron_sections import learning_section, neuron_section
from striate.inside.reason_sections import (
    Reason,
    excitement_section,
    layer_for_reasons,
    reasons_for,
    reasons_section,
)
from striate.inside.recording import Call
from striate.inside.subject import Subject, open_subject
from striate.pages import Section, callout, fact_list, gallery, render_page, require_writable, thumbnail, write_page
from striate.runs.model import Model
from striate.runs.run import Run
from striate.structures import ClassScores, DetectedObjects, Picture, statement

MOST_LISTED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """What was seen.

    Attributes:
        page: Where the page is.
        neuron: The neuron that was written out.
        explained: What the maps of reasons are about, in words.
        layer: The layer that they look at.
        reasons: The maps, checked.
        seconds: How long it took.
    """

    page: Path
    neuron: NeuronSum
    explained: str
    layer: str
    reasons: tuple[Reason, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the maps."""
        shown = self.neuron
        return {
            "page": str(self.page),
            "neuron": {
                "layer": shown.layer,
                "unit": shown.unit,
                "at": [shown.at_yx[1], shown.at_yx[0]],
                "formula": shown.formula(),
                "sum": shown.total,
                "computed": shown.computed,
                "result": shown.result,
                "steps": [{"layer": step.layer, "kind": step.kind, "value": step.value} for step in shown.steps],
            },
            "explained": self.explained,
            "layer": self.layer,
            "reasons": [
                {
                    "method": reason.method,
                    "follows_weights": reason.randomised.follows_weights,
                    "correlation": reason.randomised.correlation,
                    "matters": reason.curves.matters,
                }
                for reason in self.reasons
            ],
            "seconds": round(self.seconds, 1),
        }


def look_inside(
    run: Model | str | Path,
    picture: str | Path | Picture,
    *,
    layer: str | None = None,
    unit: int | None = None,
    at_xy: tuple[int, int] | None = None,
    class_name: str | None = None,
    data: str | Path | None = None,
    page: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Inside:
    """Opens a trained network up for one picture, down to one neuron's sum.

    Args:
        run: The run, its folder, or a network from elsewhere in layers (`Dissected` in `striate.tools.dissection`).
        picture: A picture file, or a picture.
        layer: Name of a convolution or linear layer to look at closely; the second convolution where not given.
        unit: Feature map in it; the one that says most where not given.
        at_xy: Place in that map, across and down; where the unit says most if not given.
        class_name: The class to explain, and the truth for one step of learning; the network's own answer where not
            given.
        data: Pictures with its classes that are searched for what excites the unit; the run's own where not given.
        page: File for the page; `inside-NAME.html` in the run folder where not given.
        say: Told what goes on.

    Raises:
        RequestError: There is no such run, picture, data, layer, unit, place or class.
        DataError: The data has another task, or classes that the network does not know.
        PictureError: The picture cannot be read.
        StorageError: The page cannot be written.
    """
    began = time.monotonic()
    subject = open_subject(run, picture, data)
    for one in subject.notes:
        say(one.told)
    target = Path(page) if page is not None else subject.run.path / f"inside-{_page_name(subject.name)}.html"
    # Before minutes of work.
    require_writable(target)
    call = subject.recording.find(layer) if layer is not None else _usual_layer(subject)
    if unit is None:
        unit = _strongest_unit(call)
    check_unit(call, unit)
    shown = neuron_sum(subject.recording, call.name, unit, None if at_xy is None else (at_xy[1], at_xy[0]))
    objectives = subject.objectives(class_name)
    if not objectives:
        named = f"{class_name!r}" if class_name else "any class"
        raise RequestError(
            f"the network finds nothing of {named} in this picture, so there is nothing to explain.",
            where=subject.name,
            fix="Name another class, or another picture.",
        )
    say(f"looking for reasons, by five methods with two checks each{subject.waiting_words}")
    reason_layer = layer_for_reasons(subject)
    reasons = reasons_for(subject, objectives[0], reason_layer)
    truth = subject.classes.index(objectives[0].class_name) if objectives[0].class_name in subject.classes else 0
    say("drawing kernels and maps, and searching known pictures for what excites the unit")
    sections = [
        _answer_section(subject),
        channels_section(subject),
        anatomy_section(subject),
        maps_section(subject),
        neuron_section(subject, shown),
        learning_section(subject, call.name, truth, unit),
        excitement_section(subject, call, unit),
        reasons_section(subject, objectives, reasons, reason_layer),
    ]
    text = render_page(
        f"Inside {subject.run.facts.net}",
        [section for section in sections if section is not None],
        lead=f"{subject.name}, seen by {'the run ' if isinstance(subject.run, Run) else ''}{subject.run.path.name}.",
        statement=statement(subject.run.facts.scans),
        footer=f"Written by Striate {__version__}. Values are computed in double precision.",
    )
    written = write_page(text, target)
    return Inside(written, shown, objectives[0].words, reason_layer, tuple(reasons), time.monotonic() - began)


def _usual_layer(subject: Subject) -> Call:
    """The second convolution, whose sums are still short enough to be read; the first where there is one alone."""
    sums = [call for call in subject.recording.of_kind("convolution") if call.given.ndim == 4]
    return sums[min(1, len(sums) - 1)]


def _strongest_unit(call: Call) -> int:
    flat = call.given[0].flatten(1) if call.given.ndim == 4 else call.given[0][:, None]
    return int(flat.amax(1).argmax())


def _answer_section(subject: Subject) -> Section:
    answer = subject.answer
    facts: dict[str, object] = {}
    if isinstance(answer, ClassScores):
        facts |= {name: f"{score:.1%}" for name, score in answer.ranked(MOST_LISTED)}
    elif isinstance(answer, DetectedObjects):
        counted = answer.counts(subject.run.count_from)
        facts |= {name: f"{count} found" for name, count in counted.items()} or {"found": "nothing"}
    else:
        facts |= {name: f"{share:.1%} of the picture" for name, share in answer.ranked(MOST_LISTED)}
    body = [gallery([thumbnail(subject.picture, subject.name, max_side=320)]), fact_list(facts)]
    body += [
        callout("Unlike the pictures of training", f"{one.detail} {one.fix}", tone="warning") for one in subject.notes
    ]
    if len(subject.frames) > 1:
        body.append(
            callout(
                "One tile of several",
                f"The picture is seen in {len(subject.frames)} tiles; this page looks at the one in which it is "
                "surest.",
            )
        )
    return Section("The answer", body)


def _page_name(picture: str) -> str:
    """A picture's name without its suffix, for the page; of a slice with its number, without the `#` of links."""
    name, mark, number = picture.partition("#")
    stem = Path(name).stem
    return f"{stem.removesuffix('.nii')}-{number}" if mark else stem
