"""Which layers of a graph stay as they are when the others are made smaller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of another tool's graph.

    Attributes:
        name: Its name.
        weighted: Whether it has learned weights: a convolution or a matrix product.
        inputs: Names of the values that it takes.
        outputs: Names of the values that it gives.
    """

    name: str
    weighted: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def last_layers(nodes: Sequence[Node]) -> list[str]:
    """Names of the last layers with weights, and of all that comes after them.

    They give scores and places. 256 steps are too few for a box's corner in a picture of a thousand pixels, and these
    layers are a small part of the work.

    Args:
        nodes: In the order in which they are computed.
    """
    leading: set[str] = set()
    kept = []
    for node in reversed(nodes):
        if leading.isdisjoint(node.outputs):
            kept.append(node.name)
        if node.weighted or not leading.isdisjoint(node.outputs):
            leading.update(node.inputs)
    return kept[::-1]


def first_layers(nodes: Iterable[Node]) -> list[str]:
    """Names of what comes before the first layer with weights: normalisation, which takes nothing to compute.

    Args:
        nodes: In the order in which they are computed.
    """
    behind: set[str] = set()
    kept = []
    for node in nodes:
        if node.weighted or not behind.isdisjoint(node.inputs):
            behind.update(node.outputs)
        else:
            kept.append(node.name)
    return kept


__all__ = ["Node", "first_layers", "last_layers"]
