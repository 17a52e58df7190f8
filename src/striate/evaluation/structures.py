"""The nouns of evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["underfit", "overfit", "balanced", "too early"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its interval.

    Attributes:
        name: Name of the metric.
        value: The value on the pictures at hand.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of `metrics.jsonl`. Metrics are the task's headline, in evaluation mode on un-augmented pictures.

    Attributes:
        epoch: Epochs done, from 1.
        step: Steps done.
        seconds: Seconds since the start, earlier sessions of the same run included.
        learning_rate: At the end of the epoch.
        batch_loss: Mean loss of the (augmented) training batches of this epoch.
        train: Headline on training pictures; `None` in an epoch that was not evaluated.
        validation: Headline on validation pictures.
        train_loss: Plain loss (no smoothing, no mixing) on the same training pictures.
        validation_loss: Plain loss on validation pictures.
        exact: Whether metrics were measured at the pictures' own size; approximations in the network's frame if not.
    """

    epoch: int
    step: int
    seconds: float
    learning_rate: float
    batch_loss: float
    train: float | None = None
    validation: float | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the network learned too little, too much by heart, or about right.

    Attributes:
        state: underfit, overfit, balanced or too early.
        evidence: Sentences with numbers.
        advice: What to do next, the largest expected gain first.
    """

    state: State
    evidence: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured on one split.

    Attributes:
        split: Its name.
        images: Its number of pictures, or of what `unit` says.
        headline: The deciding metric.
        baseline: The same metric for an answer that ignores the picture.
        metrics: All metrics, with intervals.
        per_class: One row a class.
        warnings: Sentences a reader must see (a metric that a constant answer also reaches, a shifted test split).
        trap: The one of them about a metric that looks good whatever is answered; empty where there is none.
        mistakes: For tasks that look for objects one row a kind of mistake: `kind`, `count` and `gain`.
        cases: For classes of voxels one row a volume and class: `case`, `class`, `dice`, `hd95_mm`, `hd_mm`, `true_ml`
            and `found_ml`.
        point: For two classes what the threshold chosen on validation pictures is worth here, as `OperatingPoint` has
            it; nothing where none was chosen.
        roc: For two classes the ROC curve with its band, as `RocCurve` has it; nothing where a class is missing.
        unit: What was measured: pictures, or volumes.
    """

    split: str
    images: int
    headline: Estimate
    baseline: Estimate
    metrics: tuple[Estimate, ...]
    per_class: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...] = field(default=())
    trap: str = ""
    mistakes: tuple[dict[str, Any], ...] = field(default=())
    cases: tuple[dict[str, Any], ...] = field(default=())
    point: dict[str, Any] = field(default_factory=dict)
    roc: dict[str, Any] = field(default_factory=dict)
    unit: str = "pictures"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json` and the run folder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Evaluation:
        """Reads what `as_dict` gave.

        Raises:
            KeyError, TypeError: A field is missing or of another kind.
        """
        return cls(
            split=tree["split"],
            images=tree["images"],
            headline=Estimate(**tree["headline"]),
            baseline=Estimate(**tree["baseline"]),
            metrics=tuple(Estimate(**one) for one in tree["metrics"]),
            per_class=tuple(tree["per_class"]),
            warnings=tuple(tree["warnings"]),
            trap=tree.get("trap", ""),
            mistakes=tuple(tree.get("mistakes", ())),
            cases=tuple(tree.get("cases", ())),
            point=tree.get("point", {}),
            roc=tree.get("roc", {}),
            unit=tree.get("unit", "pictures"),
        )
