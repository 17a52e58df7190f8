"""The order in which training pictures come, and the batches made of them.

Everything random is drawn from generators seeded by (seed, purpose, step). No state is carried from one batch to the
next, so training can go on from any step exactly as if it had never stopped, and every process of a distributed run
draws the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.data.pixels import PixelStore

T = TypeVar("T")


def seeded_generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """A generator whose numbers depend on its arguments alone."""
    generator = torch.Generator()
    generator.manual_seed(step_seed(seed, purpose, step))
    return generator


def step_seed(seed: int, purpose: str, step: int) -> int:
    """A seed of 63 bits that depends on its arguments alone."""
    words = np.random.SeedSequence([seed, step, *purpose.encode()]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def seed_sequence(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """The same for NumPy."""
    return np.random.default_rng(np.random.SeedSequence([seed, step, *purpose.encode()]))


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one training step.

    Attributes:
        indices: `(n,)` positions in the split; this process's share of the whole batch.
        pixels: `(n, C, H, W)` as stored.
        step: Steps done before this one, over the whole run.
        rows: Where this share lies in the whole batch.
        whole: Number of pictures in the whole batch, over all processes.
    """

    indices: npt.NDArray[np.int64]
    pixels: Tensor
    step: int
    rows: slice
    whole: int


class TrainingBatches:
    """Batches of near-equal size that go once through a split in each epoch.

    Near-equal rather than full ones and a rest: a last batch of one picture would wreck batch normalisation.

    Args:
        store: The pictures.
        usable: Positions that may be drawn.
        batch_size: Pictures in one step, over all processes.
        seed: Fixes the order.
        parts: Epochs in which all pictures come once; more than one where a whole pass is long.
        rank: This process, from 0.
        world_size: Number of processes.
    """

    def __init__(
        self,
        store: PixelStore,
        usable: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        parts: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.store = store
        self.usable = usable
        self.parts = parts
        self.steps = max(1, -(-len(usable) // (batch_size * parts)))
        self.seed = seed
        self.rank = rank
        self.world_size = world_size

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Batches of an epoch (from 0), without the first `skip`; the next one is read while one is in use."""
        whole_pass, part = divmod(epoch, self.parts)
        order = seed_sequence(self.seed, "order", whole_pass).permutation(self.usable)
        shares = np.array_split(np.array_split(order, self.parts)[part], self.steps)

        def load(position: int) -> Batch:
            whole = shares[position]
            bounds = np.linspace(0, len(whole), self.world_size + 1).round().astype(int)
            rows = slice(int(bounds[self.rank]), int(bounds[self.rank + 1]))
            indices = whole[rows]
            step = epoch * self.steps + position
            return Batch(indices, self.store.rows(indices), step, rows, len(whole))

        yield from _ahead(load, range(skip, self.steps), at_once=self.store.copies_fast(max(map(len, shares))))


def in_order(store: PixelStore, indices: npt.NDArray[np.int64], batch_size: int) -> Iterator[tuple[slice, Tensor]]:
    """Pictures in the order of `indices`, with their place in it; the next batch is read while one is in use."""

    def load(start: int) -> tuple[slice, Tensor]:
        stop = min(start + batch_size, len(indices))
        return slice(start, stop), store.rows(indices[start:stop])

    yield from _ahead(load, range(0, len(indices), batch_size), at_once=store.copies_fast(batch_size))


def _ahead(load: Callable[[int], T], positions: range, *, at_once: bool) -> Iterator[T]:
    if at_once or not positions:
        # Handing over to a thread and back takes longer.
        yield from map(load, positions)
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(load, positions[0])
        for position in positions[1:]:
            current = coming.result()
            coming = pool.submit(load, position)
            yield current
        yield coming.result()
