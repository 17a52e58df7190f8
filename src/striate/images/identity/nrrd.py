"""NRRD: fields, key/value pairs and comments of the header (Kindlmann, teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from striate.images.identity.base import Holder, Identity, Taken
from striate.images.kinds import truncated, unsupported

_KEPT_FIELDS = frozenset(
    {
        "type",
        "dimension",
        "space",
        "space dimension",
        "sizes",
        "spacings",
        "axis mins",
        "axismins",
        "axis maxs",
        "axismaxs",
        "centers",
        "centerings",
        "kinds",
        "endian",
        "encoding",
        "byte skip",
        "byteskip",
        "line skip",
        "lineskip",
        "space directions",
        "space origin",
        "space units",
        "units",
        "block size",
        "blocksize",
        "min",
        "max",
        "old min",
        "oldmin",
        "old max",
        "oldmax",
        "measurement frame",
        "thicknesses",
        "labels",
    }
)
_DATA_FILE = ("data file", "datafile")
_TECHNICAL = ("segment", "dwmri", "modality", "nrrd", "itk_", "space")
_USUAL_COMMENTS = (b"# Complete NRRD file format", b"# http", b"# This NRRD file")
_MOST_HEADER = 1 << 20


class _NrrdHolder(Holder):
    """NRRD with its voxels in the same file."""

    name = "nrrd"
    title = "NRRD"

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        return head.startswith(b"NRRD000")

    def find(self, path: Path) -> Identity:
        with path.open("rb") as file:
            lines = _header(path, file.read(_MOST_HEADER))[0]
        names = []
        for line in lines:
            kind, name = _entry(line)
            usual = line.startswith(_USUAL_COMMENTS) or name.lower().startswith(_TECHNICAL)
            known = kind == "magic" or (kind == "field" and name.lower() in (*_KEPT_FIELDS, *_DATA_FILE))
            if not known and (kind == "field" or not usual):
                names.append(name)
        return Identity(tuple(dict.fromkeys(names)))

    def copier(self) -> Callable[[Path, Path], Taken]:
        return self._strip

    def _strip(self, source: Path, target: Path) -> Taken:
        data, taken = source.read_bytes(), Taken()
        lines, start = _header(source, data)
        kept = []
        for line in lines:
            kind, name = _entry(line)
            if kind == "field" and name.lower() in _DATA_FILE:
                raise unsupported(source, "its voxels lie in another file; as one .nrrd file it could be copied")
            if kind == "magic" or (kind == "field" and name.lower() in _KEPT_FIELDS):
                kept.append(line)
            else:
                taken.actions[name, "removed"] += 1
        target.write_bytes(b"\n".join(kept) + b"\n\n" + data[start:])
        return taken


def _header(path: Path, data: bytes) -> tuple[list[bytes], int]:
    """Lines of the header, and where the voxels begin."""
    lines: list[bytes] = []
    position = 0
    while (end := data.find(b"\n", position)) >= 0:
        line = data[position:end].rstrip(b"\r")
        position = end + 1
        if not line:
            return lines, position
        lines.append(line)
    raise truncated(path, "the header has no end")


def _entry(line: bytes) -> tuple[str, str]:
    """What a line is (magic, comment, pair, field), and its name."""
    if line.startswith(b"NRRD000"):
        return "magic", "NRRD"
    if line.startswith(b"#"):
        return "comment", "comment"
    text = line.decode("utf-8", "replace")
    for mark, kind in ((":=", "pair"), (": ", "field"), (":", "field")):
        if mark in text:
            return kind, text.partition(mark)[0].strip()
    return "comment", "line without a name"


NRRD = _NrrdHolder()
