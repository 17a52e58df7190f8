"""What a claim about CNNs is: a sentence that people say, an experiment, and a verdict that rests on its numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from striate.registry import Registry

if TYPE_CHECKING:
    from striate.claims.bench import Bench

VerdictWord = Literal["holds", "holds in part", "does not hold", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number that was measured.

    Attributes:
        words: What it is.
        value: The number.
        low: Lower end of its 95 % interval; `None` where it is exact.
        high: Upper end.
        form: Format specification, for example `.1%`.
    """

    words: str
    value: float
    low: float | None = None
    high: float | None = None
    form: str = ".3g"

    def __str__(self) -> str:
        text = format(self.value, self.form)
        if self.low is None or self.high is None:
            return text
        return f"{text} ({format(self.low, self.form)} to {format(self.high, self.form)})"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the claim's picture.

    Attributes:
        name: What it shows.
        x: Places, numbers or words.
        y: Values.
        low: Lower ends of their intervals; none where empty.
        high: Upper ends.
    """

    name: str
    x: Sequence[float | str]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    @classmethod
    def of(cls, name: str, measures: Mapping[Any, Measure]) -> Line:
        """Measures with their intervals, by their places."""
        shown = list(measures.values())
        low = [one.value if one.low is None else one.low for one in shown]
        high = [one.value if one.high is None else one.high for one in shown]
        return cls(name, list(measures), [one.value for one in shown], low, high)


@dataclass(frozen=True, slots=True)
class Drawing:
    """The claim's picture, as data: a chart of lines, or of bars where places are words.

    Attributes:
        title_x: What the places are.
        title_y: What the values are.
        lines: What is drawn.
        caption: What to see in it.
        log_y: Whether values are drawn by their logarithm.
    """

    title_x: str
    title_y: str
    lines: tuple[Line, ...]
    caption: str
    log_y: bool = False

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Drawing:
        """From the plain data that `dataclasses.asdict` makes of it."""
        return cls(**{**tree, "lines": tuple(Line(**one) for one in tree["lines"])})


@dataclass(frozen=True, slots=True)
class Finding:
    """What an experiment came to.

    Attributes:
        verdict: Whether the sentence holds.
        summary: Why, in one or two sentences with numbers.
        measures: The numbers behind it, the deciding ones first.
        drawing: The claim's picture.
        table: Rows of further figures.
        notes: What to bear in mind.
    """

    verdict: VerdictWord
    summary: str
    measures: tuple[Measure, ...]
    drawing: Drawing
    table: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Finding:
        """From the plain data that `as_dict` gives.

        Raises:
            KeyError: Something is missing.
            TypeError: Something is of another kind.
        """
        return cls(
            tree["verdict"],
            tree["summary"],
            tuple(Measure(**one) for one in tree["measures"]),
            Drawing.from_dict(tree["drawing"]),
            tuple(tree["table"]),
            tuple(tree["notes"]),
        )


class Claim(ABC):
    """Base of all claims; one file registers one.

    Attributes:
        name: Registered name.
        number: Place in the list.
        sentence: The claim as people say it.
        meaning: What would have to be seen if it were true.
        sources: Who says it, and who measured it before.
    """

    name: str
    number: int
    sentence: str
    meaning: str
    sources: tuple[str, ...]

    @abstractmethod
    def seconds(self, bench: Bench) -> float:
        """About how long the experiment will take here, in seconds."""

    @abstractmethod
    def measure(self, bench: Bench) -> Finding:
        """Runs the experiment and judges what came out.

        Raises:
            DataError: The data is too little or of the wrong kind to say anything.
        """


CLAIMS: Registry[Claim] = Registry("claim", "striate.claims")
