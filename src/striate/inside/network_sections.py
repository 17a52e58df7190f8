"""Sections about the picture and the network: its channels, its layers, their kernels and feature maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from striate.inside.drawing import kernels_in_colour, mosaic, over
from striate.inside.fields import EffectiveField, effective_field
from striate.inside.maps import Scale, maps_of
from striate.inside.recording import Call
from striate.inside.subject import Subject
from striate.networks import Backbone
from striate.networks.activity import Activity, measure_activity
from striate.networks.anatomy import Layer
from striate.networks.kernels import Kernels
from striate.networks.spatial import backbone_of
from striate.pages import (
    CHANNEL_COLORS,
    NEUTRAL_COLOR,
    Column,
    Part,
    Section,
    chart,
    details,
    display_pixels,
    fact_list,
    format_number,
    gallery,
    heading,
    note,
    plain_picture,
    table,
    thumbnail,
)
from striate.structures import Count, FeatureSpec

MOST_MAP_PIXELS, ALL_MAP_PIXELS = 900_000, 15_000_000
"""Pixels of the feature maps of a layer, and of all layers of a page, which sets how large each is drawn."""

LEAST_SIDE, MOST_SIDE = 14, 96
MOST_KERNELS = 16
MATRIX_SIDE = 160
"""Side of kernels of 1 x 1 as one matrix, in pixels."""

FIELD_PICTURES = 6


def channels_section(subject: Subject) -> Section:
    """The picture's channels one by one, and what the first layer does with each."""
    from plotly import graph_objects

    pixels, names = subject.picture.pixels, subject.picture.channel_names
    pieces = [thumbnail(subject.picture, "all channels", max_side=200)]
    figure = graph_objects.Figure()
    for plane, name in zip(pixels, names, strict=True):
        pieces.append(thumbnail(plane[None], name, detail=f"from {plane.min():g} to {plane.max():g}", max_side=200))
        counts, edges = np.histogram(plane[np.isfinite(plane)], 64)
        figure.add_scatter(
            x=((edges[:-1] + edges[1:]) / 2).tolist(),
            y=(counts / counts.sum()).tolist(),
            name=name,
            mode="lines",
            line={"color": CHANNEL_COLORS.get(name, NEUTRAL_COLOR), "shape": "hvh"},
        )
    figure.update_xaxes(title="value of a pixel")
    figure.update_yaxes(title="share of the pixels", rangemode="tozero", tickformat=".0%")
    first = next(call for call in subject.recording.calls.values() if call.kind == "convolution")
    return Section(
        "Channels",
        [
            gallery(pieces),
            chart(figure, "Share of pixels by value, a line for each channel.", height_px=300),
            *_first_layer(subject, first),
        ],
    )


def _first_layer(subject: Subject, first: Call) -> list[Part]:
    """How much of what the first layer adds up comes from each channel."""
    shares = channel_shares(first)
    names = subject.run.facts.channel_names or subject.picture.channel_names
    named = names if len(names) == len(shares) else tuple(f"channel {index}" for index in range(len(shares)))
    rows = [{"channel": name, "share": share} for name, share in zip(named, shares, strict=True)]
    return [
        heading(f"What {first.name} does with each"),
        table(
            rows,
            [Column("channel"), Column("share", "of what its kernels add up", ".1%")],
            caption="Mean size of the sums that each channel's part of the kernels gives for this picture, all units "
            "and places together.",
        ),
    ]


def channel_shares(first: Call) -> list[float]:
    """Share of each channel in the sums of the first layer: mean size of its part, for the recorded picture."""
    kernels = first.kernels
    assert kernels is not None
    weight = kernels.weight.detach().double()
    sizes = []
    for channel in range(int(first.taken.shape[1])):
        alone = torch.zeros_like(first.taken)
        alone[:, channel] = first.taken[:, channel]
        given = nn.functional.conv2d(
            alone, weight, None, kernels.stride, kernels.before, kernels.dilation, kernels.groups
        )
        sizes.append(float(given.abs().mean()))
    total = sum(sizes) or 1.0
    return [size / total for size in sizes]


def anatomy_section(subject: Subject) -> Section:
    """Stages with their shapes, parameters, work, memory and receptive fields, computed and measured."""
    anatomy = subject.anatomy
    backbone = backbone_of(subject.network)
    spec = _spec(subject)
    fields = measured_fields(subject)
    head = sum(weight.numel() for weight in subject.network.parameters()) - sum(
        weight.numel() for weight in backbone.parameters()
    )
    facts = {
        "network": subject.run.facts.net,
        "parameters": sum(weight.numel() for weight in subject.network.parameters()),
        "multiplications for one picture": anatomy.macs,
        "layers with weights, on the longest path": anatomy.depth,
        "feature maps of one picture": f"{memory_mib(anatomy.layers):.1f} MiB in 32 bits",
    }
    if head:
        facts["parameters of the head for this task"] = head
    stages = " → ".join(f"{stage.name} ({stage.channels} maps, 1/{stage.stride})" for stage in spec.stages)
    rows = [
        {
            "layer": subject.prefix + layer.name,
            "kind": layer.kind,
            "shape": " x ".join(map(str, layer.output_shape)),
            "parameters": layer.parameters,
            "macs": layer.macs,
            "memory": 4 * int(np.prod(layer.output_shape)) / 1024,
            "field": _field_words(layer),
            "measured": fields[layer.name].side if layer.name in fields else None,
        }
        for layer in anatomy.layers
    ]
    columns = [
        Column("layer"),
        Column("kind"),
        Column("shape"),
        Column("parameters"),
        Column("macs", "multiplications"),
        Column("memory", "KiB", ".0f"),
        Column("field", "receptive field"),
        Column("measured", "measured"),
    ]
    pictures = [
        thumbnail(_field_pixels(field, subject), name, detail=f"{field.side} pixels a side", max_side=200)
        for name, field in fields.items()
    ]
    return Section(
        "Anatomy",
        [
            fact_list(facts),
            f"Stages: {stages}.",
            gallery(pictures),
            note(
                "Measured fields: how much the middle of the stage's last map depends on each pixel, by gradients over "
                f"{Count(FIELD_PICTURES):picture}; the side of the square that holds 95 % of it (Luo et al. 2016). "
                "What a place could see by the sizes of kernels and strides is larger than what it does see."
            ),
            details(f"All {len(rows)} layers", table(rows, columns)),
        ],
    )


def measured_fields(subject: Subject) -> dict[str, EffectiveField]:
    """Effective receptive fields of the last layer of each stage, by its name in `anatomy`."""
    backbone = backbone_of(subject.network)
    pictures = [subject.pixels]
    for batch in subject.batches():
        pictures += [batch[row : row + 1] for row in range(len(batch))][: FIELD_PICTURES - len(pictures)]
        break
    modules = dict(backbone.named_modules())
    return {
        name: effective_field(subject.network, modules[name], pictures)
        for name in stage_ends(subject)
        if name in modules
    }


def stage_ends(subject: Subject) -> list[str]:
    """What gives the maps of each stage: the last layer with their shape, or the module that the stage is named after.

    Shapes are those that really come out: without padding they are smaller than size over stride.
    """
    backbone = backbone_of(subject.network)
    assert isinstance(backbone, Backbone)
    with torch.inference_mode():
        maps = backbone.forward_features(subject.pixels)
    # Layers of a backbone's own class scores do not run in a network for boxes or masks.
    last = {
        layer.output_shape: layer.name
        for layer in subject.anatomy.layers
        if layer.stride_hw is not None and f"{subject.prefix}{layer.name}" in subject.recording.calls
    }
    layers = {layer.name for layer in subject.anatomy.layers}
    # The maps of an inception module are put together from those of several layers.
    ends = (name if name in layers else last.get(tuple(one.shape[1:]), name) for name, one in maps.items())
    return list(dict.fromkeys(ends))


def _spec(subject: Subject) -> FeatureSpec:
    backbone = backbone_of(subject.network)
    assert isinstance(backbone, Backbone)
    return backbone.feature_spec


def memory_mib(layers: tuple[Layer, ...]) -> float:
    """Room that all feature maps of one picture take in 32 bits, in MiB."""
    return sum(4 * int(np.prod(layer.output_shape)) for layer in layers) / 2**20


def _field_words(layer: Layer) -> str:
    if layer.receptive_field_hw is None:
        return "all of it"
    return f"{layer.receptive_field_hw[0]} x {layer.receptive_field_hw[1]}"


def _field_pixels(field: EffectiveField, subject: Subject) -> npt.NDArray[np.uint8]:
    return over(frame_pixels(subject), field.weight**0.5)


def frame_pixels(subject: Subject) -> npt.NDArray[np.uint8]:
    """What the network is shown, as a screen can show it: `(3, H, W)`."""
    return normalised_pixels(subject.pixels[0], subject)


def normalised_pixels(frame: torch.Tensor, subject: Subject) -> npt.NDArray[np.uint8]:
    """Normalised pixels `(C, H, W)` brought back to grey levels or colours: `(3, H, W)`."""
    recipe = subject.run.recipe.input
    mean = torch.tensor(recipe.mean).view(-1, 1, 1)
    std = torch.tensor(recipe.std).view(-1, 1, 1)
    shares = frame.cpu().float() * std + mean
    if subject.run.facts.dtype == "uint8":
        # Networks from elsewhere may take stored values as they are, whose scale is 1.
        stored = (shares * (recipe.scale or 1)).round().clamp(0, 255)
        shown, _ = display_pixels(stored.to(torch.uint8).numpy(), subject.run.facts.channel_names)
    else:
        shown, _ = display_pixels(shares.clamp(0, 1).numpy(), subject.run.facts.channel_names)
    return np.repeat(shown[None], 3, 0) if shown.ndim == 2 else np.ascontiguousarray(np.moveaxis(shown, -1, 0))


def maps_section(subject: Subject) -> Section:
    """Every convolution's kernels and feature maps, before and after the activation, and every pooling."""
    activities = {activity.name: activity for activity in measure_activity(subject.network, _pictures(subject))}
    body: list[str | Part] = [
        "Each layer's maps are drawn at one scale, stated above them, so that they can be compared.",
        *_dead_words(list(activities.values())),
    ]
    calls = subject.recording.of_kind("convolution", "pooling")
    sets = sum(1 + (call.kind == "pooling") + len(subject.recording.following(call.name)) for call in calls)
    room = min(MOST_MAP_PIXELS, ALL_MAP_PIXELS // max(1, sets))
    for index, call in enumerate(calls):
        body.append(details(_title(call), _layer_parts(subject, call, activities, room), opened=index == 0))
    return Section("Kernels and feature maps", body)


def _pictures(subject: Subject) -> list[torch.Tensor]:
    return [subject.pixels, *subject.batches()]


def _dead_words(activities: list[Activity]) -> list[str | Part]:
    if not activities:
        return []
    rows = [
        {
            "layer": activity.name,
            "activation": activity.kind,
            "units": len(activity.largest),
            "dead": len(activity.dead),
            "zeros": activity.zeros,
            "saturated": activity.saturated,
        }
        for activity in activities
    ]
    columns = [
        Column("layer"),
        Column("activation"),
        Column("units"),
        Column("dead", "dead units"),
        Column("zeros", "zeros", ".1%"),
        Column("saturated", "saturated", ".1%"),
    ]
    dead, units = sum(row["dead"] for row in rows), sum(row["units"] for row in rows)  # type: ignore[misc]
    pictures = activities[0].pictures
    words = f"Of {units} units behind activations {Count(dead):is|are} dead: the same value everywhere in "
    return [
        words + f"{Count(pictures):picture}.",
        details("Zeros, saturated values and dead units of every activation layer", table(rows, columns)),
    ]


def _title(call: Call) -> str:
    height, width = call.map_hw
    return f"{call.name}: {type(call.module).__name__}, {Count(call.units):map} of {height} x {width}"


def _layer_parts(subject: Subject, call: Call, activities: dict[str, Activity], room: int) -> list[str | Part]:
    body: list[str | Part] = []
    if call.kernels is not None:
        body += kernel_parts(call, call.kernels)
    if call.kind == "pooling":
        body += _map_parts(f"Before {call.name}", call.taken[0].numpy(), room)
    body += _map_parts(f"What {call.name} gives", maps_of(call), room)
    for step in subject.recording.following(call.name):
        words = f"After {step.name} ({type(step.module).__name__})"
        body += _map_parts(words, maps_of(step), room, _activity_words(activities.get(step.name.split("#")[0])))
    return body


def _activity_words(activity: Activity | None) -> str:
    if activity is None:
        return ""
    words = f"{activity.zeros:.0%} of all values are zero"
    if activity.saturated is not None:
        words += f", {activity.saturated:.0%} are saturated"
    return f"{words}; {Count(len(activity.dead)):unit is|units are} dead."


def _map_parts(title: str, planes: npt.NDArray[np.float64], room: int, more: str = "") -> list[str | Part]:
    scale = Scale.of(planes)
    side = int(np.clip((room / len(planes)) ** 0.5, LEAST_SIDE, MOST_SIDE))
    shown = plain_picture(
        mosaic(planes, scale, side), f"{title}: {Count(len(planes)):map}.", f"{scale}. {more}".strip()
    )
    return [heading(title), shown]


def kernel_parts(call: Call, kernels: Kernels) -> list[str | Part]:
    """A layer's kernels: in colour where they see red, green and blue, else plane by plane at one scale."""
    weight = kernels.weight.detach().double().numpy()
    units, depth, high, wide = weight.shape
    size = f"{Count(units):kernel} of {depth} x {high} x {wide}, {format_number(weight.size)} weights"
    if depth == 3 and high > 1:
        drawn = kernels_in_colour(weight, 40)
        return [heading(f"Kernels of {call.name}"), plain_picture(drawn, size, f"{size}; grey is zero.", crisp=True)]
    scale = Scale.of(weight)
    if (high, wide) == (1, 1):
        plane = weight[:, :, 0, 0][None]
        reduced = " Neighbours are averaged." if max(units, depth) > MATRIX_SIDE else ""
        words = f"{size}: a row for each kernel, a column for each channel. {scale}.{reduced}"
        drawn = mosaic(plane, scale, MATRIX_SIDE)
        return [heading(f"Kernels of {call.name}"), plain_picture(drawn, size, words, crisp=True)]
    shown = weight[:MOST_KERNELS, :MOST_KERNELS].reshape(-1, high, wide)
    some = (
        "" if max(units, depth) <= MOST_KERNELS else f" The first {MOST_KERNELS} channels of the first {MOST_KERNELS}."
    )
    drawn = mosaic(shown, scale, 12 if high <= 3 else 20)
    return [heading(f"Kernels of {call.name}"), plain_picture(drawn, size, f"{size}. {scale}.{some}", crisp=True)]
