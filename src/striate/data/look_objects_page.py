"""The sections of the page of `striate look` that are about boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from striate.data.look_objects import ObjectLook, percent
from striate.data.look_pictures import Shown
from striate.pages import (
    BACKGROUND_COLOR,
    COLORWAY,
    Column,
    Part,
    Section,
    background_index,
    beside,
    callout,
    chart,
    class_color,
    gallery,
    heading,
    legend,
    note,
    table,
)
from striate.structures import Boxes, Instances, Sample

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SHOWN_PICTURES = 24
_SHOWN_EMPTY = 2
_SIDE = 208
_SHOWN_CLASSES = 40
_SHOWN_IN_CLASS = 10
_SHOWN_IN_ALL = 200
_OBJECT_SIDE = 88
_LEGEND_ENTRIES = 40
_MOST_TOGETHER = 30
_MOST_DOTS = 3000


def warn_of_traps(objects: ObjectLook) -> list[Part]:
    """Callouts of what would make a useless answer look good."""
    if not objects.semantic or objects.trap is None:
        return []
    name, share = objects.trap
    finds = "finds nothing" if name.lower() == "background" else f"says {name!r} everywhere"
    return [
        callout(
            f"{percent(share)} of pixels are {name!r}",
            f"An answer that {finds} would be right for {percent(share)} of all pixels. Judge by figures of each class "
            "(mean intersection over union), not by the share of right pixels.",
            tone="warning",
        )
    ]


def object_sections(objects: ObjectLook, shown: Shown) -> list[Section]:
    """Everything about boxes and masks, section by section."""
    if objects.semantic:
        return [
            Section("Annotated pictures", list(_pictures(objects, shown))),
            Section("Pixels by class", list(_pixels(objects))),
            Section("Classes together", list(_together(objects))),
        ]
    return [
        Section("Annotated pictures", list(_pictures(objects, shown))),
        Section("Objects by class", list(_objects(objects, shown))),
        Section("Number and size of objects", list(_measures(objects))),
        Section("Classes together", list(_together(objects))),
    ]


def _pictures(objects: ObjectLook, shown: Shown) -> Iterator[Part]:
    data = objects.dataset
    common = _commonest(objects, _LEGEND_ENTRIES)
    yield legend(data.classes, common, void=objects.semantic and objects.void_share > 0)
    if len(common) < len(data.classes):
        yield note(f"The {len(common)} commonest of {len(data.classes)} classes.")
    samples = data.samples
    counts = objects.counts
    random = np.random.default_rng(0)
    with_objects, without = (random.permutation(np.flatnonzero(flags)) for flags in (counts > 0, counts == 0))
    few = without[:_SHOWN_EMPTY]
    chosen = [*with_objects[: _SHOWN_PICTURES - len(few)].tolist(), *few.tolist()]
    captions = ["" if objects.semantic else _plural(int(counts[index])) for index in chosen]
    yield gallery(shown.thumbnails([samples[index] for index in chosen], captions, _SIDE, named=True))
    if any(_has_doubtful(samples[index]) for index in chosen):
        yield note("A dashed frame marks what need not be found: crowds, and objects that the annotation calls hard.")


def _has_doubtful(sample: Sample) -> bool:
    """Whether some object need not be found; so far as that is known without opening files."""
    found = sample.annotation
    return isinstance(found, Boxes | Instances) and bool((found.iscrowd | found.ignore).any())


def _plural(count: int) -> str:
    return "no object" if not count else "1 object" if count == 1 else f"{count} objects"


def _commonest(objects: ObjectLook, most: int) -> list[int]:
    """Positions of the classes that most pictures show, in the order of the class names."""
    pictures = np.diag(objects.together)
    ranked = np.argsort(-pictures, kind="stable")[:most]
    return sorted(ranked[pictures[ranked] > 0].tolist())


def _objects(objects: ObjectLook, shown: Shown) -> Iterator[Part]:
    data = objects.dataset
    samples = data.samples
    owners = np.repeat(np.arange(len(samples)), objects.counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(objects.counts) - objects.counts, objects.counts)
    common = _commonest(objects, _SHOWN_CLASSES)
    if len(common) < len(data.classes):
        yield note(f"The {len(common)} commonest of {len(data.classes)} classes.")
    each = max(1, min(_SHOWN_IN_CLASS, _SHOWN_IN_ALL // max(1, len(common))))
    random = np.random.default_rng(0)
    for index in common:
        own = np.flatnonzero(objects.classes == index)
        chosen = np.sort(random.permutation(own)[:each])
        pieces: list[tuple[Sample, int]] = [(samples[owners[i]], int(places[i])) for i in chosen]
        pictures = len(np.unique(owners[own]))
        yield heading(f"{data.classes[index]} ({_plural(len(own))} in {pictures} picture{'s' * (pictures != 1)})")
        yield gallery(shown.objects(pieces, _OBJECT_SIDE))


def _measures(objects: ObjectLook) -> Iterator[Part]:
    if not objects.counts.sum():
        yield note("There are no objects.")
        return
    yield beside(_per_picture(objects), _sides(objects))
    yield beside(_widths_and_heights(objects), _aspects(objects))
    yield _by_class(objects)


def _per_picture(objects: ObjectLook) -> Part:
    import plotly.graph_objects as go

    counts = objects.counts
    step = max(1, -(-int(counts.max()) // 40))
    bins = np.bincount(counts // step)
    labels = [str(i) if step == 1 else f"{i * step} to {i * step + step - 1}" for i in range(len(bins))]
    figure = go.Figure(
        go.Bar(
            x=labels,
            y=bins,
            marker_color=COLORWAY[0],
            hovertemplate="%{x} objects: %{y} pictures<extra></extra>",
        )
    )
    figure.update_layout(xaxis={"title": "objects in a picture", "type": "category"}, yaxis_title="pictures")
    text = f"Bars: pictures by their number of objects; {np.median(counts):g} is the median, {counts.max()} the most."
    return chart(figure, text, caption="Objects in a picture", height_px=300)


def _sides(objects: ObjectLook) -> Part:
    sides = objects.sides_px
    figure = _histogram(np.log2(np.maximum(sides, 0.5)), 30)
    ticks = _octaves(np.log2(np.maximum(sides, 0.5)))
    figure.update_layout(
        xaxis={
            "title": "side in pixels (root of the area)",
            "tickvals": ticks,
            "ticktext": [f"{2**tick:.3g}" for tick in ticks],
        },
        yaxis_title="objects",
    )
    middle, share = np.median(sides), np.median(objects.side_shares)
    caption = f"Sizes: the median is {middle:.3g} pixels, {percent(float(share))} of the picture's side"
    return chart(figure, f"Bars: objects by size. {caption}.", caption=caption, height_px=300)


def _widths_and_heights(objects: ObjectLook) -> Part:
    import plotly.graph_objects as go

    data, classes, sides = objects.dataset, objects.classes, objects.sides_hw
    chosen = np.random.default_rng(0).permutation(len(sides))[:_MOST_DOTS]
    common = _commonest(objects, len(COLORWAY) + 4)
    figure = go.Figure(
        [
            go.Scatter(
                x=sides[own, 1],
                y=sides[own, 0],
                mode="markers",
                name=data.classes[index],
                marker={"size": 6, "opacity": 0.65, "color": class_color(index), "line": {"width": 0}},
                hovertemplate=data.classes[index].replace("%", "") + ": %{y:.3g} x %{x:.3g}<extra></extra>",
            )
            for index in common
            if len(own := chosen[classes[chosen] == index])
        ]
    )
    wide = sides.max() > 8 * max(0.5, float(np.quantile(sides, 0.05)))
    axis = {"type": "log", "dtick": "D2"} if wide else {"rangemode": "tozero"}
    figure.update_layout(
        xaxis={"title": "width of the box in pixels", **axis}, yaxis={"title": "height of the box in pixels", **axis}
    )
    some = f", {_MOST_DOTS} of {len(sides)}" if len(sides) > _MOST_DOTS else ""
    caption = f"Width and height of boxes{some}"
    return chart(figure, f"Dots: {caption.lower()}, a colour for each class.", caption=caption, height_px=380)


def _aspects(objects: ObjectLook) -> Part:
    heights, widths = np.maximum(objects.sides_hw.T, 0.5)
    ratios = np.log2(widths / heights)
    figure = _histogram(ratios, 30)
    ticks = _octaves(ratios)
    words = [f"{2**tick:.3g} : 1" if tick >= 0 else f"1 : {2**-tick:.3g}" for tick in ticks]
    figure.update_layout(
        xaxis={"title": "width to height", "tickvals": ticks, "ticktext": words}, yaxis_title="objects"
    )
    middle = 2 ** float(np.median(ratios))
    caption = f"Shape of boxes: the median is {middle:.2f} times as wide as high"
    return chart(figure, f"Bars: objects by width divided by height. {caption}.", caption=caption, height_px=380)


def _octaves(logarithms: npt.NDArray[np.float64]) -> list[float]:
    """Places of ticks on an axis of logarithms to base 2: whole powers, with halves between where they are few."""
    low, high = float(logarithms.min()), float(logarithms.max())
    step = 0.5 if high - low < 3 else 1.0 if high - low < 8 else 2.0
    return [float(tick) for tick in np.arange(np.floor(low / step) * step, high + step, step)]


def _histogram(values: npt.NDArray[np.float64], bins: int) -> Figure:
    import plotly.graph_objects as go

    counts, edges = np.histogram(values, bins)
    shown = 2 ** ((edges[:-1] + edges[1:]) / 2)
    return go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges) * 0.92,
            customdata=shown,
            marker_color=COLORWAY[0],
            hovertemplate="around %{customdata:.3g}: %{y} objects<extra></extra>",
        )
    )


def _by_class(objects: ObjectLook) -> Part:
    data, shapes = objects.dataset, np.maximum(objects.sides_hw, 0.5)
    pictures = np.diag(objects.together)
    rows = []
    for index, name in enumerate(data.classes):
        own = objects.classes == index
        row: dict[str, object] = {"class": name, "objects": int(own.sum()), "pictures": int(pictures[index])}
        if own.any():
            row["side"] = float(np.median(objects.sides_px[own]))
            row["share"] = float(np.median(objects.side_shares[own]))
            row["aspect"] = float(np.median(shapes[own, 1] / shapes[own, 0]))
        rows.append(row)
    columns = [
        Column("class"),
        Column("objects"),
        Column("pictures"),
        Column("side", "side in pixels", ".1f"),
        Column("share", "of the picture's side", ".1%"),
        Column("aspect", "width / height", ".2f"),
    ]
    return table(rows, columns, caption="Objects of each class; medians of their measures", sortable=True)


def _pixels(objects: ObjectLook) -> Iterator[Part]:
    import plotly.graph_objects as go

    data, shares = objects.dataset, objects.pixel_shares
    background = background_index(data.classes)
    names = list(shares)[::-1] if len(shares) <= _MOST_TOGETHER else sorted(shares, key=lambda name: shares[name])
    names = [name for name in names if shares[name] > 0]
    places = [data.classes.index(name) for name in names]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=[shares[name] for name in names],
            orientation="h",
            marker_color=[BACKGROUND_COLOR if i == background else class_color(i) for i in places],
            hovertemplate="%{y}: %{x:.2%} of pixels<extra></extra>",
        )
    )
    largest = max(shares, key=lambda name: shares[name])
    least = min(shares[name] for name in names)
    # From a whole power of ten on, so that ticks are few and bars begin at one.
    decades = {"type": "log", "dtick": 1, "range": [float(np.floor(np.log10(least) - 0.1)), 0]}
    wide = max(shares.values()) > 50 * least
    axis = decades if wide else {"rangemode": "tozero"}
    figure.update_layout(xaxis={"title": "share of pixels" + " (log scale)" * wide, "tickformat": ".2~%", **axis})
    figure.update_yaxes(type="category")
    text = f"Bars: share of the pixels of each class; {largest} has most ({percent(shares[largest])})."
    yield chart(figure, text, height_px=min(900, 110 + 24 * len(names)))
    pictures = np.diag(objects.together)
    rows = [
        {"class": name, "share": share, "pictures": int(pictures[index])}
        for index, (name, share) in enumerate(shares.items())
    ]
    columns = [Column("class"), Column("share", "share of pixels", ".2%"), Column("pictures", "pictures that show it")]
    yield table(rows, columns, caption="Pixels of each class, of those that are not void", sortable=True)
    yield note(f"{percent(objects.void_share)} of all pixels are void: they count neither in training nor in figures.")


def _together(objects: ObjectLook) -> Iterator[Part]:
    import plotly.graph_objects as go

    data = objects.dataset
    common = _commonest(objects, _MOST_TOGETHER)
    if len(common) < 2:
        yield note("There is one class only.")
        return
    counts = objects.together[np.ix_(common, common)]
    shares = counts / np.diag(counts)[:, None]
    names = [data.classes[index] for index in common]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=names,
            y=names,
            zmin=0,
            zmax=1,
            customdata=counts,
            colorbar={"tickformat": ".0%"},
            hovertemplate="of pictures with %{y}, %{z:.0%} show %{x} (%{customdata})<extra></extra>",
        )
    )
    figure.update_layout(
        xaxis={"type": "category", "title": "show this class too", "constrain": "domain"},
        yaxis={"type": "category", "autorange": "reversed", "title": "of the pictures with this class"},
    )
    apart = np.where(np.eye(len(common), dtype=bool), -1, shares)
    row, column = (int(place) for place in np.unravel_index(apart.argmax(), apart.shape))
    caption = (
        f"Most often: {percent(float(shares[row, column]))} of the pictures with {names[row]} show {names[column]}"
    )
    text = f"Squares: how often two classes stand in one picture. {caption}."
    yield chart(figure, text, caption=caption, height_px=min(800, 200 + 26 * len(common)))
