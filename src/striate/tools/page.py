"""The page of an export: whether it passed, and by what figures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from striate import __version__
from striate.evaluation.words import plural
from striate.pages import Column, Section, callout, fact_list, lines, render_page, table, write_page
from striate.runs.model import Model
from striate.runs.run import Run
from striate.structures import statement
from striate.tools.gate import Parity


def passed_words(parity: Parity) -> str:
    """What an export has shown that passed, one sentence."""
    if parity.exact:
        return f"All {parity.pictures} real pictures get the same answer."
    return (
        f"In {parity.precision} {parity.metric} on {plural(parity.metric_pictures, parity.metric_on)} is "
        f"{parity.metric_there:.4f}, with {parity.origin} {parity.metric_here:.4f}; it may fall by "
        f"{parity.allowed_fall:g}."
    )


def _allowed(parity: Parity) -> str:
    if parity.tolerance is None:
        return "They are not judged: a lower precision moves them all. What is judged is the metric."
    return f"Allowed is {parity.tolerance:.0e} of the largest value."


def write_parity_page(model: Model, parity: Parity, path: Path) -> Path:
    """Writes the page.

    Args:
        model: What was exported.
        parity: What the gate found.
        path: The page.

    Raises:
        StorageError: It cannot be written.
    """
    tone: Literal["good", "bad"] = "good" if parity.passed else "bad"
    words = passed_words(parity) if parity.passed else "It must not be handed over. " + " ".join(parity.reasons)
    speeds = [
        {"by": parity.origin, "one": parity.milliseconds_here, "rate": parity.rate_here},
        {"by": parity.tool, "one": parity.milliseconds_there, "rate": parity.rate_there},
    ]
    facts: dict[str, object] = {
        "precision": parity.precision,
        "same final answer": f"{parity.agreeing} of {parity.pictures} pictures",
        f"{parity.metric} on {plural(parity.metric_pictures, parity.metric_on)}": f"{parity.metric_there:.4f} "
        f"({parity.origin} {parity.metric_here:.4f})",
        "size": f"{parity.bytes / 2**20:.1f} MiB",
        "runtime": parity.runtime,
        "processor": parity.machine,
    }
    if parity.place:
        facts["where it begins"] = parity.place
    columns = [
        Column("output"),
        Column("largest", "largest difference", ".2e"),
        Column("mean", "mean difference", ".2e"),
        Column("relative", "largest, as a share of the largest value", ".1e"),
    ]
    rows = [
        {"output": one.output, "largest": one.largest, "mean": one.mean, "relative": one.relative}
        for one in parity.outputs
    ]
    rows += [{"output": f"{name}: any output", "relative": relative} for name, relative in parity.others.items()]
    speed_columns = [
        Column("by", "computed by"),
        Column("one", "milliseconds for one picture", ".1f"),
        Column("rate", "pictures a second, eight at once", ".1f"),
    ]
    sections = [
        Section("Verdict", [callout("Passed" if parity.passed else "Refused", words, tone=tone), fact_list(facts)]),
        Section("Outputs", [table(rows, columns), _allowed(parity)]),
        Section("Speed", [table(speeds, speed_columns), "The network alone, both with the same threads, medians."]),
        Section(
            "How it was compared",
            lines(
                [
                    f"Outputs: the same prepared pixels through {parity.origin} and through the tool's own runtime.",
                    "Final answers: from the picture's file on, by the artefact and its sidecar alone.",
                    "The metric: on the validation split of the run's own data, or on the data that was named.",
                ]
            ),
        ),
    ]
    named = f"The run {model.path.name}" if isinstance(model, Run) else "A network from elsewhere"
    page = render_page(
        f"{model.facts.net or named} in {parity.tool}",
        sections,
        lead=f"{named}, exported and compared with {parity.origin}.",
        statement=statement(model.facts.scans),
        footer=f"Written by Striate {__version__}.",
    )
    return write_page(page, path)
