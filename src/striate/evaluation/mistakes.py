"""Mistakes by kind, as rows and in words."""

from __future__ import annotations

from typing import Any

from striate.evaluation.words import format_metric, title_of
from striate.tasks.mistake_kinds import KINDS, MistakeReport

LITTLE = 0.01
"""A gain below this is not worth a sentence."""


def mistake_rows(report: MistakeReport) -> list[dict[str, Any]]:
    """One row a kind, as plain data: `kind`, `count` and `gain`, the mAP50 that its absence would bring."""
    return [
        {"kind": kind.name, "count": count, "gain": round(gain, 6)}
        for kind, count, gain in zip(KINDS, report.shown.counts(), report.gains, strict=True)
    ]


def costliest_words(report: MistakeReport) -> str:
    """Which kind of mistake costs most, and how much, in a sentence."""
    gain, kind = max(zip(report.gains, KINDS, strict=True), key=lambda pair: pair[0])
    if gain < LITTLE:
        return "No kind of mistake costs much by itself."
    now, then = (format_metric("map50", value) for value in (report.map50, report.map50 + gain))
    return (
        f"What costs most is '{kind.name}' ({kind.meaning}): if {kind.cure}, {title_of('map50')} would be {then} "
        f"instead of {now}."
    )
