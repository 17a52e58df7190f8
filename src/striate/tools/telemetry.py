"""Keeps OpenVINO and its quantiser from reporting to their makers.

`import openvino` alone sends an event, and leaves a number for this machine in the user's home, where the package
`openvino_telemetry` is there (it comes with OpenVINO) and nobody has said no. Nothing leaves the machine that nobody
asked to send, so both are imported as if that package were not installed, which they are prepared for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGE = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Lets code be imported as if the package that reports were not installed."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == _PACKAGE}
    for name in kept:
        del sys.modules[name]
    # This is how Python itself marks what cannot be imported.
    sys.modules[_PACKAGE] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]
        sys.modules.update(kept)


def import_openvino() -> Any:
    """OpenVINO, which reports nothing where this is the first import of it."""
    with without_telemetry():
        import openvino
    return openvino


__all__ = ["import_openvino", "without_telemetry"]
