"""Measured values as people write them."""

from __future__ import annotations

from striate.data import ALL
from striate.evaluation.structures import Estimate
from striate.structures import plural
from striate.tasks.metric_names import format_metric, metric_info


def in_words(estimate: Estimate) -> str:
    """`98.7 % (97.9 to 99.3)`; the value alone where no interval was measured, or it has no width."""
    whole = estimate.low == estimate.high
    if not metric_info(estimate.name).share:
        return f"{estimate.value:.3f}" + ("" if whole else f" ({estimate.low:.3f} to {estimate.high:.3f})")
    interval = "" if whole else f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
    return f"{100 * estimate.value:.1f} %{interval}"


def of_split(split: str) -> str:
    """Of which pictures, behind their number."""
    return ", all there are" if split == ALL else f" of the {split} split"


def title_of(name: str) -> str:
    """A metric's name as written in a sentence."""
    return metric_info(name).title


def capitalised(sentence: str) -> str:
    """A sentence with a capital at its beginning, the rest as it is; names such as `mAP50` keep their letters."""
    if any(letter.isupper() for letter in sentence.partition(" ")[0]):
        return sentence
    return sentence[:1].upper() + sentence[1:]


def points(difference: float) -> str:
    """A difference of two shares: `3.4 points`."""
    amount = f"{abs(100 * difference):.1f}"
    return f"{amount} point" if amount == "1.0" else f"{amount} points"


def listed(names: list[str], limit: int = 5) -> str:
    """Names in a row, the rest counted: `a, b and 3 more`."""
    if len(names) <= limit:
        return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
    return ", ".join(names[:limit]) + f" and {len(names) - limit} more"


__all__ = ["capitalised", "format_metric", "in_words", "listed", "plural", "points", "title_of"]
