"""The sections of a report about found objects: mistakes by kind, and precision against recall."""

from __future__ import annotations

from striate.evaluation.mistakes import costliest_words, mistake_rows
from striate.evaluation.words import plural
from striate.pages import Column, Part, Section, beside, chart, gallery, heading, note, table
from striate.runs import report_object_charts
from striate.runs.mistake_pictures import compared_legend
from striate.runs.report_content import Content
from striate.structures import SHOWN_FROM
from striate.tasks.mistake_kinds import KINDS

MOST_CURVES = 12
"""Classes with a curve: more lines than that cannot be told apart."""


def kinds_section(content: Content) -> Section | None:
    """Mistakes by kind, what each kind costs, and the worst of each as pictures."""
    report = content.mistakes
    if report is None or content.scores is None:
        return None
    rows = [row | {"points": 100 * row["gain"]} for row in mistake_rows(report)]
    told = [row | {"meaning": kind.meaning} for row, kind in zip(rows, KINDS, strict=True)]
    columns = [Column("kind"), Column("count", "number"), Column("points", "points to gain", ".1f"), Column("meaning")]
    words = costliest_words(report)
    body: list[str | Part] = [
        words,
        beside(
            table(told, columns),
            chart(
                report_object_charts.gain_chart(rows),
                f"Bars: what mAP50 would gain without each kind of mistake. {words}",
                height_px=280,
            ),
        ),
        note(
            f"Kinds as in TIDE (Bolya et al. 2020), at an overlap of a half. Numbers: among objects that score "
            f"{SHOWN_FROM} or more; gains: over all found objects, each kind mended by itself. What is missed among "
            "the sure ones may have been found with a lower score; then it gains little."
        ),
    ]
    if any(content.kind_pictures.values()):
        body.append(compared_legend())
    for kind, info in enumerate(KINDS):
        if shown := content.kind_pictures.get(kind):
            count = int(rows[kind]["count"])
            some = f"{len(shown)} of {count}" if len(shown) < count else f"{count}"
            body += [heading(f"{info.name.capitalize()} ({some})"), gallery(shown)]
    total = sum(int(row["count"]) for row in rows)
    if not total:
        body.insert(1, f"On the {plural(len(content.scores.targets), 'picture')} nothing that is shown is wrong.")
    return Section("Mistakes by kind", body)


def precision_recall_section(content: Content) -> Section | None:
    """What a limit on the score costs and gains, class by class."""
    scores = content.scores
    if scores is None or not len(scores.targets):
        return None
    classes = content.facts.classes
    curves = content.task.precision_recall(scores.scores, scores.targets, classes)
    curves = {name: curve for name, curve in curves.items() if len(curve.score)}
    if not curves:
        return None
    counts = content.task.class_counts(scores.targets, classes)
    common = sorted(curves, key=lambda name: -int(counts[classes.index(name)]))[:MOST_CURVES]
    shown = {name: curves[name] for name in curves if name in common}
    some = f" The {len(shown)} commonest of {len(curves)} classes are shown." if len(shown) < len(curves) else ""
    return Section(
        "Precision and recall",
        [
            chart(
                report_object_charts.precision_recall_chart(shown, classes),
                "Lines: precision against recall of each class as the limit on the score falls.",
                caption=f"At an overlap of a half. Dots: what is drawn, from a score of {SHOWN_FROM} on.{some}",
                height_px=420,
            ),
            note("Move the limit to the right along a line to find more objects, to the left to be right more often."),
        ],
    )
