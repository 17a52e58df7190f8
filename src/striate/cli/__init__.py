"""The command line: one thin file per command.

`striate --help` has to answer at once, so this module and `commands` import next to nothing; the module of the command
that is asked for is imported only then.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from striate.cli.commands import overview


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments after the program's name; those of the process where not given.

    Returns:
        Exit code: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted.
    """
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`striate nets | head`). What is left in the buffer must not be tried again at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _run(arguments: list[str]) -> int:
    group = arguments[0] if len(arguments) in (1, 2) and arguments[0] == "data" else None
    if (arguments[1:] if group else arguments) in ([], ["--help"], ["-h"], ["help"]):
        sys.stdout.write(overview(group))
        return 0
    if arguments == ["--version"]:
        from striate import __version__

        sys.stdout.write(f"striate {__version__}\n")
        return 0
    from striate.cli.dispatch import dispatch

    return dispatch(arguments)
