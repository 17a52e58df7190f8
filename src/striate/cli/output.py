"""What a command answers, and how it reaches the terminal or the program that asked."""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from striate.evaluation import Evaluation

JSON_HELP = "Print one JSON document on standard output; everything else goes to standard error."

RUNTIME_HELP = (
    "What computes: torch (where not given), an export of the run by the name of its folder (onnx, openvino-int8), or "
    "auto: the fastest here of those that passed, measured now."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command.

    Attributes:
        document: Plain data, printed by `--json`; what an iterator gives is printed as one list, item by item.
        show: Prints the same for a person.
        exit_code: 0, or 1 where the answer is that something will not work.
    """

    document: Any
    show: Callable[[Console], None]
    exit_code: int = 0


def answer_console() -> Console:
    """Standard output, for the answer. File and class names are never read as markup."""
    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=False)


def message_console() -> Console:
    """Standard error, for everything that is not the answer."""
    return Console(file=sys.stderr, markup=False, emoji=False, highlight=False)


def say(text: str) -> None:
    """One message on standard error: wrapped at words on a terminal, one line elsewhere."""
    console = message_console()
    console.print(text, soft_wrap=not console.is_terminal)


def write_answer(document: Any) -> None:
    """Writes the answer of a command as one JSON document; numbers that are not finite become null."""
    from striate.runs.files import plain

    if isinstance(document, Iterator):
        _write_json_list(map(plain, document))
    else:
        write_json(plain(document))


def write_json(document: Any) -> None:
    """Writes one JSON document on standard output. Escaped to ASCII, so that every terminal encoding can hold it."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def _write_json_list(items: Iterator[Any]) -> None:
    """The same text as `write_json` of a list, without that list in memory."""
    before = "[\n"
    for item in items:
        sys.stdout.write(before + textwrap.indent(json.dumps(item, indent=2, allow_nan=False), "  "))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table without a frame; the columns named in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    numbers = set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(value))
    return made


def tell_scans(console: Console, scans: bool) -> None:
    """The sentence on medical devices, where pictures are scans."""
    from striate.structures import statement

    if scans:
        console.print(f"\n{statement(scans)}", soft_wrap=not console.is_terminal)


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def further_rows(measured: Evaluation) -> list[tuple[str, str]]:
    """Figures that belong beside the headline: of whole volumes, and of a threshold between two classes."""
    from striate.evaluation.cases import case_summary
    from striate.evaluation.operating import OperatingPoint
    from striate.evaluation.words import in_words, title_of
    from striate.structures import Count

    # Of two classes the ranking is told with the point on it that was chosen.
    wanted = ("case_dice", "auroc") if measured.point else ("case_dice",)
    rows = [(title_of(one.name), in_words(one)) for one in measured.metrics if one.name in wanted]
    for row in case_summary(measured.cases):
        dice = "no Dice" if row["dice"] is None else f"Dice {row['dice']:.1%}".replace("%", " %")
        distance = "" if row["hd95_mm"] is None else f", median HD95 {row['hd95_mm']:.1f} mm"
        missed = f", {row['missed']} of them missed whole or made up" if row["missed"] else ""
        rows.append((row["class"], f"{dice}{distance} over {Count(row['volumes']):volume}{missed}"))
    if measured.point:
        point = OperatingPoint.from_dict(measured.point)
        figures = [f"{title_of(one.name)} {in_words(one)}" for one in point.figures[:2]]
        chosen = "a score chosen on validation pictures"
        rows.append((f"score >= {point.threshold:.2f}", f"{', '.join(figures)} ({chosen})"))
    return rows
