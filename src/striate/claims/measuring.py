"""Runs claims, keeps what was found, and goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.claims.base import CLAIMS, Claim, Finding
from striate.claims.bench import QUICK, Bench, Effort
from striate.errors import DataError
from striate.runs.files import write_json
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
            **(self.finding.as_dict() if self.finding is not None else self._without_finding()),
            "sources": list(self.claim.sources),
            "seconds": round(self.seconds, 1),
        }

    def _without_finding(self) -> dict[str, Any]:
        """What stands in the place of a finding: the same names, and why there is none."""
        empty: dict[str, Any] = {"measures": [], "drawing": None, "table": [], "notes": []}
        return {"verdict": self.verdict, "summary": self.trouble, **empty}


def all_claims(only: str | Sequence[str] = ()) -> list[Claim]:
    """The claims in their order, or those that are named.

    Raises:
        UnknownNameError: No such claim.
    """
    names = [only] if isinstance(only, str) else only
    chosen = [CLAIMS.get(name.lower()) for name in names] if names else list(CLAIMS)
    return sorted(chosen, key=lambda claim: claim.number)


def measure_claims(
    run: Run,
    data: Dataset | str | Path | None = None,
    *,
    only: str | Sequence[str] = (),
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
        DataError: The run is of another task, its data is gone, or the data given does not fit the network.
    """
    claims = all_claims(only)
    folder = run.path / "claims"
    bench = Bench(run, data, effort=effort, seed=seed, folder=folder / "networks", say=say)
    key = _key(run, data, effort, seed)
    # Data of another task, or with other classes, is no finding.
    if not len(bench.few):
        raise DataError("there is no picture to measure on.", where=str(data or run.path), fix="Give other pictures.")
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
            write_json(kept, {"finding": finding.as_dict(), "seconds": measured.seconds})
        yield measured


def _key(run: Run, data: object, effort: Effort, seed: int) -> str:
    """What a finding is kept under: it holds for these weights, these pictures and this effort."""
    stat = run.folder.weights_path("best").stat()
    wanted = [str(data or ""), effort.name, seed, stat.st_size, stat.st_mtime]
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]


def _read_kept(claim: Claim, path: Path) -> Measured | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return Measured(claim, Finding.from_dict(tree["finding"]), "", float(tree["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        # Not there, damaged, or of another version: it is measured.
        return None
