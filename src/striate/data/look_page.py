"""The page of `striate look`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from striate.data.channel_lines import channel_section
from striate.data.facts import HISTOGRAM_BINS, PictureFacts
from striate.data.look_objects_page import object_sections, warn_of_traps
from striate.data.look_pictures import Shown
from striate.data.splits import class_indices
from striate.formats import FORMATS
from striate.pages import (
    CHANNEL_COLORS,
    COLORWAY,
    SPLIT_COLORS,
    Column,
    Part,
    Section,
    beside,
    chart,
    details,
    fact_list,
    figures,
    gallery,
    heading,
    lines,
    note,
    render_page,
    table,
)
from striate.structures import Problem, Sample, statement

if TYPE_CHECKING:
    from striate.data.look import Look

_SHOWN_CLASSES = 40
_ORDERED_CLASSES = 30
_SHOWN_IN_CLASS = 10
_SHOWN_IN_ALL = 200
_SHOWN_EXAMPLES = 6
_SHOWN_PROBLEMS = 50
_SHOWN_DUPLICATES = 12
_SHOWN_ALIKE = 4
_HISTOGRAM_PICTURES = 2000
_SIDE, _ANNOTATED_SIDE = 96, 176


def build_look_page(seen: Look) -> str:
    """The whole page as HTML."""
    data, objects, shown = seen.dataset, seen.objects, Shown(seen.survey)
    problems = len(data.problems)
    found = f"{problems} problem{'s' if problems != 1 else ''} found" if problems else "no problem found"
    return render_page(
        f"{data.root.resolve().name}: what is in it",
        [
            Section(
                "At a glance",
                [_glance(seen), *(warn_of_traps(objects) if objects else ()), *_how_it_was_read(seen)],
            ),
            Section("Problems", list(_problems(seen, shown))),
            *(
                object_sections(objects, shown)
                if objects
                else [Section("Pictures by class", list(_pictures(seen, shown)))]
            ),
            Section("Class balance", _balance(seen)),
            Section("Sizes", _sizes(seen)),
            Section("Pixel values", _histograms(seen)),
            *([channel_section(seen.channels)] if seen.channels else []),
            *([Section("Duplicates", list(_duplicates(seen, shown)))] if seen.survey.duplicates else []),
        ],
        lead=f"{data.images} pictures in {len(data.classes)} classes, for {data.task}; {found}.",
        statement=statement(data.scans),
        footer="Made by striate look. Everything on this page is inside this one file.",
    )


def _glance(seen: Look) -> Part:
    data, objects = seen.dataset, seen.objects
    return figures(
        {
            "Pictures": data.images,
            **({"Objects": int(objects.counts.sum())} if objects and not objects.semantic else {}),
            "Classes": len(data.classes),
            "Task": data.task,
            "Usual size": f"{data.median_size_hw[0]} x {data.median_size_hw[1]}",
            "Channels": data.channels,
            "Bit depth": data.bit_depth,
        }
    )


def _how_it_was_read(seen: Look) -> list[Part]:
    data = seen.dataset
    facts = [
        ("Folder", str(data.root)),
        ("Format", f"{data.format}: {FORMATS.get(data.format).title}"),
        ("Pictures", seen.describe_pictures()),
        ("Splits", seen.describe_splits()),
        *(
            (title.capitalize(), f"{sentence}.")
            for title, sentence in (seen.objects.sentences() if seen.objects else ())
        ),
    ]
    return [fact_list(facts), lines(data.notes)] if data.notes else [fact_list(facts)]


def _problems(seen: Look, shown: Shown) -> Iterator[Part]:
    kinds = seen.problems_by_kind()
    if not kinds:
        yield note("None found: every picture can be read, and none is there twice.")
        return
    rows = [
        {
            "kind": kind,
            "count": len(found),
            "pictures": "left out" if found[0].severity == "dropped" else "kept",
            "what": found[0].detail,
            "fix": found[0].fix,
        }
        for kind, found in kinds.items()
    ]
    yield table(
        rows,
        [
            Column("kind"),
            Column("count"),
            Column("pictures"),
            Column("what", "for example"),
            Column("fix", "what to do"),
        ],
        caption="Problems by kind",
    )
    samples = _samples_by_name(seen)
    for kind, found in kinds.items():
        yield details(f"{kind} ({len(found)})", _examples(found, samples, shown), opened=len(kinds) == 1)


def _samples_by_name(seen: Look) -> dict[str, Sample]:
    return {sample.name: sample for sample in seen.dataset.samples}


def _examples(found: Sequence[Problem], samples: dict[str, Sample], shown: Shown) -> list[Part]:
    known = [samples[problem.path] for problem in found if problem.path in samples][:_SHOWN_EXAMPLES]
    rows = [{"where": problem.path, "what": problem.detail, "fix": problem.fix} for problem in found[:_SHOWN_PROBLEMS]]
    parts = [table(rows, [Column("where"), Column("what"), Column("fix", "what to do")], caption="")]
    if known:
        side = _ANNOTATED_SIDE if shown.survey.objects else _SIDE
        parts.insert(0, gallery(shown.thumbnails(known, [""] * len(known), side, named=True)))
    if len(found) > _SHOWN_PROBLEMS:
        parts.append(note(f"The first {_SHOWN_PROBLEMS} of {len(found)}; striate look --json lists all."))
    return parts


def _pictures(seen: Look, shown: Shown) -> Iterator[Part]:
    data = seen.dataset
    by_class: dict[int, list[Sample]] = {}
    for part in data.splits.values():
        for sample in part:
            for index in class_indices(sample):
                by_class.setdefault(index, []).append(sample)
    largest = sorted(sorted(by_class, key=lambda index: -len(by_class[index]))[:_SHOWN_CLASSES])
    each = max(1, min(_SHOWN_IN_CLASS, _SHOWN_IN_ALL // max(1, len(largest))))
    if len(largest) < len(by_class):
        yield note(f"The {len(largest)} largest of {len(by_class)} classes.")
    random = np.random.default_rng(0)
    for index in largest:
        pictures = by_class[index]
        chosen = sorted(random.permutation(len(pictures))[:each].tolist())
        yield heading(f"{data.classes[index]} ({len(pictures)})")
        yield gallery(shown.thumbnails([pictures[i] for i in chosen], [""] * len(chosen), 84))


def _balance(seen: Look) -> list[Part]:
    import plotly.graph_objects as go

    counts = seen.class_counts
    totals = {name: sum(part[name] for part in counts.values()) for name in seen.dataset.classes}
    # From below: Plotly's first bar is the lowest.
    names = list(totals)[::-1] if len(totals) <= _ORDERED_CLASSES else sorted(totals, key=lambda name: totals[name])
    smallest, largest = (pick(totals, key=lambda name: totals[name]) for pick in (min, max))
    figure = go.Figure(
        [
            go.Bar(
                y=names,
                x=[part[name] for name in names],
                name=split,
                orientation="h",
                marker_color=SPLIT_COLORS.get(split),
                hovertemplate=f"%{{y}}: %{{x}} {split}<extra></extra>",
            )
            for split, part in counts.items()
        ]
    )
    crowded = len(names) > 60
    figure.update_layout(barmode="stack", xaxis_title="pictures", legend_traceorder="normal")
    figure.update_yaxes(type="category", showticklabels=not crowded, title="classes" if crowded else None)
    rows = [
        {"class": name, **{split: part[name] for split, part in counts.items()}, "all": totals[name]} for name in totals
    ]
    drawn = chart(
        figure,
        f"Bars: pictures of each class; {largest} has most ({totals[largest]}), {smallest} least ({totals[smallest]}).",
        height_px=min(900, 110 + 24 * len(names)),
    )
    return [drawn, details("As a table", table(rows, caption="Pictures of each class by split", sortable=True))]


def _sizes(seen: Look) -> Part:
    sizes = seen.dataset.sizes_hw
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        return note(f"All pictures have {height} x {width} pixels (height x width).")
    import plotly.graph_objects as go

    chosen = list(sizes.items())[:2000]
    count = np.array([number for _, number in chosen])
    figure = go.Figure(
        go.Scatter(
            x=[size[1] for size, _ in chosen],
            y=[size[0] for size, _ in chosen],
            mode="markers",
            marker={
                "size": 6 + 24 * np.sqrt(count / count.max()),
                "color": COLORWAY[0],
                "opacity": 0.6,
                "line": {"width": 0},
            },
            customdata=count,
            hovertemplate="%{y} x %{x}: %{customdata} pictures<extra></extra>",
        )
    )
    wide = max(max(size) for size in sizes) > 8 * min(min(size) for size in sizes)
    axis = {"type": "log", "dtick": "D2"} if wide else {"type": "linear"}
    figure.update_layout(xaxis={"title": "width in pixels", **axis}, yaxis={"title": "height in pixels", **axis})
    rows = [{"height": size[0], "width": size[1], "pictures": number} for size, number in chosen[:20]]
    more = f"The 20 commonest of {len(sizes)} sizes" if len(sizes) > 20 else "Sizes"
    return beside(
        chart(figure, f"Dots: {len(sizes)} picture sizes; larger dots are more pictures."), table(rows, caption=more)
    )


def _histograms(seen: Look) -> list[Part]:
    import plotly.graph_objects as go

    data = seen.dataset
    facts = [fact for part in seen.survey.facts.values() for fact in part if fact.channel_names == data.channel_names]
    if len(facts) > _HISTOGRAM_PICTURES:
        chosen = np.random.default_rng(0).permutation(len(facts))[:_HISTOGRAM_PICTURES]
        facts = [facts[i] for i in chosen]
    edges, shares = combine_histograms(facts)
    centres = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        [
            go.Scatter(
                x=centres,
                y=share,
                name=name,
                mode="lines",
                line={"shape": "hvh", "width": 2, "color": CHANNEL_COLORS.get(name, COLORWAY[i % len(COLORWAY)])},
                hovertemplate=f"{name}, around %{{x:.4g}}: %{{y:.1%}}<extra></extra>",
            )
            for i, (name, share) in enumerate(zip(data.channel_names, shares, strict=True))
        ]
    )
    figure.update_layout(
        xaxis_title="value", yaxis={"title": "share of pixels", "tickformat": ".0%", "rangemode": "tozero"}
    )
    rows = [
        {
            "channel": name,
            "mean": float(np.mean([fact.mean[i] for fact in facts])),
            "deviation": float(np.mean([fact.deviation[i] for fact in facts])),
            "least": float(min(fact.low[i] for fact in facts)),
            "greatest": float(max(fact.high[i] for fact in facts)),
        }
        for i, name in enumerate(data.channel_names)
    ]
    columns = [
        Column("channel"),
        Column("mean"),
        Column("deviation", "deviation within a picture"),
        Column("least"),
        Column("greatest"),
    ]
    return [
        chart(figure, "Lines: how often each pixel value occurs, for each channel."),
        table(rows, columns, caption=f"Values of each channel, over {len(facts)} pictures"),
    ]


def combine_histograms(facts: Sequence[PictureFacts]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One histogram of many pictures; each picture counts alike, however large it is.

    Args:
        facts: Facts of pictures with the same channels.

    Returns:
        Edges `(33,)`, and the share of each bin for each channel `(C, 32)`.
    """
    eight_bit = all(fact.dtype == "uint8" for fact in facts)
    least = 0.0 if eight_bit else min(float(fact.low.min()) for fact in facts)
    most = 256.0 if eight_bit else max(float(fact.high.max()) for fact in facts)
    edges = np.linspace(least, most if most > least else least + 1.0, HISTOGRAM_BINS + 1)
    shares = np.zeros((facts[0].channels, HISTOGRAM_BINS))
    for fact in facts:
        for channel, counts in enumerate(fact.histogram):
            low, high = (0.0, 256.0) if fact.dtype == "uint8" else (fact.low[channel], fact.high[channel])
            own = np.linspace(low, high if high > low else low + 1e-9 * max(1.0, abs(low)), HISTOGRAM_BINS + 1)
            below = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
            shares[channel] += np.diff(np.interp(edges, own, below, left=0.0, right=1.0))
    return edges, shares / len(facts)


def _labels_by_name(seen: Look) -> dict[str, tuple[int, ...]]:
    return {
        sample.name: labels
        for split, part in seen.dataset.splits.items()
        for sample, labels in zip(part, seen.survey.labels[split], strict=True)
    }


def _duplicates(seen: Look, shown: Shown) -> Iterator[Part]:
    data = seen.dataset
    home = {sample.name: split for split, part in data.splits.items() for sample in part}
    sets = seen.survey.duplicates
    if len(sets) > _SHOWN_DUPLICATES:
        yield note(f"The first {_SHOWN_DUPLICATES} of {len(sets)} sets of pictures that show the same.")
    parts = []
    labels_of = _labels_by_name(seen)
    for members in sets[:_SHOWN_DUPLICATES]:
        some = members[:_SHOWN_ALIKE]
        labels = [", ".join(data.classes[i] for i in labels_of[sample.name]) or "no class" for sample in some]
        captions = [f"{label} ({home[sample.name]})" for label, sample in zip(labels, some, strict=True)]
        pictures = gallery(shown.thumbnails(some, captions, 112, named=True))
        more = len(members) - len(some)
        parts.append([pictures, note(f"and {more} more like these.")] if more else [pictures])
    yield beside(*parts)
