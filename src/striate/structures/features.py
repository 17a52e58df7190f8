"""What a backbone gives to a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a backbone.

    Attributes:
        name: Name under which `forward_features` returns its map.
        channels: Channels of that map.
        stride: Pixels of the input picture for one step in that map.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """The stages of a backbone, finest first, strides never falling."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        strides = [stage.stride for stage in self.stages]
        if not strides or strides != sorted(strides):
            raise ValueError(f"stages must be given finest first, got strides {strides}")

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __getitem__(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(f"no stage {name!r}; stages: {', '.join(stage.name for stage in self.stages)}")
