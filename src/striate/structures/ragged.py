"""Rows of differing length: boxes found in each of many pictures, for example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Several values for each picture, as many as it has; kept in flat arrays, end to end.

    Indexing by positions or flags gives the chosen pictures, so that a bootstrap sample is one index away, as with an
    array whose first axis is the picture.

    Attributes:
        lengths: `(N,)` entries of each picture.
        values: By name, arrays `(sum of lengths, ...)`.

    Raises:
        ValueError: An array has another number of entries.
    """

    lengths: npt.NDArray[np.int64]
    values: Mapping[str, Array]

    def __post_init__(self) -> None:
        total = int(self.lengths.sum())
        for name, array in self.values.items():
            if len(array) != total:
                raise ValueError(f"{name} has {len(array)} entries, the lengths add up to {total}")

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Array]], empty: Mapping[str, Array]) -> Ragged:
        """From one mapping of equally long arrays a picture.

        Args:
            rows: One mapping a picture.
            empty: Arrays of length 0, for their names, types and further axes where there are no rows.
        """
        lengths = np.array([len(row[next(iter(empty))]) for row in rows], np.int64)
        values = {name: np.concatenate([kind, *(row[name] for row in rows)]) for name, kind in empty.items()}
        return cls(lengths, values)

    @classmethod
    def join(cls, parts: Sequence[Ragged]) -> Ragged:
        """Several one after the other.

        Raises:
            ValueError: There is none, so that nobody knows the names.
        """
        if not parts:
            raise ValueError("nothing to join")
        names = parts[0].values
        return cls(
            np.concatenate([part.lengths for part in parts]),
            {name: np.concatenate([part.values[name] for part in parts]) for name in names},
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, chosen: npt.NDArray[Any] | slice) -> Ragged:
        positions = np.arange(len(self))[chosen]
        starts = self.starts
        lengths = self.lengths[positions]
        # Entry k of picture i lies at starts[i] + k.
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat = np.repeat(starts[positions], lengths) + within
        return Ragged(lengths, {name: array[flat] for name, array in self.values.items()})

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """`(N,)` where each picture's entries begin."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths, np.int64)

    @property
    def pictures(self) -> npt.NDArray[np.int64]:
        """For each entry, the picture that it belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def row(self, index: int) -> dict[str, Array]:
        """The entries of one picture."""
        start = int(self.lengths[:index].sum())
        stop = start + int(self.lengths[index])
        return {name: array[start:stop] for name, array in self.values.items()}

    def as_arrays(self, prefix: str) -> dict[str, Array]:
        """Plain arrays for a file, under names that begin with `prefix`."""
        return {f"{prefix}/lengths": self.lengths, **{f"{prefix}/{name}": one for name, one in self.values.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str) -> Ragged:
        """What `as_arrays` gave.

        Raises:
            KeyError: It is not there.
        """
        found = {name.removeprefix(f"{prefix}/"): arrays[name] for name in arrays if name.startswith(f"{prefix}/")}
        lengths = found.pop("lengths")
        return cls(lengths.astype(np.int64), found)
