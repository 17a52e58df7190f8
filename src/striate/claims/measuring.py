"""Runs claims, keeps what was found, and goes on where it was cut off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.claims.base import CLAIMS, Claim, Drawing, Finding, Line, Measure
from striate.claims.bench import QUICK, Bench, Effort, fingerprint
from striate.errors import DataError
from striate.runs.files import plain, write_json
from striate.runs.run import Run

if TYPE_CHECKING:
    from striate.data import Dataset


@dataclass(frozen=True, slots=True)
class Measured:
    """One claim and what came of it.

    Attributes:
        claim: The claim.
        finding: What was found; `None` where the experiment could not be made.
        trouble: Why not.
        seconds: How long it took.
    """

    claim: Claim
    finding: Finding | None
    trouble: str
    seconds: float

    @property
    def verdict(self) -> str:
        """The verdict; "cannot tell" where there was no experiment."""
        return self.finding.verdict if self.finding is not None else "cannot tell"

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.claim.name,
            "number": self.claim.number,
            "claim": self.claim.sentence,
            "meaning": self.claim.meaning,
            "verdict": self.verdict,
            "summary": self.finding.summary if self.finding is not None else self.trouble,
            "measures": [one.as_dict() for one in self.finding.measures] if self.finding is not None else [],
            "table": [dict(row) for row in self.finding.table] if self.finding is not None else [],
            "notes": list(self.finding.notes) if self.finding is not None else [],
            "sources": list(self.claim.sources),
            "seconds": round(self.seconds, 1),
        }


def all_claims(only: Sequence[str] = ()) -> list[Claim]:
    """The claims in their order, or those that are named.

    Raises:
        UnknownNameError: No such claim.
    """
    chosen = [CLAIMS.get(name) for name in only] if only else list(CLAIMS)
    return sorted(chosen, key=lambda claim: claim.number)


def measure_claims(
    run: Run,
    data: Dataset | str | Path | None = None,
    *,
    only: Sequence[str] = (),
    effort: Effort = QUICK,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Measured]:
    """Measures claims on a trained network, one by one; what was measured before is read and not measured again.

    Args:
        run: A finished run of classification.
        data: Other pictures with the same classes; the run's own where not given.
        only: Names of claims; all where empty.
        effort: How much to look at.
        seed: Fixes everything that is drawn.
        say: Told what goes on.

    Raises:
        UnknownNameError: No such claim.
        DataError: The run is of another task, or its data is gone.
    """
    claims = all_claims(only)
    folder = run.path / "claims"
    bench = Bench(run, data, effort=effort, seed=seed, folder=folder / "networks", say=say)
    key = fingerprint(str(data or ""), effort.name, seed, _weights_stamp(run))
    for claim in claims:
        kept = folder / f"{claim.name}-{key}.json"
        if (found := _read_kept(claim, kept)) is not None:
            say(f"{claim.name}: measured before")
            yield found
            continue
        say(f"{claim.name}: takes about {claim.seconds(bench):.0f} s")
        began = time.monotonic()
        try:
            finding, trouble = claim.measure(bench), ""
        except DataError as error:
            finding, trouble = None, str(error)
        measured = Measured(claim, finding, trouble, time.monotonic() - began)
        if finding is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(kept, plain(_as_tree(measured)))
        yield measured


def _weights_stamp(run: Run) -> list[float]:
    stat = run.folder.weights_path("best").stat()
    return [stat.st_size, stat.st_mtime]


def _as_tree(measured: Measured) -> dict[str, Any]:
    assert measured.finding is not None
    drawing = measured.finding.drawing
    lines = [
        {"name": one.name, "x": list(one.x), "y": list(one.y), "low": list(one.low), "high": list(one.high)}
        for one in drawing.lines
    ]
    return {
        "finding": measured.finding.as_dict()
        | {"measures": [one.as_dict() | {"form": one.form} for one in measured.finding.measures]},
        "drawing": {
            "title_x": drawing.title_x,
            "title_y": drawing.title_y,
            "caption": drawing.caption,
            "log_y": drawing.log_y,
            "lines": lines,
        },
        "seconds": measured.seconds,
    }


def _read_kept(claim: Claim, path: Path) -> Measured | None:
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        found, drawn = tree["finding"], tree["drawing"]
        lines = tuple(Line(one["name"], one["x"], one["y"], one["low"], one["high"]) for one in drawn["lines"])
        drawing = Drawing(drawn["title_x"], drawn["title_y"], lines, drawn["caption"], drawn["log_y"])
        measures = tuple(
            Measure(one["words"], one["value"], one["low"], one["high"], one["form"]) for one in found["measures"]
        )
        finding = Finding(
            found["verdict"], found["summary"], measures, drawing, tuple(found["table"]), tuple(found["notes"])
        )
        return Measured(claim, finding, "", float(tree["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        # Damaged or of another version: it is measured again.
        return None
