"""Networks from elsewhere in another tool: from one tool's file to another's, through the same gate as exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from striate.data import Dataset
from striate.errors import RequestError
from striate.runs.files import plain, write_json
from striate.runs.known_pictures import pictures_of_data
from striate.tools.base import TOOLS
from striate.tools.exported import SIDECAR, Exported
from striate.tools.exporting import EXAMPLE, Export, example_of, judge, refuse_foreign_folder


def convert(
    model: Exported | str | Path,
    to: str,
    folder: str | Path,
    data: Dataset | str | Path,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Export:
    """Writes a network from elsewhere, as `adopt` took it in, for another tool, and compares what both say.

    Args:
        model: What `adopt` gave, or its folder.
        to: Name of the tool.
        folder: Where to.
        data: Pictures with the classes that it knows, which both are asked about and measured on.
        say: Told what goes on.

    Raises:
        UnknownNameError: No such tool.
        MissingPartError: The tool is not installed.
        RequestError: No way leads from its tool to this one, the folder holds something else, or the network is one of
            Striate's own exports.
        DataError: The data has another task, or classes that the network does not know.
        ExportError: The tool cannot hold the network, or its answers are other ones; what was found stays in the
            folder.
        StorageError: Files cannot be written.
    """
    source, tool, target = _opened(model), TOOLS.get(to), Path(folder)
    if source.tool.name not in tool.takes:
        raise RequestError(
            f"no way leads from a network in {source.tool.title} to {tool.title}.",
            where=source.file,
            fix=_ways_from(source.tool.name),
        )
    source.tool.require()
    tool.require(to_write=True)
    refuse_foreign_folder(target)
    samples, _ = pictures_of_data(data, source.facts, source.recipe, None)
    target.mkdir(parents=True, exist_ok=True)
    file = target / tool.file
    say(f"writing {file}")
    tool.take(source.tool.name, source.file, file)
    write_json(target / SIDECAR, plain(source.described_as(tool)))
    (target / EXAMPLE).write_text(example_of(tool), encoding="utf-8")
    return judge(source, tool, target, samples, say)


def _opened(model: Exported | str | Path) -> Exported:
    if not isinstance(model, Exported):
        file = Exported.find(model)
        if file is None:
            raise RequestError("there is no network from elsewhere here.", where=model, fix="Import it first.")
        model = Exported(file)
    if not model.is_foreign:
        raise RequestError(
            "this is an export of Striate's own.", where=model.file, fix="Export the run that it came from."
        )
    return model


def _ways_from(name: str) -> str:
    ways = [tool.name for tool in TOOLS if name in tool.takes]
    if not ways:
        return "Nothing here is written from such a file; bring the network in from the tool that it was made with."
    return f"From there to: {', '.join(ways)}."
