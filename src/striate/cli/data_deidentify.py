"""`striate data deidentify`: copies without what tells who somebody is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from striate.cli.output import Answer, say, table
from striate.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from striate.data.deidentify import Deidentified

_MOST_ENTRIES = 20
_MOST_NAMED = 10


def command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File or folder; it is not changed.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder; for one file also the new file.")],
    rename: Annotated[
        bool, typer.Option("--rename", help="Number the files, and folders named after a patient in them.")
    ] = False,
    copy_others: Annotated[
        bool, typer.Option("--copy-others", help="Copy tables and other files too, unchanged: they may name anybody.")
    ] = False,
) -> Answer:
    """Copies files without what tells who somebody is, and says what it did.

    DICOM goes by the standard's basic confidentiality profile (PS3.15, annex E): UIDs are replaced, alike in all files,
    dates and private attributes go, and the patient becomes patient-0001. JPEG, PNG, TIFF, NIfTI and NRRD lose text,
    EXIF, GPS, comments and extensions. Pixels stay equal to the last bit; so text that is part of a picture stays, and
    the files to look at are named. Files that cannot be read are named and not copied.

    Example:
        striate data deidentify scans/ shared/
        striate data deidentify scans/ shared/ --rename --json
    """
    from striate.data.deidentify import deidentify

    with TerminalProgress() as progress:
        done = deidentify(
            source,
            out,
            rename=rename,
            copy_others=copy_others,
            progress=lambda count, total: progress.part("copying files", count, total),
        )
    for problem in done.left_out:
        say(f"{problem.path}: {problem.detail} It was not copied.")
    for warning in _warnings(done):
        say(warning)
    return Answer(done.as_dict(), lambda console: _show(done, console))


def _warnings(done: Deidentified) -> list[str]:
    from striate.structures import Count

    warnings = []
    if done.others and done.others_copied:
        warnings.append(
            f"{Count(len(done.others)):other file was|other files were} copied unchanged ({_some(done.others)}): look "
            "into them before you hand them on, since tables may name patients."
        )
    elif done.others:
        warnings.append(
            f"{Count(len(done.others)):other file was|other files were} not copied ({_some(done.others)}): nothing is "
            "known about them. --copy-others copies them unchanged."
        )
    if done.named:
        warnings.append(
            f"{Count(len(done.named)):path repeats|paths repeat} the patient's name or id ({_some(done.named)}): "
            "--rename numbers them."
        )
    if done.burnt_in:
        reasons = sorted({reason for why in done.burnt_in.values() for reason in why})
        warnings.append(
            f"{Count(len(done.burnt_in)):file may|files may} show names as text in the pixels ({', '.join(reasons)}), "
            f"which is never removed. Look at {_some(list(done.burnt_in))}."
        )
    return warnings


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _show(done: Deidentified, console: Console) -> None:
    from striate.structures import Count

    kinds = ", ".join(f"{kind} {count}" for kind, count in done.copied.most_common())
    console.print(f"{Count(done.files):copy is|copies are} in {done.out} ({kinds}).", soft_wrap=True)
    rows = done.as_dict()["actions"]
    if not rows:
        console.print("There was nothing to take out.")
        return
    shown = table("entry", "done", "times", right=["times"])
    for row in rows[:_MOST_ENTRIES]:
        shown.add_row(row["entry"], row["action"], str(row["count"]))
    console.print(shown)
    if len(rows) > _MOST_ENTRIES:
        console.print(f"and {len(rows) - _MOST_ENTRIES} entries more; --json lists all.")
