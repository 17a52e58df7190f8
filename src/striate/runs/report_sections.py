"""The sections of a report, each from what the run folder holds; one that has nothing to say is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from striate.evaluation.words import capitalised, format_metric, in_words, listed, plural, title_of
from striate.pages import (
    Body,
    Part,
    Section,
    beside,
    callout,
    chart,
    details,
    fact_list,
    figures,
    heading,
    lines,
    note,
    table,
)
from striate.runs import report_charts
from striate.runs.report_content import Content
from striate.runs.report_measured import (
    certainty_section,
    classes_section,
    confusion_section,
    metrics_section,
    mistakes_section,
    volumes_section,
)
from striate.runs.report_objects import kinds_section, precision_recall_section

TONES: Mapping[str, Any] = {"balanced": "good", "overfit": "warning", "underfit": "warning", "too early": "info"}
VERDICT_WORDS: Mapping[str, str] = {
    "balanced": "Balanced: what was learned carries over to new pictures",
    "overfit": "Overfit: the training pictures were learned by heart, and new ones suffer",
    "underfit": "Underfit: the network has not learned its own training pictures",
    "too early": "Too early to tell",
}


def all_sections(content: Content) -> list[Section]:
    """The report, the answer first."""
    makers = (
        _answer,
        _curves,
        confusion_section,
        classes_section,
        kinds_section,
        precision_recall_section,
        mistakes_section,
        certainty_section,
        volumes_section,
        metrics_section,
        _data,
        _choices,
        _machine,
    )
    return [section for maker in makers if (section := maker(content)) is not None]


def lead_sentence(content: Content) -> str:
    """The answer in one or two sentences."""
    evaluation, verdict = content.evaluation, content.verdict
    state = "" if verdict is None else f" {VERDICT_WORDS[verdict.state]}."
    if evaluation is None:
        return f"Nothing was measured yet.{state}"
    headline = evaluation.headline
    constant = format_metric(headline.name, evaluation.baseline.value)
    return (
        f"{capitalised(title_of(headline.name))} on {evaluation.images} {evaluation.split} {evaluation.unit}: "
        f"{in_words(headline)}. An answer that never looks at the picture would reach {constant}.{state}"
    )


def _answer(content: Content) -> Section | None:
    body: list[str | Part] = []
    evaluation, verdict = content.evaluation, content.verdict
    if evaluation is not None:
        headline = evaluation.headline
        body.append(
            figures(
                {
                    f"{title_of(headline.name)}, {evaluation.split}": format_metric(headline.name, headline.value),
                    "95 % interval": "unknown"
                    if headline.low == headline.high
                    else f"{format_metric(headline.name, headline.low)} to "
                    f"{format_metric(headline.name, headline.high)}",
                    "ignoring the picture": format_metric(headline.name, evaluation.baseline.value),
                    "verdict": verdict.state if verdict else "not judged",
                }
            )
        )
        body += [callout(warning, tone="warning") for warning in evaluation.warnings]
    if verdict is not None:
        body.append(
            callout(
                VERDICT_WORDS[verdict.state] + ".",
                [
                    lines(verdict.evidence),
                    heading("What to do next, the largest gain first"),
                    lines(verdict.advice, ordered=True),
                ]
                if verdict.advice
                else lines(verdict.evidence),
                tone=TONES[verdict.state],
            )
        )
    if content.facts.status != "done":
        body.append(
            callout(
                f"This run is not finished ({content.facts.status}).",
                "Go on with: striate train DATA --resume.",
                tone="warning",
            )
        )
    return Section("The answer", body) if body else None


def _curves(content: Content) -> Section | None:
    if not content.history:
        return None
    facts, headline = content.facts, content.task.headline
    baseline = content.evaluation.baseline.value if content.evaluation else None
    metric = report_charts.metric_chart(content.history, headline, facts.best_epoch, baseline)
    state = f" Verdict: {content.verdict.state}." if content.verdict else ""
    body: list[str | Part] = [
        beside(
            chart(metric, f"{title_of(headline)} on training and validation pictures by epoch.{state}", height_px=340),
            chart(report_charts.loss_chart(content.history), "Loss by epoch on both splits.", height_px=340),
        ),
        note(
            "Both figures are measured with the network in evaluation mode, on pictures that are not augmented"
            + f"; {_kept_words(facts.best_epoch)}.{_frame_words(content)}"
        ),
        details(
            "Learning rate",
            chart(report_charts.rate_chart(content.history), "Learning rate by epoch.", height_px=240),
        ),
    ]
    return Section("How it learned", body)


def _frame_words(content: Content) -> str:
    if all(one.exact for one in content.history):
        return ""
    return (
        " They are approximations, measured in the network's frame; the answer above was measured at the size of each "
        "picture."
    )


def _kept_words(epoch: int) -> str:
    if epoch:
        return f"the weights of epoch {epoch} were kept"
    return "the weights from before the first epoch were kept, of which only the last layer was fitted"


def _data(content: Content) -> Section | None:
    data, facts = content.data, content.facts
    if not data and not facts.data:
        return None
    splits = data.get("splits", facts.images)
    size = data.get("median_size_hw")
    body: list[str | Part] = [
        fact_list(
            {
                "Where": data.get("root", facts.data),
                "Format": data.get("format", facts.data_format),
                "Classes": f"{len(facts.classes)}: {listed(list(facts.classes), 20)}",
                **{f"Pictures, {name}": count for name, count in splits.items()},
                **({"Median size": f"{size[0]} x {size[1]} pixels (height x width)"} if size else {}),
                **({"Channels": ", ".join(data["channel_names"])} if data.get("channel_names") else {}),
                **({"Bits a value": data["bit_depth"]} if data.get("bit_depth") else {}),
            }
        )
    ]
    if data.get("notes"):
        body.append(lines(data["notes"]))
    body.append(_problems(data.get("problems", [])))
    return Section("The data", body)


def _problems(problems: list[dict[str, str]]) -> Part:
    if not problems:
        return note("No problem was found in the data.")
    kinds = Counter(problem["kind"] for problem in problems)
    words = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
    rows = [{key: problem.get(key, "") for key in ("kind", "path", "detail", "fix")} for problem in problems[:200]]
    more = f" The first 200 of {len(problems)} are listed." if len(problems) > 200 else ""
    return details(f"{plural(len(problems), 'problem')} in the data: {words}.{more}", table(rows, sortable=True))


def _choices(content: Content) -> Section | None:
    if not content.choices:
        return None
    rows = [
        {"field": choice["field"], "value": _value_words(choice["value"]), "why": choice["why"]}
        for choice in content.choices
    ]
    body: Body = [
        "These fields were left open and were filled from the data, the machine and the time allowed. "
        "Each can be set in recipe.yaml or with --set FIELD=VALUE.",
        table(rows, ["field", "value", "why"]),
    ]
    return Section("What was chosen, and why", body)


def _value_words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return (
            " x ".join(_value_words(one) for one in value) if len(value) == 2 else ", ".join(map(_value_words, value))
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _machine(content: Content) -> Section | None:
    facts, found = content.facts, content.environment
    weights = facts.weights.get("name", "")
    source = facts.weights.get("source", "")
    packages = ", ".join(f"{name} {version}" for name, version in found.get("packages", {}).items())
    rows = {
        "Network": facts.net,
        "Parameters": facts.parameters or None,
        "Started from": f"{weights} ({source})" if source and weights != "none" else "fresh weights",
        "Epochs": f"{facts.epochs} of {facts.epochs_planned}" + (", ended early" if facts.stopped_early else ""),
        "Time": _duration(facts.seconds),
        "Device": found.get("accelerator", found.get("device")),
        "Threads": found.get("threads"),
        "Platform": found.get("platform"),
        "Python": found.get("python"),
        "Packages": packages,
    }
    return Section("Network, machine and time", fact_list({term: value for term, value in rows.items() if value}))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
