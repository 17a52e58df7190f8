"""What every task decides: the network's head, the loss, what its outputs mean, and how good they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from striate.networks import Network, NetworkInfo, NetworkOptions
from striate.registry import Registry
from striate.structures import Frames, Placement, Prediction, Sample
from striate.tasks.matching import PrecisionRecall
from striate.tasks.mistake_kinds import MistakeReport
from striate.tasks.truth import ArrayTruth, Motion, TruthStore

Scores: TypeAlias = Any
"""What is kept of the answers of some pictures: an array whose first axis is the picture, or a `Ragged`. Only the task
knows which; all others take its length and choose pictures by an index."""

Targets: TypeAlias = Any
"""Truth of some pictures, likewise."""


@dataclass(frozen=True, slots=True)
class LossSettings:
    """What the recipe says about the loss.

    Attributes:
        label_smoothing: Share of the target spread over all classes.
        class_weights: `(K,)`, or `None` for equal weights; see `Task.class_weights`.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a batch of frames while the answers to them are measured.

    Attributes:
        samples: The picture that each frame shows, whole or in part.
        placements: How it lies in the frame; nothing for tasks that do not ask where.
        truth: Truth as `Task.build_truth` keeps it, in the coordinates of the frame; `None` where `exact`.
        exact: Measure in pixels of the picture itself; else, faster, in those of the frame.
    """

    samples: Sequence[Sample]
    placements: Sequence[Placement]
    truth: Any
    exact: bool


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the objects of some pictures are like.

    Attributes:
        sides: `(D,)` square root of the area of each object's box, in pixels of its picture.
        pictures: `(D,)` position of its picture.
        sizes_hw: Height and width of each picture.
        hidden: Share of all pixels of objects that lie in the mask of another object, too.
    """

    sides: npt.NDArray[np.float64]
    pictures: npt.NDArray[np.int64]
    sizes_hw: Sequence[tuple[int, int]]
    hidden: float = 0.0


class Task(ABC):
    """One level of image problem. A subclass registers an instance in `TASKS` at the end of its file.

    Over a split, outputs ("scores") and truth ("targets") are arrays whose first axis is the picture, so that any
    subset of pictures, a bootstrap sample among them, is one index away.
    """

    name: str
    title: str
    """What it answers, in a phrase, for tables and menus."""
    headline: str
    """Name of the metric that decides; one of `metrics`. Higher is better, 1 is perfect."""
    spatial: bool = False
    """Whether the answer says where something is: the truth then has places, which move with the pixels."""
    one_class: bool = False
    """Whether a picture has one class and no other: softmax over the class scores, and their cross-entropy."""
    counts_overlap: bool = False
    """Whether the loss has a part in which each class counts as much, however few its pixels are."""
    live_in_frame: bool = False
    """Whether figures during training are approximations, measured in the network's frame for speed (`View.exact`)."""
    default_head: str = ""
    """Name of the head that a network gets where the caller names none; nothing where its class scores will do."""
    most_resamples: int = 1000
    """Bootstrap samples that a figure is worth: fewer where each takes long."""

    def build_network(self, info: NetworkInfo, options: NetworkOptions) -> nn.Module:
        """The network with this task's head and fresh weights."""
        return self.finish_network(info.build(options), options)

    def finish_network(self, backbone: Network, options: NetworkOptions) -> nn.Module:
        """The network of this task on a backbone whose weights are loaded; itself, where its class scores will do."""
        del options
        return backbone

    @abstractmethod
    def targets(self, samples: Sequence[Sample], classes: tuple[str, ...]) -> Targets:
        """Truth of some samples, first axis the sample."""

    def build_truth(self, samples: Sequence[Sample], targets: Targets, placements: Sequence[Placement]) -> TruthStore:
        """What `loss` is given of some frames; the targets, where the task does not ask where.

        Args:
            samples: The picture of each frame, frames of one picture side by side.
            targets: What `targets` gave for the pictures.
            placements: How each picture lies in its frame.
        """
        del samples, placements
        return ArrayTruth(targets)

    def move(self, truth: Any, motion: Motion) -> Any:
        """The truth of a batch after its pixels were moved."""
        del motion
        return truth

    @abstractmethod
    def loss(self, output: Any, targets: Any, settings: LossSettings) -> Tensor:
        """Mean loss of a batch, a scalar.

        Args:
            output: What the network returned.
            targets: Rows of `build_truth`; for whole pictures they may be soft (mixup).
            settings: What the recipe says.
        """

    @abstractmethod
    def soften(self, targets: Tensor, classes: int) -> Tensor:
        """Targets as a tensor that can be mixed linearly, float32 with the batch first."""

    @abstractmethod
    def scores(self, output: Any) -> Tensor:
        """What the outputs mean, for example probabilities `(N, K)`."""

    @abstractmethod
    def decode(self, output: Any, placements: Sequence[Placement]) -> list[Any]:
        """What the outputs for some frames say, one entry each, in pixels of the pictures that the frames show.

        Args:
            output: What the network returned.
            placements: How the picture lies in each frame; nothing for tasks that do not ask where.
        """

    @abstractmethod
    def prediction(self, parts: Sequence[Any], placements: Sequence[Placement], classes: tuple[str, ...]) -> Prediction:
        """The answer for one picture.

        Args:
            parts: What `decode` gave for each of its frames.
            placements: How it lies in each.
            classes: Class names.
        """

    def answers(self, output: Any, view: View) -> Scores:
        """What is kept of a batch's outputs to measure them: first axis the frame."""
        del view
        answers: Scores = self.scores(output).float().cpu().numpy()
        return answers

    def stitch(self, answers: Scores, frames: Frames) -> Scores:
        """Answers by picture from answers by frame, where pictures were cut into tiles."""
        del frames
        return answers

    def join(self, parts: Sequence[Scores]) -> Scores:
        """Answers of several batches, one after the other."""
        return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)

    @abstractmethod
    def headline_value(self, scores: Scores, targets: Targets) -> float:
        """The deciding metric alone, fast: it is computed a thousand times for an interval."""

    def resampled_metrics(
        self,
        scores: Scores,
        targets: Targets,
        weights: npt.NDArray[np.float64],
        names: Collection[str] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Metrics of many resamples of the same pictures, for bootstrap intervals.

        Works for any task by repeating pictures; a task overrides it where it can be had faster.

        Args:
            scores: Scores of `N` pictures.
            targets: Their truth.
            weights: `(B, N)`: how often each picture is in each of `B` resamples, whole numbers.
            names: Metrics wanted; `None` is all of them.

        Returns:
            `(B,)` values for each metric, NaN in a resample in which it is not defined.
        """
        classes = tuple(str(k) for k in range(scores.shape[1]))
        rows = []
        for counts in weights:
            index = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
            rows.append(self.metrics(scores[index], targets[index], classes))
        found = {name for row in rows for name in row if names is None or name in names}
        return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in found}

    def class_counts(self, targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """How often each class occurs, `(K,)`: pictures, pixels or objects, whatever the loss is a mean over."""
        if targets.ndim == 2:
            return np.asarray(targets.sum(axis=0), dtype=np.int64)
        return np.bincount(targets, minlength=len(classes)).astype(np.int64)

    def object_facts(
        self, samples: Sequence[Sample], classes: tuple[str, ...], sizes_hw: Sequence[tuple[int, int]]
    ) -> ObjectFacts | None:
        """What the objects are like, where the task is about objects.

        Args:
            samples: The pictures.
            classes: Class names.
            sizes_hw: Height and width of each picture.
        """
        del samples, classes, sizes_hw
        return None

    def suitable_head(self, objects: ObjectFacts | None) -> tuple[str, str]:
        """Name of the head for such objects, and why, in a phrase."""
        del objects
        return self.default_head, "light enough for a laptop"

    @abstractmethod
    def class_weights(self, train_targets: Targets, classes: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """`(K,)` weights of the loss with which rare classes count as much as common ones."""

    @abstractmethod
    def metrics(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> dict[str, float]:
        """All metrics of a split by name, the headline first. A metric that is not defined here is left out."""

    @abstractmethod
    def per_class(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """One row a class: `class`, `count`, and its metrics."""

    @abstractmethod
    def baseline_scores(self, train_targets: Targets, targets: Targets, classes: tuple[str, ...]) -> Scores:
        """What an answer that never looks at the picture would get on the pictures whose truth is `targets`."""

    def confusion(
        self, scores: Scores, targets: Targets, classes: tuple[str, ...]
    ) -> tuple[npt.NDArray[np.int64], str] | None:
        """What is taken for what, `(K, K)`, true class by row and answered class by column, and of what it is a count.

        `None` for tasks in which an answer is not one class instead of another.
        """
        del scores, targets, classes
        return None

    @abstractmethod
    def mistake_words(self, scores: Scores, targets: Targets, index: int, classes: tuple[str, ...]) -> tuple[str, str]:
        """What is wrong about the answer for one picture: a caption, and the figures behind it."""

    def trap(self, scores: Scores, targets: Targets, classes: tuple[str, ...]) -> tuple[str, str] | None:
        """A metric that looks good whatever is answered, and a sentence that says so; `None` where there is none."""
        del scores, targets, classes
        return None

    def counting_score(self, scores: Scores, targets: Targets) -> float | None:
        """The score from which found objects are best counted, by these pictures; `None` where none are found."""
        del scores, targets
        return None

    def mistake_report(self, scores: Scores, targets: Targets) -> MistakeReport | None:
        """Single mistakes by kind and what each kind costs; `None` for tasks that do not look for objects."""
        del scores, targets
        return None

    def precision_recall(
        self, scores: Scores, targets: Targets, classes: tuple[str, ...]
    ) -> dict[str, PrecisionRecall]:
        """Precision against recall of each class that has objects to find; none for tasks that do not look for them."""
        del scores, targets, classes
        return {}

    worst_first: str = "these gave the truth the lowest score"
    """How `mistakes` are ordered, in words."""

    @abstractmethod
    def mistakes(self, scores: Scores, targets: Targets) -> npt.NDArray[np.int64]:
        """Indices of wrongly answered pictures, the worst first."""


TASKS: Registry[Task] = Registry("task", "striate.tasks")
