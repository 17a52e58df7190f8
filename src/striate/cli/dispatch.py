"""Runs the command that was asked for, and turns what goes wrong into a sentence and an exit code."""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import importlib
import inspect
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from striate.cli.commands import COMMANDS, module_name
from striate.cli.output import JSON_HELP, Answer, answer_console, say, write_answer, write_json
from striate.errors import RequestError, StriateError, UnknownNameError, cause_of

INTERRUPTED = 130


def dispatch(arguments: Sequence[str]) -> int:
    """Runs one command and prints its answer.

    Returns:
        Exit code.
    """
    as_json = "--json" in _options(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A file name that the terminal's encoding does not hold must not end the work.
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_empty(arguments)
        name, rest = find_command(arguments)
        result = _invoke(name, rest)
        if result == INTERRUPTED:
            # typer turns Ctrl-C into this number.
            raise KeyboardInterrupt
        if isinstance(result, Answer) and int(os.environ.get("RANK", "0")) == 0:
            if as_json:
                write_answer(result.document)
            else:
                result.show(answer_console())
        return result.exit_code if isinstance(result, Answer) else result if isinstance(result, int) else 0
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _fail("interrupted.", INTERRUPTED, as_json, kind="Interrupted")
    except StriateError as error:
        return _fail(str(error), error.exit_code, as_json, kind=type(error).__name__, error=error)
    except typer.TyperException as error:
        text = error.format_message().rstrip(".")
        return _fail(f"{text}. Try `striate {_asked(arguments)} --help`.", 2, as_json, kind="UsageError")
    except OSError as error:
        return _fail_with_system(error, as_json)
    except Exception as error:  # noqa: BLE001 - the outermost boundary: nobody above can answer for it
        return _fail_unexpectedly(error, as_json)


def find_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command that the arguments begin with, and the arguments left.

    Raises:
        UnknownNameError: No such command; the nearest are offered.
    """
    for length in (2, 1):
        name = " ".join(arguments[:length])
        if name in COMMANDS:
            return name, list(arguments[length:])
    asked = _asked(arguments) or arguments[0]
    near = difflib.get_close_matches(asked, COMMANDS, n=3, cutoff=0.5)
    if asked.split()[0] == "data":
        near = near or [name for name in COMMANDS if name.startswith("data ")]
    fix = f"Nearest: {', '.join(near)}." if near else "`striate --help` lists them all."
    raise UnknownNameError(f"there is no command {asked!r}.", fix=fix)


def build_app(name: str) -> Any:
    """The typer command of one entry of `COMMANDS`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
    function = importlib.import_module(module_name(name)).command
    # \b keeps typer from running the lines of the example together.
    text = (inspect.getdoc(function) or "").replace("\nExample:\n", "\n\b\nExample:\n")
    app.command(name, help=text, context_settings=settings)(_with_json(function))
    return get_command(app)


def _invoke(name: str, arguments: list[str]) -> Any:
    complete = getattr(importlib.import_module(module_name(name)), "complete", None)
    if complete is not None:
        # What typer cannot say: an option whose value may be left out.
        arguments = complete(arguments)
    return build_app(name).main(args=arguments, prog_name=f"striate {name}", standalone_mode=False)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuses `--net ''` and the like: mostly an unset shell variable, and as a path it would mean this folder.

    Raises:
        RequestError: Quoting the place.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument.strip():
            where = f"{before} ''".lstrip()
        elif option.startswith("--") and equals and not value.strip():
            where = argument
        else:
            continue
        raise RequestError(
            "expected a value, found an empty text.",
            where=where,
            fix="Give a value, or leave it out; perhaps a variable is not set.",
        )


def _with_json(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Adds `--json`, and keeps what libraries print away from standard output.

    `dispatch` reads the flag itself, for usage errors too; a command that has the parameter gets it as well.
    """
    signature = inspect.signature(function, eval_str=True)
    own = "json" in signature.parameters

    @functools.wraps(function)
    def run(*, json: bool, **values: Any) -> Answer:
        with contextlib.redirect_stdout(sys.stderr):
            return function(**values, **({"json": json} if own else {}))

    flag = inspect.Parameter(
        "json",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--json", help=JSON_HELP)],
    )
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in signature.parameters.values()
        if each.name != "json"
    ]
    run.__signature__ = signature.replace(parameters=[*parameters, flag])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in [*parameters, flag]}
    return run


def _options(arguments: Sequence[str]) -> list[str]:
    """Arguments before a bare `--`, behind which everything is a path."""
    return list(arguments[: arguments.index("--")] if "--" in arguments else arguments)


def _asked(arguments: Sequence[str]) -> str:
    words = arguments[:2] if arguments and arguments[0] == "data" else arguments[:1]
    return " ".join(word for word in words if not word.startswith("-"))


def _fail(text: str, code: int, as_json: bool, *, kind: str, error: StriateError | None = None) -> int:
    say(f"striate: {text}")
    if os.environ.get("STRIATE_DEBUG") == "1":
        traceback.print_exc()
    if as_json:
        where, fix = (error.where, error.fix) if error else (None, "")
        message = error.what if error else text
        write_json({"error": {"kind": kind, "message": message, "where": where, "fix": fix, "exit_code": code}})
    return code


def _fail_with_system(error: OSError, as_json: bool) -> int:
    if error.filename is None and error.errno != errno.ENOSPC:
        return _fail_unexpectedly(error, as_json)
    where = f"{error.filename}: " if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    return _fail(f"{where}{reason}. Nothing was lost that was written before.", 1, as_json, kind=type(error).__name__)


def _fail_unexpectedly(error: Exception, as_json: bool) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="striate-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(f"striate {' '.join(sys.argv[1:])}\n\n")
        traceback.print_exception(error, file=log)
    kind, cause = type(error).__name__, cause_of(error)
    text = (
        f"this is a fault in Striate, not in your data ({cause if cause.startswith(kind) else f'{kind}: {cause}'}). "
        f"What led to it is written in {log.name}; please report it."
    )
    return _fail(text, 1, as_json, kind=type(error).__name__)
