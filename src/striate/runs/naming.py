"""Names of run folders."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from striate.errors import RequestError
from striate.runs.lock import LOCK_NAME, MARKER_NAME


def claim_named(path: Path) -> Path:
    """Makes the folder of that name.

    Raises:
        RequestError: It exists and is not empty.
    """
    refuse_taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def refuse_taken(path: Path) -> None:
    """Refuses a place where no new run can be made.

    Raises:
        RequestError: There is a file, a run, or anything else that a run must not mix with.
    """
    if path.exists() and not path.is_dir():
        raise RequestError("this is a file, not a folder for a run.", where=path, fix="Choose another name with --run.")
    if (path / "run.json").exists():
        raise RequestError(
            "this run exists already.", where=path, fix=f"Choose another name with --run, or: --resume {path}."
        )
    # A run that was killed before it had a run.json leaves its lock file, and nothing that could be lost.
    if path.exists() and any(each.name not in (LOCK_NAME, MARKER_NAME) for each in path.iterdir()):
        raise RequestError("this folder holds other files.", where=path, fix="Choose a new or empty one with --run.")


def claim_numbered(parent: Path, stem: str) -> Path:
    """Makes a new folder `stem`, `stem-2`, `stem-3`, ..."""
    number = 1
    while True:
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            # Making the folder is the claim, so two runs started at once never share one.
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def today() -> str:
    """The date here, ISO 8601."""
    return datetime.date.today().isoformat()


def slug(text: str) -> str:
    """Text that can be part of a file name everywhere."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text.removeprefix("timm/")).strip("-.")[:40]


def other_runs(folder: Path) -> str:
    """A sentence that names the runs in a folder."""
    try:
        found = sorted(path.parent for path in folder.glob("*/run.json"))
    except OSError:
        found = []
    if not found:
        return "Give the folder that `striate train` printed."
    return "Runs here: " + ", ".join(str(path) for path in found[-3:]) + "."
