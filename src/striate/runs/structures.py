"""What a run folder records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from striate.evaluation import Estimate
from striate.images import ChannelChoice, choose_channels
from striate.networks import NetworkOptions
from striate.recipe import Recipe
from striate.structures import DetectedObjects, PictureSource, Prediction, Ragged
from striate.tasks.base import Scores, Targets

FORMAT_VERSION = 1
"""Version of the layout of a run folder; raised when an older Striate could no longer read a new folder."""

Status = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The content of `run.json`.

    Attributes:
        task: Name of the task.
        classes: Class names, in the order of the scores.
        net: Name of the network.
        options: What the network was built with.
        data: Path of the data set.
        data_format: Format it was read as.
        channel_names: Channels of the network's input.
        picture_channels: Channels of the training pictures, of which the recipe's `data.channels` chose; empty in runs
            of an older Striate.
        channel_files: Whether the channels of a picture lay in files of their own.
        volume_channels: Channels of volumes that lay in files of their own; none where a file held all of them.
        dtype: Type of the stored pixels that `striate.data.framing.prepare` feeds it with.
        status: running, done, interrupted or failed.
        created: When the run began, ISO 8601 in UTC.
        striate: Version of Striate.
        seconds: Seconds used so far.
        epochs: Epochs done.
        epochs_planned: Epochs planned.
        best_epoch: Epoch of the kept weights; 0 before there are any, or where the fitted head alone was best.
        parameters: Parameters of the network.
        weights: What the network started from, as `WeightsUsed.as_dict` gives it.
        headline: The deciding figure.
        split: Split of the headline.
        images: Pictures in each split.
        augmented: Whether training pictures were changed at random.
        stopped_early: Whether validation ended training.
        count_from: Score from which found objects are counted, chosen on validation pictures; `None` where the task
            finds none, or nobody chose.
        scans: Whether the pictures are scans of patients.
        threshold: For two classes the score from which the second one is best answered, chosen on validation pictures.
    """

    task: str
    classes: tuple[str, ...]
    net: str
    options: NetworkOptions
    data: str = ""
    data_format: str = ""
    channel_names: tuple[str, ...] = ()
    picture_channels: tuple[str, ...] = ()
    channel_files: bool = False
    volume_channels: tuple[str, ...] = ()
    dtype: str = "uint8"
    status: Status = "running"
    created: str = ""
    striate: str = ""
    seconds: float = 0.0
    epochs: int = 0
    epochs_planned: int = 0
    best_epoch: int = 0
    parameters: int = 0
    weights: dict[str, Any] = field(default_factory=dict)
    headline: Estimate | None = None
    split: str = ""
    images: dict[str, int] = field(default_factory=dict)
    augmented: bool = True
    stopped_early: bool = False
    count_from: float | None = None
    scans: bool = False
    threshold: float | None = None

    def choice(self, recipe: Recipe) -> ChannelChoice:
        """Which channels of a picture the network sees.

        Args:
            recipe: The run's recipe.

        Raises:
            RequestError: The recipe's rule does not fit the channels of the training pictures.
        """
        if not isinstance(recipe.data.channels, str):
            return choose_channels(self.options.channels, self.picture_channels or self.channel_names)
        return choose_channels(recipe.data.channels, self.picture_channels)

    @property
    def channels_in_files(self) -> tuple[str, ...]:
        """Channels that lie in files of their own; none where a file holds all of a picture."""
        return self.picture_channels if self.channel_files else ()

    def with_values(self, **values: Any) -> RunFacts:
        """A copy with some fields changed."""
        return replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> RunFacts:
        """Reads what `as_dict` gave; fields of a later Striate with the same layout are left out.

        Raises:
            KeyError, TypeError: A field is missing or of another kind.
        """
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in tree.items() if name in known}
        options = dict(values["options"])
        options["size_hw"] = tuple(options["size_hw"])
        if options.get("object_sides") is not None:
            options["object_sides"] = tuple(options["object_sides"])
        values["options"] = NetworkOptions(**options)
        values["classes"] = tuple(values["classes"])
        for name in ("channel_names", "picture_channels", "volume_channels"):
            values[name] = tuple(values.get(name, ()))
        if values.get("headline") is not None:
            values["headline"] = Estimate(**values["headline"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PicturePrediction:
    """The answer for one picture.

    Attributes:
        path: The picture.
        size_hw: Its own height and width, in pixels.
        prediction: Scores of all classes.
        source: Where its pixels are; `None` for a whole volume.
    """

    path: str
    size_hw: tuple[int, int]
    prediction: Prediction
    source: PictureSource | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """The class with the highest score; of a mask, with most pixels."""
        return self.prediction.label

    @property
    def score(self) -> float:
        """Its score; of a mask, its share of the pixels."""
        return self.prediction.score

    def surer_than(self, score: float) -> PicturePrediction:
        """The same with those objects alone that score at least this much; other answers as they are."""
        if not isinstance(self.prediction, DetectedObjects):
            return self
        return replace(self, prediction=self.prediction.surer_than(score))

    def as_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain data, for `--json`: the `top` best classes, all where not given.

        Where several classes may hold, those at or above the threshold are marked `present`; a mask is given as run
        lengths for each class.
        """
        return {"path": self.path, "size_hw": list(self.size_hw), **self.prediction.as_document(top)}


@dataclass(frozen=True, slots=True)
class SplitScores:
    """What the kept weights answered for one split.

    Attributes:
        names: Names of the pictures.
        scores: First axis the picture.
        targets: Their truth.
    """

    names: tuple[str, ...]
    scores: Scores
    targets: Targets

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.scores) == len(self.targets):
            counts = f"{len(self.names)}, {len(self.scores)}, {len(self.targets)}"
            raise ValueError(f"names, scores and targets must be equally many, got {counts}")

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays that need no pickling."""
        names = np.array(self.names, dtype=np.str_)
        return {"names": names, **pack_rows(self.scores, "scores"), **pack_rows(self.targets, "targets")}


def pack_rows(rows: Any, name: str) -> dict[str, npt.NDArray[Any]]:
    """Rows of a task, an array or `Ragged`, as arrays for a file."""
    return rows.as_arrays(name) if isinstance(rows, Ragged) else {name: rows}


def unpack_rows(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Any:
    """What `pack_rows` gave.

    Raises:
        KeyError, ValueError: It is not there, or does not fit together.
    """
    return arrays[name] if name in arrays else Ragged.from_arrays(arrays, name)
