"""`striate tools`: what a network can be exported to, and what is installed for it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from striate.cli.output import Answer, table


def command() -> Answer:
    """Lists the tools that a network can be written for, with their versions or how to add them.

    Example:
        striate tools
        striate export runs/photos --to onnx
    """
    from striate.tools import TOOLS, installed_version

    rows: list[dict[str, Any]] = [
        {
            "tool": tool.name,
            "title": tool.title,
            "precisions": list(tool.precisions),
            "versions": {name: installed_version(name) for name in tool.packages if installed_version(name)},
            "missing": list(tool.missing),
            "add": f'pip install "striate[{tool.extra}]"' if tool.missing else None,
        }
        for tool in TOOLS
    ]

    def show(console: Console) -> None:
        shown = table("tool", "what it is", "precisions", "here")
        for row in rows:
            versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
            shown.add_row(row["tool"], row["title"], ", ".join(row["precisions"]), row["add"] or versions)
        console.print(shown)

    return Answer(rows, show)
