"""Something wrong with the data, found and reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One oddity in a data set.

    Attributes:
        kind: Short machine-readable kind in kebab case, for example `truncated`, `duplicate`, `leakage`.
        path: The file or folder it is about.
        detail: What was expected and what was found.
        fix: What Striate did about it, or what the user can do.
        severity: `dropped`: the picture is left out; `note`: it stays in.
    """

    kind: str
    path: str
    detail: str
    fix: str
    severity: Literal["dropped", "note"] = "note"

    @property
    def told(self) -> str:
        """In a sentence or two, where pictures were to be answered."""
        done = "It was left out." if self.severity == "dropped" else self.fix
        return f"{self.path}: {self.detail} {done}"

    def as_dict(self) -> dict[str, str]:
        """Plain dictionary, for `--json`."""
        return asdict(self)
