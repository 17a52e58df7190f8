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
    entropy_mean = entropy.sum() / weight.sum().clamp_min(1e-6)
    none = output.new_zeros(output.shape[1])
    shown = none.index_add(0, truth.flatten(), counts.flatten())
    both = none.index_add(0, truth.flatten(), (torch.exp(-surprise) * counts).flatten())
    dice = (2 * both + _SMOOTH) / ((log_share.exp() * counts[:, None]).sum((0, 2, 3)) + shown + _SMOOTH)
    occurring = shown > 0
    dice_loss = (1 - dice[occurring]).mean() if bool(occurring.any()) else output.sum() * 0.0
    total: Tensor = entropy_mean + dice_loss
    return total


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
