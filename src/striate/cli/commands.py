"""The table of commands. Kept apart from the commands themselves, because reading it must cost nothing."""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "look": "What is in this folder: format, task, classes, problems",
    "train": "Train a network on a folder of pictures",
    "evaluate": "Measure a trained network, with intervals",
    "predict": "Ask a trained network about pictures",
    "inside": "Open a trained network up, down to one neuron's sum",
    "claims": "What people say about CNNs, measured on your own network",
    "export": "The trained network in another tool, compared with PyTorch",
    "import": "A network in: from Keras into its run, or from elsewhere",
    "tools": "What a network can be exported to, and what is installed",
    "compare": "Train several networks on the same data, side by side",
    "nets": "The table of networks",
    "explain": "What a term of the field means",
    "data make": "Write a synthetic or built-in data set as a folder",
    "data get": "Download a public data set",
    "data convert": "Write a data set in another format",
    "data split": "Write a data set's splits to disk",
    "data deidentify": "Copy files without what tells who somebody is",
    "demo": "The whole road on real handwritten digits",
    "doctor": "What this machine can do, and what is missing",
}
"""Name and summary of each command. `data make` lives in the module `striate.cli.data_make`."""

_OPENING = """\
From a folder of pictures to a convolutional neural network that you can trust.

Usage: striate COMMAND [ARGUMENTS]

"""

_CLOSING = """
  striate look photos/                 see what is there
  striate train photos/ --minutes 5    train, and write a report

Every command has --help, with an example, and --json for one JSON document
on standard output. Exit codes: 0 done, 1 the work failed, 2 the request was
wrong, 130 interrupted. `striate --version` prints the version.
"""


def module_name(command: str) -> str:
    """Name of the module that holds a command."""
    # `import` is no name that Python lets a module be imported by.
    return "striate.cli." + command.replace(" ", "_") + ("_" if command == "import" else "")


def overview(group: str | None = None) -> str:
    """The text of `striate --help`, or of `striate data --help` for a group."""
    if group is not None:
        rows = {name: text for name, text in COMMANDS.items() if name.startswith(f"{group} ")}
        return f"Usage: striate {group} COMMAND [ARGUMENTS]\n\n" + _table(rows)
    return _OPENING + _table(COMMANDS) + _CLOSING


def _table(rows: dict[str, str]) -> str:
    width = max(len(name) for name in rows)
    return "".join(f"  {name.ljust(width)}  {text}\n" for name, text in rows.items())
