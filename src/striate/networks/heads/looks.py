"""The layers with which a head of two stages looks at its maps again, as networks of their own.

What lies between the first stage and these looks (boxes from anchors, suppression of doubles, cutting out of maps) has
no weights, and the number of boxes differs from picture to picture. Other tools hold the layers, and whoever runs them
does what lies between.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn


class Said(NamedTuple):
    """What is said of cut-outs.

    Attributes:
        scores: `(n, 1 + classes)`, before the softmax; background is the first.
        edges: `(n, 4 * (1 + classes))`: for each class how the box moves, relative to its size.
    """

    scores: Tensor
    edges: Tensor


class Look(nn.Module):
    """One look at what is cut out around boxes; its layers are those of the head, not copies.

    Args:
        layers: One after the other.
        channels: Channels of what is cut out.
        cells: Cells on each side of it.
    """

    def __init__(self, layers: list[nn.Module], channels: int, cells: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.channels = channels
        self.cells = cells

    def forward(self, cut: Tensor) -> Any:
        """Cut-outs `(n, channels, cells, cells)` to what the last layer says of them."""
        said = self.layers(cut)
        return Said(*said) if isinstance(said, tuple) else said
