"""Sections about reasons: what excites a unit, and why the network answered as it did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from torch import Tensor

from striate.inside import attribution, excitement, sanity
from striate.inside.attribution import METHODS, choose_layer, integrated_gradients
from striate.inside.drawing import over, resized
from striate.inside.excitement import maximise_activation, most_exciting, window_in_picture
from striate.inside.network_sections import frame_pixels, normalised_pixels
from striate.inside.objectives import Objective
from striate.inside.recording import Call
from striate.inside.sanity import Curves, Randomised, check_randomised, deletion_and_insertion
from striate.inside.subject import Subject
from striate.pages import Column, Part, Section, Thumbnail, chart, gallery, heading, note, table, thumbnail
from striate.structures import Count, Picture, Placement, Sample

EXCITING = 9
LEAST_SHOWN = 24
"""Pixels a side that are shown at least: what an early layer sees of a picture cannot be recognised alone."""

SIGNED = ("integrated-gradients", "occlusion")


def excitement_section(subject: Subject, call: Call, unit: int) -> Section:
    """The pictures of the run's own data that excite a unit most, cut to what it sees, and one made for it."""
    layer = subject.network.get_submodule(call.name.split("#")[0])
    body: list[str | Part] = [f"Unit {unit} of {call.name}."]
    shown: list[tuple[Sample, Placement]] = []
    found = most_exciting(subject.network, layer, unit, subject.batches(shown), most=EXCITING)
    if found:
        field = next(
            (one.receptive_field_hw for one in subject.anatomy.layers if subject.prefix + one.name == call.name), None
        )
        whose = "the run's own" if subject.data is None else "the given"
        pieces: list[Thumbnail] = []
        for one in found:
            sample, placement = shown[one.index]
            picture = sample.read()
            window = window_in_picture(one.at_yx, call.map_hw, subject.size_hw, field)
            box = placement.boxes_out_of(np.array([window], np.float32))[0]
            pieces.append(thumbnail(_cut(picture, box), f"{one.value:.3g}", detail=sample.name, max_side=128))
        body += [
            heading("The pictures that excite it most"),
            gallery(pieces),
            note(
                f"Of {Count(len(subject.known_pictures)):picture} of {whose} data, each cut to the receptive "
                f"field of the strongest place, and to {LEAST_SHOWN} pixels a side at least."
            ),
        ]
    else:
        body.append("No pictures are at hand that could be searched for what excites it; --data names some.")
    channels, height, width = (int(side) for side in subject.pixels.shape[1:])
    steps = subject.fewer(excitement.ASCENT_STEPS)
    made, values = maximise_activation(subject.network, layer, unit, (channels, height, width), steps=steps)
    own = float(call.given[0, unit].mean())
    body += [
        heading("A picture made for it"),
        gallery([thumbnail(normalised_pixels(made, subject), "made by climbing along the gradient", max_side=220)]),
        *([note("Of its channels the first three are shown, as red, green and blue.")] if channels > 3 else []),
        note(
            f"Its mean over the map rose from {values[0]:.3g} to {values[-1]:.3g} in {len(values)} steps; for your "
            f"picture it is {own:.3g}."
        ),
    ]
    return Section("What excites this unit", body)


def _cut(picture: Picture, box: np.ndarray) -> Picture:
    middle, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, LEAST_SHOWN / 2)
    ends = np.array(picture.size_hw[::-1])
    left, top = np.floor(np.clip(middle - half, 0, ends - 1)).astype(int).tolist()
    right, bottom = np.ceil(np.clip(middle + half, 1, ends)).astype(int).tolist()
    cut = picture.pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    return Picture(cut, picture.channel_names, source=picture.source)


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """One map of reasons and what is to be thought of it.

    Attributes:
        method: Name of the method.
        plane: `(H, W)`.
        randomised: Whether it follows the weights.
        curves: Whether what it marks matters.
    """

    method: str
    plane: Tensor
    randomised: Randomised
    curves: Curves

    @property
    def means_something(self) -> bool:
        """Whether it passed both checks."""
        return self.randomised.follows_weights and self.curves.matters


def reasons_for(subject: Subject, objective: Objective, layer: str) -> list[Reason]:
    """A map by each method, checked."""
    module = subject.network.get_submodule(layer)
    shown = subject.network, subject.pixels, objective
    methods = {name: method for name, (_, method) in METHODS.items()}
    methods["integrated-gradients"] = partial(integrated_gradients, steps=subject.fewer(attribution.STEPS))
    planes = {name: method(*shown, module).cpu() for name, method in methods.items()}
    curves = deletion_and_insertion(list(planes.values()), *shown, steps=subject.fewer(sanity.STEPS))
    shuffles = subject.fewer(sanity.SHUFFLES)
    return [
        Reason(name, planes[name], check_randomised(methods[name], *shown, layer, shuffles=shuffles), own)
        for name, own in zip(planes, curves, strict=True)
    ]


def reasons_section(subject: Subject, objectives: list[Objective], reasons: list[Reason], layer: str) -> Section:
    """Why the first objective has the value that it has; of the next ones a map each."""
    first = objectives[0]
    pixels = frame_pixels(subject)
    shown = [thumbnail(_drawn(pixels), "what the network sees", max_side=200)]
    for reason in reasons:
        drawn = over(pixels, reason.plane.double().numpy(), two_sided=reason.method in SIGNED)
        tone: Literal["good", "bad"] = "good" if reason.means_something else "bad"
        shown.append(thumbnail(_drawn(drawn), reason.method, detail=METHODS[reason.method][0], tone=tone, max_side=200))
    rows = [
        {
            "method": reason.method,
            "correlation": reason.randomised.correlation,
            "deletion": f"{reason.curves.deletion.mean():.3g} ({reason.curves.random_deletion.mean(1).min():.3g})",
            "insertion": f"{reason.curves.insertion.mean():.3g} ({reason.curves.random_insertion.mean(1).max():.3g})",
            "worth": "yes" if reason.means_something else _why_not(reason),
        }
        for reason in reasons
    ]
    columns = [
        Column("method"),
        Column("correlation", "like shuffled weights", ".2f"),
        Column("deletion", "vanishing (least by chance)"),
        Column("insertion", "coming back (most by chance)"),
        Column("worth", "worth"),
    ]
    good = [reason for reason in reasons if reason.means_something]
    verdict = (
        f"{Count(len(good)):map of {len(reasons)} passes|maps of {len(reasons)} pass} both checks: "
        f"{', '.join(reason.method for reason in good)}."
        if good
        else "No map passes both checks: believe none of them for this picture."
    )
    body: list[str | Part] = [
        f"Explained is {first.words}, {first.value:.4g} for this picture. The layer is {layer}, the deepest one whose "
        "maps still say where.",
        gallery(shown),
        verdict,
        table(rows, columns),
        _curve_chart(reasons),
        note(
            "Two checks. With shuffled weights a map must change, else it shows the picture and not what was learned "
            "(Adebayo et al. 2018). And the score must fall faster while what is marked is blurred, and rise faster "
            "while it comes back, than in random orders (Petsiuk et al. 2018). Red speaks for the answer, blue against."
        ),
    ]
    others = objectives[1:3]
    if others:
        body += [heading("Other answers"), gallery(_other_maps(subject, others, layer, pixels))]
    return Section("Why this answer", body)


def _other_maps(subject: Subject, others: list[Objective], layer: str, pixels: np.ndarray) -> list[Thumbnail]:
    module = subject.network.get_submodule(layer)
    found = []
    for objective in others:
        plane = METHODS["grad-cam"][1](subject.network, subject.pixels, objective, module)
        drawn = over(pixels, plane.double().cpu().numpy())
        found.append(thumbnail(_drawn(drawn), objective.words, detail=f"{objective.value:.4g}; grad-cam", max_side=160))
    return found


def _why_not(reason: Reason) -> str:
    if not reason.randomised.follows_weights:
        return "no: ignores the weights"
    return "no: no better than chance"


def _drawn(pixels: np.ndarray) -> np.ndarray:
    """Small frames enlarged, so that a map over them can be seen."""
    return resized(pixels, 200, (int(pixels.shape[1]), int(pixels.shape[2])))


def _curve_chart(reasons: list[Reason]) -> Part:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for reason in reasons:
        shares = reason.curves.shares.tolist()
        figure.add_scatter(x=shares, y=reason.curves.deletion.tolist(), name=reason.method, mode="lines")
    random = reasons[0].curves.random_deletion.mean(0)
    figure.add_scatter(
        x=reasons[0].curves.shares.tolist(), y=random.tolist(), name="random", line={"dash": "dot"}, mode="lines"
    )
    figure.update_xaxes(title="share of the pixels blurred, what is marked most first", tickformat=".0%")
    figure.update_yaxes(title="score")
    return chart(figure, "The score while pixels vanish, a line for each method.", height_px=320)


def layer_for_reasons(subject: Subject) -> str:
    """Name of the layer that maps of reasons look at."""
    name, _ = choose_layer(subject.network, subject.pixels)
    return name.split("#")[0]
