"""Whole runs of tasks that say where something is, on made scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from striate.data import Dataset
from striate.errors import RecipeError
from striate.evaluation import EpochRecord
from striate.networks.spatial import SpatialNetwork
from striate.recipe import Recipe
from striate.runs.run import Run
from striate.structures import (
    VOID,
    Boxes,
    DetectedInstances,
    DetectedObjects,
    Instances,
    Mask,
    Picture,
    Sample,
    SegmentedPicture,
)
from striate.training import train
from striate.training.progress import Silent

pytestmark = pytest.mark.usefixtures("narrow_heads")

SIZE = (40, 48)


def scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright square (class 1) and a dark disc (class 2) on noise, and their mask."""
    random = np.random.default_rng(index)
    pixels = random.normal(120, 12, SIZE)
    mask = np.zeros(SIZE, np.uint8)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    top, left, side = random.integers(2, 20), random.integers(2, 28), random.integers(8, 14)
    mask[top : top + side, left : left + side] = 1
    mask[(y - random.integers(8, 32)) ** 2 + (x - random.integers(8, 40)) ** 2 < random.integers(20, 60)] = 2
    pixels[mask == 1] += 70
    pixels[mask == 2] -= 70
    mask[0] = VOID
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


@dataclass(frozen=True)
class Scene:
    index: int

    @property
    def name(self) -> str:
        return f"scene-{self.index}"

    def read(self) -> Picture:
        return Picture(scene(self.index)[0][None], ("gray",))


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    samples = [Sample(Scene(i), Mask(scene(i)[1]), size_hw=SIZE) for i in range(80)]
    return Dataset(
        root=Path("scenes"),
        task="segmentation",
        format="masks",
        classes=("background", "square", "disc"),
        splits={"train": tuple(samples[:48]), "validation": tuple(samples[48:64]), "test": tuple(samples[64:])},
        channels=1,
        channel_names=("gray",),
        median_size_hw=SIZE,
        sizes_hw={SIZE: 80},
    )


@pytest.fixture(scope="module")
def few_scenes(scenes: Dataset) -> Dataset:
    """Enough for a run whose figures are not looked at."""
    return replace(scenes, splits={name: samples[:12] for name, samples in scenes.splits.items()})


@pytest.fixture(scope="module")
def quick() -> Recipe:
    return Recipe().with_values(
        {
            "network.name": "lenet5",
            "epochs": 8,
            "learning_rate": 0.01,
            "machine.precision": "fp32",
            "machine.channels_last": False,
            "machine.threads": 1,
            "machine.device": "cpu",
        }
    )


@pytest.fixture(scope="module")
def segmenter(scenes: Dataset, quick: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(scenes, quick, run=tmp_path_factory.mktemp("segmenter") / "run")


def test_masks_are_learned_measured_and_predicted(segmenter: Run, scenes: Dataset) -> None:
    run = segmenter
    assert isinstance(run.network, SpatialNetwork)
    assert run.recipe.input.size_hw == (32, 64)
    measured = run.metrics
    assert measured.split == "test"
    assert measured.headline.name == "mean_iou"
    assert measured.headline.low <= measured.headline.value <= measured.headline.high
    assert measured.headline.value > 0.6 > measured.baseline.value
    assert any("pixel accuracy" in warning and "says nothing" in warning for warning in measured.warnings) == (
        next(one.value for one in measured.metrics if one.name == "pixel_accuracy")
        <= run.evaluations["test"].baseline.value
    )
    assert run.verdict is not None
    page = run.report.read_text(encoding="utf-8")
    for words in ("mean IoU", "What is taken for what", "number: pixels", "of its pixels wrong"):
        assert words in page
    again = run.evaluate(scenes, "test")
    assert again.headline.value == pytest.approx(measured.headline.value, abs=1e-6)


def test_answers_come_at_the_size_of_each_picture(segmenter: Run, tmp_path: Path) -> None:
    from PIL import Image

    pixels, mask = scene(70)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.kron(pixels, np.ones((2, 2), np.uint8))).save(tmp_path / "b.png")
    small, large = segmenter.predict([tmp_path / "a.png", tmp_path / "b.png"])
    assert small.size_hw == SIZE
    assert isinstance(small.prediction, SegmentedPicture)
    assert isinstance(large.prediction, SegmentedPicture)
    assert large.prediction.mask.shape == (80, 96)
    known = mask != VOID
    assert (small.prediction.mask == mask)[known].mean() > 0.9
    assert set(small.as_dict()["mask"]) <= {"background", "square", "disc"}


def boxes_of(mask: np.ndarray) -> Boxes:
    """The smallest box around each of the two shapes, where it is seen."""
    rows, kinds = [], []
    for kind in (1, 2):
        y, x = np.nonzero(mask == kind)
        if len(y):
            rows.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
            kinds.append(kind - 1)
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), np.array(kinds, np.int64))


@pytest.mark.slow
def test_boxes_are_learned_measured_and_predicted(scenes: Dataset, quick: Recipe, tmp_path: Path) -> None:
    splits = {
        name: tuple(replace(one, annotation=boxes_of(one.annotation.classes)) for one in samples)
        for name, samples in scenes.splits.items()
    }
    data = replace(scenes, task="detection", format="coco", classes=("square", "disc"), splits=splits)
    run = train(data, quick.with_values({"epochs": 40, "evaluate_every": 10}), run=tmp_path / "run")
    measured = run.metrics
    assert measured.headline.name == "map50"
    assert measured.headline.value > 0.5 > measured.baseline.value
    assert measured.headline.low <= measured.headline.value <= measured.headline.high
    assert {row["class"] for row in measured.per_class} == {"square", "disc"}
    assert not any("Never answered" in warning for warning in measured.warnings)
    page = run.report.read_text(encoding="utf-8")
    for words in ("mAP50", "objects missed", "truth"):
        assert words in page
    again = run.evaluate(data, "test")
    assert again.headline.value == pytest.approx(measured.headline.value, abs=1e-6)
    from PIL import Image

    Image.fromarray(scene(70)[0]).save(tmp_path / "a.png")
    (answer,) = run.predict(tmp_path / "a.png")
    assert isinstance(answer.prediction, DetectedObjects)
    best = answer.prediction.surer_than(0.3)
    true = boxes_of(scene(70)[1])
    assert len(best) >= 1
    assert bool(np.isin(best.classes, true.classes).all())
    first = true.boxes_xyxy[true.classes == best.classes[0]][0]
    assert np.abs(best.boxes_xyxy[0] - first).max() < 8


@pytest.mark.slow
def test_a_split_without_objects_is_left_out_and_the_run_ends_well(
    scenes: Dataset, quick: Recipe, tmp_path: Path
) -> None:
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    splits = {
        name: tuple(
            replace(one, annotation=boxes_of(one.annotation.classes) if name == "train" else none) for one in samples
        )
        for name, samples in scenes.splits.items()
    }
    data = replace(scenes, task="detection", format="coco", classes=("square", "disc"), splits=splits)
    run = train(data, quick.with_values({"epochs": 2}), run=tmp_path / "run")
    assert list(run.evaluations) == ["train"]
    assert run.metrics.warnings[0] == (
        "The test split shows nothing that could be found, so nothing was measured on it; these are the figures of the "
        "train split."
    )
    # Where validation has no figure, that of the training pictures decides.
    figures = [record.train for record in run.history]
    assert figures[run.facts.best_epoch - 1] == max(figures)
    assert "</html>" in run.report.read_text(encoding="utf-8")


def instances_of_scene(mask: np.ndarray) -> Instances:
    """The two shapes, where they are seen; the void border belongs to none."""
    planes = np.stack([mask == 1, mask == 2])
    seen = planes.any((1, 2))
    return Instances.from_dense(planes[seen], np.flatnonzero(seen))


@pytest.mark.slow
def test_objects_with_masks_are_learned_measured_and_predicted(scenes: Dataset, quick: Recipe, tmp_path: Path) -> None:
    splits = {
        name: tuple(replace(one, annotation=instances_of_scene(one.annotation.classes)) for one in samples)
        for name, samples in scenes.splits.items()
    }
    data = replace(scenes, task="instances", format="coco", classes=("square", "disc"), splits=splits)
    run = train(data, quick.with_values({"epochs": 12, "evaluate_every": 4}), run=tmp_path / "run")
    measured = run.metrics
    assert measured.headline.name == "map50"
    assert measured.headline.value > 0.5 > measured.baseline.value
    again = run.evaluate(data, "test")
    assert again.headline.value == pytest.approx(measured.headline.value, abs=1e-6)
    from PIL import Image

    Image.fromarray(scene(70)[0]).save(tmp_path / "a.png")
    (answer,) = run.predict(tmp_path / "a.png")
    assert isinstance(answer.prediction, DetectedInstances)
    planes = answer.prediction.surer_than(0.3).as_annotation().dense()
    for true in instances_of_scene(scene(70)[1]).dense():
        assert max((true & one).sum() / (true | one).sum() for one in planes) > 0.6
    assert "truth" in run.report.read_text(encoding="utf-8")


class CrashAfter(Silent):
    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, record: EpochRecord, epochs: int, verdict: str, left_s: float | None) -> None:
        if record.epoch == self.at:
            raise KeyError("crash")


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(
    few_scenes: Dataset, quick: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.runs.known_pictures.open_by_recipe", lambda *_, **__: few_scenes)
    quick = quick.with_values({"epochs": 4})
    train(few_scenes, quick, run=tmp_path / "whole")
    with pytest.raises(KeyError, match="crash"):
        train(few_scenes, quick, run=tmp_path / "cut", progress=CrashAfter(3))
    train(None, run=tmp_path / "cut", resume=True)
    whole, cut = (load_file(tmp_path / name / "weights" / "last.safetensors") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.parametrize("field", ["augmentation.mixup", "network.frozen"])
def test_wishes_that_only_whole_pictures_can_have_are_refused(scenes: Dataset, quick: Recipe, field: str) -> None:
    with pytest.raises(RecipeError, match="is for answers about whole pictures, and segmentation says where"):
        train(scenes, quick.with_values({field: 1}))


def test_pictures_of_other_shapes_are_padded_and_the_padding_is_void(
    few_scenes: Dataset, quick: Recipe, tmp_path: Path
) -> None:
    tall = replace(few_scenes, sizes_hw={SIZE: 35, (40, 20): 1})
    run = train(tall, quick.with_values({"epochs": 1}), run=tmp_path / "run")
    assert run.recipe.input.fit == "pad"
