"""What heads share that say something about every pixel: a loss, and answers at the size of the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.structures import Placement

BAND_PIXELS = 4_000_000
"""Scores of a picture are enlarged in bands of about this many values, so that a huge picture fits in memory."""

_SMOOTH = 1.0


def pixel_loss(
    output: Tensor, truth: Tensor, known: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy plus soft Dice loss over known pixels.

    Args:
        output: `(N, K, H, W)` scores before softmax.
        truth: `(N, H, W)` int64 class indices; any where not known.
        known: `(N, H, W)` which pixels count.
        class_weights: `(K,)` weights of the cross-entropy; equal ones where not given.
        label_smoothing: Share of each target that is spread over all classes, in the cross-entropy.
    """
    # One softmax for both parts, and no truth with a plane a class: of tens of classes that halves the time.
    log_share = torch.log_softmax(output, 1)
    surprise = functional.nll_loss(log_share, truth, reduction="none")
    counts = known.to(output.dtype)
    if class_weights is None and not label_smoothing:
        entropy, weight = surprise * counts, counts
    else:
        # Log-softmax of its own result is that result.
        entropy = counts * functional.cross_entropy(
            log_share, truth, class_weights, reduction="none", label_smoothing=label_smoothing
        )
        weight = counts if class_weights is None else class_weights[truth] * counts
    total: Tensor = entropy.sum() / weight.sum().clamp_min(1e-6) + _dice_loss(log_share, surprise, truth, counts)
    return total


def _dice_loss(log_share: Tensor, surprise: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """Soft Dice loss over the classes that the batch shows.

    Args:
        log_share: `(N, K, H, W)` logarithms of what softmax gives.
        surprise: `(N, H, W)` those of the true classes, negated.
        truth: `(N, H, W)` int64 class indices.
        counts: `(N, H, W)` 1 where a pixel counts, else 0.
    """
    pictures, classes = log_share.shape[:2]
    # Picture by picture: one float32 that counts a whole batch would stop at 16 million pixels.
    places = (truth + classes * torch.arange(pictures, device=truth.device)[:, None, None]).flatten()

    def by_class(values: Tensor) -> Tensor:
        none = values.new_zeros(pictures * classes)
        return none.index_add(0, places, values.flatten()).view(pictures, classes).sum(0)

    shown, both = by_class(counts), by_class(torch.exp(-surprise) * counts)
    claimed = (log_share.exp() * counts[:, None]).sum((0, 2, 3))
    dice = (2 * both + _SMOOTH) / (claimed + shown + _SMOOTH)
    occurring = shown > 0
    return (1 - dice[occurring]).mean() if bool(occurring.any()) else log_share.sum() * 0.0


def enlarged_scores(scores: Tensor, placement: Placement) -> npt.NDArray[np.float32]:
    """Scores `(K, h, w)` of the network's frame in pixels of the picture, `(K, H, W)` of what the frame shows of it."""
    region = placement.covered
    found = np.empty((int(scores.shape[0]), *(part.stop - part.start for part in region)), np.float32)
    for rows, part in enlarged_bands(scores, placement, region):
        found[:, rows] = part.cpu().numpy()
    return found


def enlarged_bands(scores: Tensor, placement: Placement, region: tuple[slice, slice]) -> Iterator[tuple[slice, Tensor]]:
    """Bands of rows of the enlarged scores, so that those of a huge picture need not be held at once.

    Args:
        scores: `(K, h, w)` in the frame.
        placement: How the picture lies there.
        region: Rows and columns of the picture that are wanted; bands are counted from its first row.
    """
    frame_h, frame_w = placement.frame_hw
    device = scores.device
    wanted = torch.arange(region[1].start, region[1].stop, device=device)
    across = ((wanted + 0.5) * placement.scale_yx[1] + placement.offset_yx[1]) / frame_w * 2 - 1
    band = max(1, BAND_PIXELS // (int(scores.shape[0]) * max(1, len(wanted))))
    source = scores[None].float()
    for start in range(region[0].start, region[0].stop, band):
        rows = torch.arange(start, min(start + band, region[0].stop), device=device)
        down = ((rows + 0.5) * placement.scale_yx[0] + placement.offset_yx[0]) / frame_h * 2 - 1
        grid = torch.stack([across.expand(len(rows), -1), down[:, None].expand(-1, len(wanted))], -1)
        part = functional.grid_sample(source, grid[None], mode="bilinear", padding_mode="border", align_corners=False)
        first = start - region[0].start
        yield slice(first, first + len(rows)), part[0]
