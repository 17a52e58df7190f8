"""`striate look`: what is in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.output import Answer
from striate.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from striate.data.look import Look


def command(
    data: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    task: Annotated[str | None, typer.Option(help="Task; read off the annotation where not given.")] = None,
    format: Annotated[str | None, typer.Option(help="Format; recognised where not given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes the splits where the folder gives none.")] = 0,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="[RULE]",
            help="Look at each channel by itself, how alike they are, and what each alone tells of the classes: all, "
            "or those of a rule such as r,g or gray or hsv or lab or 0-3.",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes; runs/look-NAME.html where not given.")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="Write no page.")] = False,
) -> Answer:
    """Shows what is in a folder of pictures, as training would see it, and what is wrong with it.

    Format, task, classes, splits, channels and bit depth, and each kind of problem, on one screen; and a page that
    works offline, with pictures, every problem and what to do about it, as `--json` has them. Nothing in the folder is
    changed. Where training would refuse the folder, what was found is shown all the same, then why and what to do,
    without a page and with exit code 2, which training ends with too.

    Example:
        striate look photos/
        striate look photos/ --json
        striate look photos/ --channels
    """
    from striate.data.look import look_anyway, write_look_page
    from striate.data.survey import SplitWishes

    with TerminalProgress() as progress:
        seen = look_anyway(
            data,
            task=task,
            format=format,
            wishes=SplitWishes(seed=seed),
            channels=channels,
            progress=lambda done, total: progress.part("looking at pictures", done, total),
        )
    wanted = page or Path("runs") / f"look-{data.resolve().stem}.html"
    written = None if no_page or seen.refused else write_look_page(seen, wanted)
    return Answer(
        seen.as_dict() | {"page": written},
        lambda console: console.print(_text(seen, console.width, written), soft_wrap=True),
        exit_code=0 if seen.refused is None else seen.refused.exit_code,
    )


def complete(arguments: list[str]) -> list[str]:
    """The arguments as `command` takes them: `--channels` without a rule means all of them."""
    if "--channels" not in arguments:
        return arguments
    place = arguments.index("--channels") + 1
    before, after = arguments[:place], arguments[place:]
    # Behind it may stand DATA, which is there on the disk, unless DATA came before.
    is_data = bool(after) and Path(after[0]).exists() and not any(Path(word).exists() for word in before)
    return [*before, "all", *after] if not after or after[0].startswith("-") or is_data else arguments


def _text(seen: Look, width: int, page: Path | None) -> str:
    from striate.data.look import CUT

    text = seen.as_text(width)
    cut = any(line.startswith(CUT) or line.endswith(CUT) for line in map(str.strip, text.splitlines()))
    if page is not None:
        rest = f", which also has what is cut off here ({CUT})" if cut else ""
        return f"{text}\n  page     {page}{rest}"
    return f"{text}\n           What is cut off here ({CUT}) stands in full in `striate look --json`." if cut else text
