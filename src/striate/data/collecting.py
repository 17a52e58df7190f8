"""Python's garbage collector while very many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def earlier_objects_aside() -> Iterator[None]:
    """Spares the collector what was there before: the half million objects of loaded libraries.

    Facts of many thousand pictures make it go through all objects again and again, for nothing: an eighth of the time
    that opening a data set takes. Garbage made inside is collected as ever. Whoever has set objects aside before, for
    the whole process, is left alone.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
