"""`striate.json` beside an artefact: what holds of it, and what one that is written by hand says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.errors import CheckpointError, ExportError, RequestError
from striate.images import choose_channels
from striate.networks import NetworkOptions
from striate.runs.files import read_json
from striate.runs.structures import RunFacts
from striate.tasks import TASKS
from striate.tools.base import TOOLS
from striate.tools.graph import PLAIN
from striate.tools.meaning import GIVES, SCORES

SIDECAR = "striate.json"
"""Stands beside an artefact: what the tool's own file cannot hold."""

SIDECAR_VERSION = 1

RESIZE = "bilinear with antialiasing"
INSIDE = "inside"

FOREIGN_TASKS = ("classification", "multilabel", "segmentation")
"""Tasks whose outputs everybody lays out alike, so that networks from elsewhere can be asked."""

_DTYPES = ("uint8", "uint16", "int16", "float32")


def read_sidecar(file: Path) -> dict[str, Any]:
    """The sidecar of an artefact.

    Args:
        file: The artefact, or any file beside it.

    Raises:
        RequestError: There is none, or the file is a part of an artefact.
        CheckpointError: It is damaged, or says what cannot be.
    """
    path = file.with_name(SIDECAR)
    if not path.is_file():
        raise RequestError(
            f"{SIDECAR} is missing beside this file, so nobody knows its classes or how pictures are fed to it.",
            where=file,
            fix=f"Put {SIDECAR} of its export beside it, or export the run again.{_foreign_words(file)}",
        )
    found = read_json(path, fix="Export the run again.")
    if not isinstance(found, dict) or found.get("version", 0) > SIDECAR_VERSION or "tool" not in found:
        raise CheckpointError(
            "this is no sidecar that this Striate can read.", where=path, fix="Export the run again, or update Striate."
        )
    for field, expected, value in _faults(found):
        shown = "missing" if value is None else repr(value)
        raise CheckpointError(
            f"`{field}` is {shown}; expected {expected}.",
            where=path,
            fix="Put back what was there, or export the run again.",
        )
    if file.name in [str(entry.get("file")) for entry in found.get("looks", {}).values()]:
        raise RequestError(
            "this file is only the part of an export that looks at the maps again.",
            where=file,
            fix=f"Name its folder, or {found['file']}.",
        )
    return found


def facts_of(document: dict[str, Any], path: Path) -> RunFacts:
    """What is known of the run, or of a network from elsewhere that has none.

    Raises:
        CheckpointError: The sidecar is damaged.
    """
    rule = document["input"].get("rule")
    if "run" not in document:
        foreign = _foreign_facts(document)
        if rule is not None:
            _check_rule(rule, foreign, path)
        return foreign
    try:
        facts = RunFacts.from_dict(document["run"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"this sidecar is damaged ({type(error).__name__}: {error}).", where=path, fix="Export the run again."
        ) from error
    shape = [facts.options.channels, *facts.options.size_hw]
    if rule is not None:
        _check_rule(rule, facts, path)
    if document["input"]["shape"][1:] != shape or list(document["classes"]) != list(facts.classes):
        raise CheckpointError(
            f"`input.shape` and `classes` are {document['input']['shape'][1:]} and {len(document['classes'])} names; "
            f"`run` says {shape} and {len(facts.classes)} names.",
            where=path,
            fix="Put back what was there, or export the run again.",
        )
    return facts


def _check_rule(rule: str, facts: RunFacts, path: Path) -> None:
    try:
        names = choose_channels(rule, facts.picture_channels).names
    except RequestError as error:
        raise CheckpointError(
            f"`input.rule`: {error.what}", where=path, fix="Put back what was there, or export the run again."
        ) from error
    if names != facts.channel_names:
        raise CheckpointError(
            f"`input.rule` {rule!r} gives {', '.join(names)}, but the network takes {', '.join(facts.channel_names)}.",
            where=path,
            fix="Put back what was there, or export the run again.",
        )


def normalisation_of(document: dict[str, Any]) -> dict[str, Any]:
    """Mean, std and scale that are left to be done before the artefact: none where normalisation is inside."""
    given, channels = document["input"].get("normalisation", INSIDE), document["input"]["shape"][1]
    if given == INSIDE:
        return {"mean": [0.0] * channels, "std": [1.0] * channels, "scale": 1.0}
    return dict(given)


def _foreign_facts(document: dict[str, Any]) -> RunFacts:
    entry = document["input"]
    channels, height, width = entry["shape"][1:]
    return RunFacts(
        task=document["task"],
        classes=tuple(document["classes"]),
        net="",
        options=NetworkOptions(len(document["classes"]), channels, (height, width)),
        channel_names=tuple(entry.get("channels", ())),
        picture_channels=tuple(entry.get("picture_channels", ())),
        dtype=entry["dtype"],
    )


def _faults(found: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Fields that do not hold: name, what was expected, and the value."""
    entry = found.get("input")
    if found["tool"] not in TOOLS.names():
        yield "tool", f"one of {', '.join(TOOLS.names())}", found["tool"]
    if not isinstance(found.get("file"), str) or not found["file"]:
        yield "file", "the name of the artefact's file", found.get("file")
    if found.get("task") not in TASKS.names():
        yield "task", f"one of {', '.join(TASKS.names())}", found.get("task")
    if not _names(found.get("classes")):
        yield "classes", "a list of names", found.get("classes")
    if not _names(found.get("outputs")):
        yield "outputs", "a list of names", found.get("outputs")
    if not isinstance(entry, dict):
        yield "input", "an object", entry
        return
    if not isinstance(entry.get("rule", ""), str | None):
        yield "input.rule", "a rule of channels, or null", entry["rule"]
    if not _is_shape(entry.get("shape")):
        yield "input.shape", '["batch", channels, height, width]', entry.get("shape")
    if entry.get("dtype") not in _DTYPES:
        yield "input.dtype", f"one of {', '.join(_DTYPES)}", entry.get("dtype")
    if entry.get("resize", RESIZE) != RESIZE:
        yield "input.resize", f"{RESIZE!r}, the only way in which Striate resizes", entry["resize"]
    if "run" not in found:
        if found["task"] not in FOREIGN_TASKS:
            yield "task", f"one of {', '.join(FOREIGN_TASKS)} where there is no `run`", found["task"]
        if found["outputs"] != [PLAIN]:
            yield "outputs", f'["{PLAIN}"] where there is no `run`', found["outputs"]
    if found.get("gives", SCORES) not in GIVES:
        yield "gives", f"one of {', '.join(GIVES)}", found["gives"]
    if not _is_normalisation(entry.get("normalisation", INSIDE), entry["shape"][1]):
        expected = f'"{INSIDE}", or an object of `mean` and `std`, one value a channel, and `scale`'
        yield "input.normalisation", expected, entry["normalisation"]


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _is_shape(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4 or value[0] not in ("batch", 1):
        return False
    return all(type(side) is int and side > 0 for side in value[1:])


def _is_normalisation(value: Any, channels: int) -> bool:
    if value == INSIDE:
        return True
    if not isinstance(value, dict) or set(value) != {"mean", "std", "scale"}:
        return False
    return all(isinstance(value[name], list) and len(value[name]) == channels for name in ("mean", "std"))


def _foreign_words(file: Path) -> str:
    """What can be done with a file that nobody exported, as far as its tool can read it."""
    for tool in TOOLS:
        if Path(tool.file).suffix == file.suffix and not tool.missing:
            try:
                described = tool.describe(file)
            except ExportError as error:
                return f" {error.what}"
            if described:
                return (
                    f" A network from elsewhere can be asked, too, where it gives classes of pictures or of pixels: it "
                    f"{described}. Write {SIDECAR} for it as docs/tools.md says."
                )
    return ""


__all__ = ["RESIZE", "SIDECAR", "SIDECAR_VERSION", "facts_of", "normalisation_of", "read_sidecar"]
