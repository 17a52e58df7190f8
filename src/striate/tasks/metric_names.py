"""The metrics by name: how each is written, which way is better, what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric.

    Attributes:
        title: As written in a report.
        meaning: One sentence for a reader who does not know it.
        share: Whether it lies in 0..1 and is shown in percent.
        higher_is_better: Which way is better.
    """

    title: str
    meaning: str
    share: bool = True
    higher_is_better: bool = True


METRICS: dict[str, MetricInfo] = {
    "accuracy": MetricInfo("accuracy", "Share of pictures whose highest score is the true class."),
    "balanced_accuracy": MetricInfo(
        "balanced accuracy",
        "Mean recall over the classes that occur, so that a rare class counts as much as a common one.",
    ),
    "top3_accuracy": MetricInfo(
        "top-3 accuracy", "Share of pictures whose true class is among the three highest scores."
    ),
    "top5_accuracy": MetricInfo(
        "top-5 accuracy", "Share of pictures whose true class is among the five highest scores."
    ),
    "macro_f1": MetricInfo("macro F1", "Harmonic mean of precision and recall, averaged over the classes."),
    "micro_f1": MetricInfo(
        "micro F1", "Harmonic mean of precision and recall over all labels of all classes together."
    ),
    "auroc": MetricInfo(
        "AUROC",
        "Chance that a picture of a class scores higher for it than a picture without it, averaged over classes.",
    ),
    "mean_average_precision": MetricInfo(
        "mean average precision", "Area under the curve of precision over recall, averaged over the classes that occur."
    ),
    "exact_match": MetricInfo("exact match", "Share of pictures on which every label is right."),
    "label_accuracy": MetricInfo(
        "label accuracy", "Share of single labels, over all pictures and classes, that are right."
    ),
    "map50": MetricInfo(
        "mAP50", "Average precision of found boxes that overlap a true one by half at least, averaged over the classes."
    ),
    "map": MetricInfo("mAP", "The same, averaged over overlaps of 0.5 to 0.95 in steps of 0.05 (COCO's main figure)."),
    "map75": MetricInfo("mAP75", "The same at an overlap of 0.75: boxes must fit tightly."),
    "map_small": MetricInfo("mAP, small", "mAP of objects under 32 x 32 pixels."),
    "map_medium": MetricInfo("mAP, medium", "mAP of objects of 32 x 32 to 96 x 96 pixels."),
    "map_large": MetricInfo("mAP, large", "mAP of objects over 96 x 96 pixels."),
    "recall": MetricInfo("recall", "Share of the objects that are found at all, over the same overlaps."),
    "panoptic_quality": MetricInfo(
        "panoptic quality",
        "Recognition quality times segmentation quality of each class, averaged over the classes "
        "(Kirillov et al. 2019); found objects count from a score of 0.3.",
    ),
    "segmentation_quality": MetricInfo(
        "segmentation quality", "Mean overlap of the found objects that share more than half with a true one."
    ),
    "recognition_quality": MetricInfo(
        "recognition quality", "Right objects among those found and those to find (F1), whatever their outlines."
    ),
    "mean_iou": MetricInfo(
        "mean IoU",
        "Intersection over union of truth and answer, averaged over the classes, so that a small one counts as much.",
    ),
    "mean_dice": MetricInfo("mean Dice", "Twice the intersection over the sum of truth and answer, averaged likewise."),
    "foreground_iou": MetricInfo("foreground IoU", "Mean IoU without the first class, which is background as a rule."),
    "foreground_dice": MetricInfo("foreground Dice", "Mean Dice without the first class."),
    "case_dice": MetricInfo(
        "Dice of a volume",
        "Foreground Dice of each whole volume, averaged over the volumes, so that each counts as much.",
    ),
    "boundary_iou": MetricInfo(
        "boundary IoU",
        "Mean IoU of the pixels within 2 % of the picture's diagonal from an edge: how well outlines fit "
        "(Cheng et al. 2021).",
    ),
    "balanced_pixel_accuracy": MetricInfo("balanced pixel accuracy", "Mean over the classes of the pixels found."),
    "pixel_accuracy": MetricInfo(
        "pixel accuracy", "Share of pixels that are right; says little where one class takes most of the picture."
    ),
    "log_loss": MetricInfo(
        "log loss", "Mean of minus the logarithm of the score given to the truth.", share=False, higher_is_better=False
    ),
    "calibration_error": MetricInfo(
        "calibration error",
        "Mean distance between the score of an answer and how often such answers are right, in 15 bins of score.",
        higher_is_better=False,
    ),
    "sensitivity": MetricInfo("sensitivity", "Recall of the second class: share of its pictures that are found."),
    "positive_value": MetricInfo(
        "positive predictive value", "Share of the answers for the second class that are right."
    ),
    "negative_value": MetricInfo(
        "negative predictive value", "Share of the answers for the first class that are right."
    ),
    "specificity": MetricInfo(
        "specificity", "Recall of the first class: share of its pictures that raise no false alarm."
    ),
}


def metric_info(name: str) -> MetricInfo:
    """The entry of that name, or a plain one made from the name."""
    return METRICS.get(name) or MetricInfo(name.replace("_", " "), "")


def format_metric(name: str, value: float) -> str:
    """A value as a reader expects it: `98.7 %` for shares, three decimals otherwise."""
    return f"{100 * value:.1f} %" if metric_info(name).share else f"{value:.3f}"
