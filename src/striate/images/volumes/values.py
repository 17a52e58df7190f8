"""What the values of a volume become: the narrowest type of picture that holds each of them as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_WHOLE = ("uint8", "int16", "uint16")


def narrowest(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values in a type that pictures have, each as it is; float32, the nearest, where no other holds them.

    Types that pictures have stay, int8 becomes int16. Other whole numbers, and results of scaling that are whole,
    become int16 or else uint16 where that holds them all.
    """
    name = values.dtype.name
    if name in (*_WHOLE, "float32"):
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if name == "int8":
        return values.astype(np.int16)
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.size and np.isfinite(values).all():
        low, high = float(values.min()), float(values.max())
        for kind in ("int16", "uint16"):
            limits = np.iinfo(kind)
            if limits.min <= low and high <= limits.max and (values == np.rint(values)).all():
                return values.astype(kind)
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def becomes_nearest_float(stored: np.dtype[Any], dtype: str) -> bool:
    """Whether values of this type lose something in becoming what `narrowest` made of them."""
    return dtype == "float32" and (stored.itemsize > 4 or (stored.kind in "iu" and stored.itemsize == 4))


def likely_type(stored: np.dtype[Any]) -> str:
    """What `narrowest` makes of values of a type that nobody has read yet: float32 where that hangs on them."""
    if stored.name in (*_WHOLE, "float32"):
        return stored.name
    return {"int8": "int16", "bool": "uint8"}.get(stored.name, "float32")
