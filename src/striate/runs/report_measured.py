"""The sections of a report that say what was measured on a split."""

from __future__ import annotations

from striate.evaluation.calibration import reliability
from striate.evaluation.cases import case_summary
from striate.evaluation.confusion import confused_pairs
from striate.evaluation.operating import OperatingPoint, RocCurve
from striate.evaluation.words import format_metric, in_words, plural, title_of
from striate.pages import Column, Part, Section, Thumbnail, beside, chart, gallery, note, table, thumbnail
from striate.pages.overlays import draw_annotation, legend
from striate.runs import report_charts, report_object_charts
from striate.runs.overlay import draw_places
from striate.runs.report_content import MOST_MISTAKES, Content
from striate.tasks.metric_names import metric_info

_SIDE = 300
"""Longest side of a picture with boxes or masks: they must be seen."""

_COLUMN_TITLES = {
    "f1": "F1",
    "auroc": "AUROC",
    "iou": "IoU",
    "dice": "Dice",
    "pixels": "of all pixels",
    "ap": "AP",
    "ap50": "AP50",
    "panoptic_quality": "PQ",
    "boundary_iou": "boundary IoU",
}
_PLAIN_COLUMNS = ("class", "count", "objects")

_BAR_COLUMNS = ("iou", "ap50", "recall")
"""What the bars of the classes show, the first that there is."""

_MOST_BARS = 40
_MOST_CASES = 30
_SIZES = [Column("true_ml", "true ml", ".3g"), Column("found_ml", "found ml", ".3g")]
_CASE_COLUMNS = [
    Column("case", "volume"),
    Column("class"),
    Column("dice", "Dice", ".1%"),
    Column("hd95_mm", "HD95, mm", ".2f"),
    Column("hd_mm", "Hausdorff, mm", ".2f"),
    *_SIZES,
]
_SUMMARY_COLUMNS = [
    Column("class"),
    Column("volumes"),
    Column("dice", "mean Dice", ".1%"),
    Column("least", "least Dice", ".1%"),
    Column("hd95_mm", "median HD95, mm", ".2f"),
    Column("missed", "missed or made up"),
]


def confusion_section(content: Content) -> Section | None:
    """Confusion matrix and the commonest mistakes; for tasks with one class a picture."""
    scores = content.measured
    if scores is None or not len(scores.targets):
        return None
    classes = content.facts.classes
    found = content.task.confusion(scores.scores, scores.targets, classes)
    if found is None:
        return None
    counts, unit = found
    unit = content.unit if unit == "pictures" else unit
    pairs = confused_pairs(counts, classes)
    matrix = chart(
        report_charts.confusion_chart(counts, classes),
        f"Confusion matrix of {len(classes)} classes.",
        caption=f"Rows: the class shown. Columns: the class answered. Colour: share of the row; number: {unit}.",
    )
    if not pairs:
        return Section("What is taken for what", [matrix, "There is no mistake."])
    rows = [{"shown": one.true, "answered": one.answered, unit: one.count, "share": one.share} for one in pairs]
    common = table(
        rows,
        ["shown", "answered", unit, Column("share", "of the class", ".1%")],
        caption="Commonest mistakes",
    )
    return Section("What is taken for what", beside(matrix, common) if len(classes) <= 12 else [matrix, common])


def classes_section(content: Content) -> Section | None:
    """One row a class."""
    evaluation = content.evaluation
    if evaluation is None or not evaluation.per_class:
        return None
    titles = {**_COLUMN_TITLES, "count": evaluation.unit}
    columns = [
        Column(key, titles.get(key, key.replace("_", " ")), "" if key in _PLAIN_COLUMNS else ".1%")
        for key in evaluation.per_class[0]
    ]
    body = [table(evaluation.per_class, columns, caption=f"Each class, {evaluation.split} split", sortable=True)]
    key = next((key for key in _BAR_COLUMNS if key in evaluation.per_class[0]), None)
    if content.task.spatial and key is not None and 1 < len(evaluation.per_class) <= _MOST_BARS:
        title = _COLUMN_TITLES.get(key, key)
        bars = report_object_charts.class_bars_chart(evaluation.per_class, key, title)
        height_px = 110 + 24 * len(evaluation.per_class)
        body.insert(0, chart(bars, f"Bars: {title} of each class, {evaluation.split} split.", height_px=height_px))
    return Section(
        "Class by class",
        [*body, note("A dash stands where a figure is not defined: no such picture, or never answered.")],
    )


def mistakes_section(content: Content) -> Section | None:
    """The worst mistakes as pictures."""
    scores = content.scores
    if scores is None or not len(scores.targets):
        return None
    worst = content.task.mistakes(scores.scores, scores.targets)
    one = "picture" if content.unit == "pictures" else "slice"
    if not len(worst):
        return Section("Mistakes", f"Every answer on the {plural(len(scores.targets), one)} is right.")
    shown, missing = [], []
    for index in worst[:MOST_MISTAKES]:
        name = scores.names[index]
        caption, detail = content.task.mistake_words(scores.scores, scores.targets, int(index), content.facts.classes)
        if name in content.pictures:
            shown += _shown(content, name, caption, detail)
        else:
            missing.append({"picture": name, "what": caption, "scores": detail})
    total = f"{plural(len(worst), 'mistake')} on {plural(len(scores.targets), one)}"
    if content.task.spatial:
        total = f"{len(worst)} of {plural(len(scores.targets), 'picture')} with mistakes"
    body: list[str | Part] = [
        f"{total}; {content.task.worst_first}. Wrong labels and unclear pictures are found here first."
    ]
    if shown:
        if content.task.spatial:
            body.append(legend(content.facts.classes))
        body.append(gallery(shown))
    if missing:
        body.append(
            table(missing, caption="These pictures are not at hand any more" if shown or content.facts.data else "")
        )
    return Section("The worst mistakes", body)


def _shown(content: Content, name: str, caption: str, detail: str) -> list[Thumbnail]:
    """A picture of a mistake; where it says where something is, the truth and beside it the answer, drawn over it."""
    picture = content.pictures[name]
    if not content.task.spatial:
        return [thumbnail(picture, caption, detail=f"{detail} · {name}", alt=f"{name}: {caption}")]
    drawn = []
    if name in content.annotations:
        true = draw_annotation(picture, content.annotations[name], content.facts.classes, max_side=_SIDE)
        drawn.append(thumbnail(true, "truth", detail=name, alt=f"{name}: truth", tone="good", max_side=_SIDE))
    if name in content.answers:
        said = draw_places(picture, content.answers[name], max_side=_SIDE)
        drawn.append(thumbnail(said, caption, detail=detail, alt=f"{name}: {caption}", tone="bad", max_side=_SIDE))
    return drawn or [thumbnail(picture, caption, detail=f"{detail} · {name}", alt=f"{name}: {caption}")]


def certainty_section(content: Content) -> Section | None:
    """Whether scores mean what they say; for two classes the ROC curve too."""
    scores = content.measured
    if scores is None or not len(scores.targets) or content.task.spatial:
        return None
    bins = reliability(scores.scores, scores.targets)
    diagram = chart(
        report_charts.reliability_chart(bins),
        "Share of right answers by score.",
        caption="Below the diagonal the network is surer than it should be, above it less sure.",
    )
    error = (
        next((one for one in content.evaluation.metrics if one.name == "calibration_error"), None)
        if content.evaluation
        else None
    )
    body: list[str | Part] = []
    if error is not None:
        mean = sum(one.score * one.count for one in bins) / len(scores.targets)
        right = sum(one.right * one.count for one in bins) / len(scores.targets)
        word = "surer than it should be" if mean > right else "less sure than it could be"
        body.append(
            f"On average it gives its answer {mean:.1%} and is right in {right:.1%}: {word}. "
            f"Calibration error {in_words(error)}."
        )
    counts = chart(report_charts.score_chart(bins), "Number of right and wrong answers by score.")
    body.append(beside(diagram, counts))
    if (roc := _roc(content)) is not None:
        body.append(beside(roc, _point(content) or ""))
    return Section("How sure it is", body)


def _roc(content: Content) -> Part | None:
    evaluation, classes = content.evaluation, content.facts.classes
    if evaluation is None or not evaluation.roc:
        return None
    point = OperatingPoint.from_dict(evaluation.point).threshold if evaluation.point else 0.5
    by = " by patient" if content.facts.scans else ""
    return chart(
        report_charts.roc_chart(RocCurve.from_dict(evaluation.roc), point),
        f"ROC curve of the class {classes[1]}.",
        caption=f"'{classes[1]}' is the positive class. Each point is a threshold on its score; the band holds 95 % of "
        f"the curves of resampled {evaluation.unit}{by}.",
    )


def _point(content: Content) -> Part | None:
    """What the threshold that was chosen on validation pictures is worth."""
    evaluation, classes = content.evaluation, content.facts.classes
    if evaluation is None or not evaluation.point:
        return None
    point = OperatingPoint.from_dict(evaluation.point)
    rows = [{"figure": title_of(one.name), "value": in_words(one)} for one in point.figures]
    return table(
        rows,
        ["figure", "value"],
        caption=f"'{classes[1]}' from a score of {point.threshold:.3g} on, chosen on validation pictures",
    )


def volumes_section(content: Content) -> Section | None:
    """Whole volumes: Dice, distance of outlines, sizes; the worst first."""
    evaluation = content.evaluation
    if evaluation is None or not evaluation.cases:
        return None
    rows = sorted(evaluation.cases, key=lambda row: -1.0 if row["dice"] is None else row["dice"])
    body: list[str | Part] = [
        table(case_summary(evaluation.cases), _SUMMARY_COLUMNS, caption="Each class over all volumes"),
        table(
            rows[:_MOST_CASES],
            _CASE_COLUMNS,
            caption=f"The worst of {plural(len({row['case'] for row in rows}), 'volume')}, {evaluation.split} split",
            sortable=True,
        ),
        note(
            "HD95 is the distance of the two surfaces that 95 % of their voxels keep to, the greater of both "
            "directions. A dash stands where truth or answer has no such voxel."
        ),
    ]
    return Section("Volume by volume", body)


def metrics_section(content: Content) -> Section | None:
    """Every metric with its interval and its meaning."""
    evaluation = content.evaluation
    if evaluation is None:
        return None
    rows = [
        {
            "metric": title_of(one.name),
            "value": format_metric(one.name, one.value),
            "interval": "-"
            if one.low == one.high
            else f"{format_metric(one.name, one.low)} to {format_metric(one.name, one.high)}",
            "meaning": metric_info(one.name).meaning,
        }
        for one in evaluation.metrics
    ]
    columns = [Column("metric"), Column("value"), Column("interval", "95 % interval"), Column("meaning")]
    if len(content.facts.classes) == 2 and any(one.name == "sensitivity" for one in evaluation.metrics):
        remark = f" '{content.facts.classes[1]}' is the positive class."
    else:
        remark = ""
    return Section(
        "All metrics",
        [
            table(rows, columns, caption=f"{evaluation.split} split, {evaluation.images} {evaluation.unit}"),
            note(
                "Intervals: percentile bootstrap over whole pictures, not stratified; they say how much the figures "
                f"hang on which pictures happen to be in the split.{remark}"
            ),
        ],
    )
