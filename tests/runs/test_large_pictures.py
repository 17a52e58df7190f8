"""A picture much larger than those learned from: seen in tiles, each object counted once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from striate.images import choose_channels
from striate.networks.heads.point_outputs import PointOutputs
from striate.recipe import InputRecipe, Recipe
from striate.runs import answering
from striate.runs.answering import Answering
from striate.structures import Boxes, Picture, Sample
from striate.tasks import TASKS

FRAME = 160
COUNT = 200


class BrightSpots(nn.Module):
    """A detector that finds every bright spot of a frame, and the visible part of one that the frame cuts off."""

    def forward(self, pixels: Tensor) -> PointOutputs:
        found = []
        for frame in pixels[:, 0].numpy():
            labels, _ = ndimage.label(frame > 0.5)
            spots = ndimage.find_objects(labels)
            found.append([[x.start, y.start, x.stop, y.stop] for y, x in spots])
        most = max(1, *map(len, found))
        boxes, scores = torch.zeros(len(found), most, 4), torch.full((len(found), most, 1), -20.0)
        for row, own in enumerate(found):
            boxes[row, : len(own)] = torch.tensor(own, dtype=torch.float32).reshape(-1, 4)
            scores[row, : len(own)] = 4.0
        return PointOutputs(scores, boxes, torch.zeros(most, 2), torch.ones(most))


@dataclass(frozen=True)
class Spots:
    """A dark picture with bright rectangles."""

    side: int
    boxes: np.ndarray
    name: str = "spots.png"

    def read(self) -> Picture:
        pixels = np.zeros((1, self.side, self.side), np.uint8)
        for left, top, right, bottom in self.boxes:
            pixels[:, top:bottom, left:right] = 255
        return Picture(pixels, ("gray",), source=self.name)


def spots(side: int, seed: int = 0) -> Spots:
    """Spots that do not touch; a quarter of them across seams, which lie every 120 pixels or a little less."""
    noise = np.random.default_rng(seed)
    taken = np.zeros((side, side), np.bool_)
    boxes: list[tuple[int, int, int, int]] = []
    while len(boxes) < COUNT:
        height, width = noise.integers(8, 36, 2).tolist()
        top, left = noise.integers(0, side - 40, 2).tolist()
        if len(boxes) % 4 == 0:
            left = min(side - width, 120 * (left // 120 + 1) + 20 - width // 2)
        where = (slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2))
        if not taken[where].any():
            taken[where] = True
            boxes.append((left, top, left + width, top + height))
    return Spots(side, np.array(boxes))


@pytest.fixture
def detector() -> Answering:
    recipe = Recipe(
        input=InputRecipe(
            size_hw=(FRAME, FRAME), fit="pad", tile_scale=1.0, tile_overlap=0.25, mean=(0.0,), std=(1.0,), scale=255.0
        )
    )
    return Answering(
        BrightSpots(),
        TASKS.get("detection"),
        recipe,
        choice=choose_channels(1, ()),
        dtype="uint8",
        device=torch.device("cpu"),
    )


def test_two_hundred_objects_scattered_over_a_large_picture_count_once_each(detector: Answering) -> None:
    source = spots(3000)
    ((_, size_hw, answer),) = detector.predict([Sample(source)], ("spot",), [])
    assert size_hw == (3000, 3000)
    assert len(answer) == COUNT
    distance = np.abs(answer.boxes_xyxy[:, None] - source.boxes[None]).max(-1)
    assert np.all(distance.min(0) == 0)


def test_a_large_picture_is_measured_as_one(detector: Answering) -> None:
    source = spots(1200, seed=1)
    small = Spots(FRAME, np.array([[10, 10, 40, 30]]), "small.png")
    samples = [
        Sample(one, Boxes(one.boxes.astype(np.float32), np.zeros(len(one.boxes), np.int64))) for one in (source, small)
    ]
    read, scores, targets = detector.measure(samples, ("spot",), [])
    assert read == samples
    assert scores.lengths.tolist() == [COUNT, 1]
    assert detector.task.headline_value(scores, targets) == pytest.approx(1.0)


def test_few_large_pictures_are_read_ahead(detector: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "BYTES_AHEAD", 2 * 600 * 600)
    asked: list[int] = []

    def large() -> Iterator[Sample]:
        for index in range(20):
            asked.append(index)
            yield Sample(Spots(600, np.array([[10, 10, 40, 30]]), str(index)))

    answers = detector.predict(large(), ("spot",), [], batch_size=4)
    next(answers)
    # Reading begins with one picture a thread; how large they are is known from the first.
    assert len(asked) <= 6
    assert sum(1 for _ in answers) == 19


def test_pictures_unlike_those_learned_from_are_noted_once_a_kind(detector: Answering) -> None:
    class Coloured(Spots):
        def read(self) -> Picture:
            pixels = super().read().pixels.astype(np.uint16)
            return Picture(np.repeat(pixels, 3, 0), ("red", "green", "blue"), source=self.name)

    box = np.array([[10, 10, 40, 30]])
    detector = Answering(
        detector.network,
        detector.task,
        detector.recipe,
        choice=choose_channels(1, ("gray",)),
        dtype="uint8",
        device=detector.device,
    )
    problems: list = []
    samples = [Sample(Spots(FRAME, box)), *(Sample(Coloured(500, box, f"{index}.png")) for index in range(3))]
    assert len(list(detector.predict(samples, ("spot",), problems))) == 4
    assert [(problem.path, problem.kind, problem.severity) for problem in problems] == [
        ("0.png", "other-channels", "note"),
        ("0.png", "other-depth", "note"),
        ("0.png", "tiles", "note"),
    ]
    assert problems[0].told == (
        "0.png: it has red, green, blue; the network learned from gray. "
        "Channels are converted; answers may be worth less."
    )
    assert problems[2].told == (
        "0.png: 500 x 500 pixels are far more than the network learned from. "
        "The picture was seen in 16 tiles at the scale of training."
    )
