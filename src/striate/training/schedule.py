"""How long to train, and the learning rate on the way.

The schedule runs over *progress*, 0 at the first step and 1 at the last. How much progress a step makes follows from
the steps that are still planned, so a run that is slower than measured shortens its schedule and still anneals to the
end, instead of being cut off in the middle of it.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass


def rate_factor(progress: float, schedule: str, warmup: float) -> float:
    """Share of the highest learning rate at a point of the run.

    Args:
        progress: 0..1.
        schedule: "one-cycle" (linear up, cosine down to nothing; after Smith 2018, but momentum stays as it is),
            "cosine" (the same, ending at a hundredth) or "constant" (after the warm-up).
        warmup: Share of the run in which the rate rises from a twentieth.

    Returns:
        A factor in 0..1.
    """
    if warmup > 0 and progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    if schedule == "constant":
        return 1.0
    rest = (progress - warmup) / max(1e-9, 1.0 - warmup)
    lowest = 0.0 if schedule == "one-cycle" else 0.01
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


@dataclass(slots=True)
class Plan:
    """What is done and what is still planned; kept in the checkpoint.

    Attributes:
        steps: Planned number of steps; the last epoch may be cut short.
        steps_per_epoch: Steps in an epoch.
        step: Steps done.
        progress: 0..1, what the learning rate follows.
    """

    steps: int
    steps_per_epoch: int
    step: int = 0
    progress: float = 0.0

    @property
    def epoch(self) -> int:
        """Epochs done; one that was cut short at the end of the plan counts."""
        whole, rest = divmod(self.step, self.steps_per_epoch)
        return whole + (1 if rest and self.is_done else 0)

    @property
    def epochs(self) -> int:
        """Planned number of epochs, the last one perhaps cut short."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def steps_left(self) -> int:
        """Steps still planned."""
        return max(0, self.steps - self.step)

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.steps_left == 0

    def advance(self) -> None:
        """Counts one step."""
        left = self.steps_left
        self.progress = 1.0 if left <= 1 else self.progress + (1.0 - self.progress) / left
        self.step += 1

    def replan(self, steps_left: int) -> None:
        """Changes how many more steps there will be."""
        self.steps = self.step + max(0, steps_left)

    def state(self) -> dict[str, float]:
        """Plain numbers for the checkpoint."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, float]) -> Plan:
        """The plan that `state` wrote."""
        return cls(int(state["steps"]), int(state["steps_per_epoch"]), int(state["step"]), float(state["progress"]))


class Clock:
    """Time of a run, over all its sessions.

    Args:
        minutes: Time allowed for the whole command; `None` is no limit.
        used_s: Seconds that earlier sessions of this run used.
        started_s: `time.monotonic()` when the command began.
    """

    def __init__(self, minutes: float | None, used_s: float = 0.0, started_s: float | None = None) -> None:
        self.budget_s = None if minutes is None else minutes * 60
        self.used_s = used_s
        self.started_s = time.monotonic() if started_s is None else started_s

    @property
    def seconds(self) -> float:
        """Seconds used so far."""
        return self.used_s + time.monotonic() - self.started_s

    def left_s(self, reserve_s: float) -> float:
        """Seconds left for training when `reserve_s` are kept back; infinite without a limit."""
        return math.inf if self.budget_s is None else self.budget_s - reserve_s - self.seconds


def reserve_s(minutes: float | None, evaluation_s: float) -> float:
    """Seconds to keep for what follows the last step: scoring every split, the intervals, the report; and some air."""
    return 0.0 if minutes is None else 8.0 + 3.0 * evaluation_s + 0.08 * minutes * 60


def epochs_that_fit(left_s: float, epoch_s: float, most: int) -> int:
    """Whole epochs that fit into the time left, at least one and at most `most`."""
    if math.isinf(left_s):
        return most
    return max(1, min(most, int(left_s / max(epoch_s, 1e-6))))
