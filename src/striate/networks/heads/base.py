"""What every head is, and how it picks its maps from a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from striate.errors import UnknownNameError
from striate.networks.base import NetworkOptions
from striate.registry import Registry
from striate.structures import FeatureSpec, Stage


class Head(nn.Module, ABC):
    """Turns a backbone's maps into what a task's loss and decoding take."""

    @abstractmethod
    def forward(self, maps: dict[str, Tensor], size_hw: tuple[int, int]) -> Any:
        """Outputs for a batch.

        Args:
            maps: By stage name, each `(N, channels, about H/stride, about W/stride)`, finest first.
            size_hw: Height and width of the pictures, in pixels.
        """


@dataclass(frozen=True, slots=True)
class HeadInfo:
    """One row of the table of heads.

    Attributes:
        name: Registered name.
        task: Name of the task that it is for.
        title: What it does, in a phrase.
        paper: Authors, title, and where it appeared.
        build: Makes the head from a backbone's stages and what the caller chose.
        note: Where we differ from the paper.
        weighs_classes: Whether its loss can weigh classes.
        needs_sides: Whether it looks for objects of certain sizes, `NetworkOptions.object_sides`.
    """

    name: str
    task: str
    title: str
    paper: str
    build: Callable[[FeatureSpec, NetworkOptions], Head]
    note: str = ""
    weighs_classes: bool = True
    needs_sides: bool = False


HEADS: Registry[HeadInfo] = Registry("head", "striate.networks.heads")


def find_head(name: str, task: str) -> HeadInfo:
    """The row of the table of heads for a name.

    Raises:
        UnknownNameError: No such head, or one for another task.
    """
    info = HEADS.get(name)
    if info.task != task:
        fitting = ", ".join(each.name for each in HEADS if each.task == task)
        raise UnknownNameError(
            f"the head {name!r} is for {info.task}, and this is {task}.", where="network.head", fix=f"Use {fitting}."
        )
    return info


def one_stage_a_stride(spec: FeatureSpec) -> tuple[Stage, ...]:
    """The last stage of each stride, finest first: the maps that see most at their resolution."""
    last: dict[int, Stage] = {}
    for stage in spec:
        last[stage.stride] = stage
    return tuple(last.values())


def choose_stages(spec: FeatureSpec, finest: int = 2) -> tuple[Stage, ...]:
    """One stage a stride, without those finer than `finest` where three others are left.

    A decoder at full resolution costs more than the whole backbone and gains little: its last step is an enlargement.
    """
    stages = one_stage_a_stride(spec)
    coarse = tuple(stage for stage in stages if stage.stride >= finest)
    return coarse if len(coarse) >= 3 else stages
