"""The run and the picture that is looked into."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.data import slicing_of
from striate.errors import PictureError, RequestError, StriateError
from striate.images import FileSource
from striate.images.volumes import find_volume_kind
from striate.inside.objectives import Objective, objectives_of, planes_of
from striate.inside.recording import Recording, record
from striate.networks import Backbone
from striate.networks.anatomy import Anatomy, describe_network
from striate.networks.spatial import backbone_of
from striate.runs.asked import find_pictures
from striate.runs.known_pictures import pictures_of_data, pictures_of_split
from striate.runs.model import Model
from striate.runs.run import Run
from striate.structures import Picture, Placement, Prediction, Problem, Sample

MOST_PICTURES = 400
"""Pictures of the run's own data that are looked at for what excites a unit and which units are dead."""

PICTURES_S = 20.0
"""Seconds for which the run's own pictures are looked at; the slower the network, the fewer they are."""

FEWEST_PICTURES = 24

SLOW_S = 0.1
"""A network that takes longer for one picture is asked half as often, or its page would take many minutes."""

PASSES = 900
"""Pictures that the network is shown while reasons are looked for and checked, gradients counted in."""

BATCH = 16


@dataclass(eq=False)
class Subject:
    """A trained network and one picture, as the network sees it.

    Attributes:
        run: The run, or a network from elsewhere; its network computes on the CPU.
        name: Name of the picture.
        picture: The picture itself.
        placements: How each of its frames lies in it.
        frames: The frames, `(F, C, H, W)`, normalised: one, or the tiles of a large picture.
        chosen: The frame that is looked into; of several tiles the one in which the network is surest.
        notes: In what the picture is unlike those that the network learned from.
        data: Pictures with its classes that are searched for what excites a unit; the run's own where not given.
    """

    run: Model
    name: str
    picture: Picture
    placements: tuple[Placement, ...]
    frames: Tensor
    chosen: int
    notes: tuple[Problem, ...] = ()
    data: str | Path | None = None

    @property
    def pixels(self) -> Tensor:
        """The frame that is looked into, `(1, C, H, W)`."""
        return self.frames[self.chosen : self.chosen + 1]

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode."""
        return self.run.network

    @cached_property
    def pass_s(self) -> float:
        """Seconds of one pass of one picture through the network, the second of two."""
        with torch.inference_mode():
            self.network(self.pixels)
            began = time.perf_counter()
            self.network(self.pixels)
        return time.perf_counter() - began

    @property
    def is_slow(self) -> bool:
        """Whether steps must be saved."""
        return self.pass_s > SLOW_S

    def fewer(self, steps: int) -> int:
        """Steps that can be afforded of so many: half of them where the network is slow."""
        return max(1, steps // 2) if self.is_slow else steps

    @property
    def waiting_words(self) -> str:
        """About how long looking for reasons will take, where that is long; each asks the network hundreds of times."""
        seconds = self.pass_s * self.fewer(PASSES)
        return f": about {seconds:.0f} s" if seconds > 10 else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self.run.classes

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of what the network is shown."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])

    @cached_property
    def recording(self) -> Recording:
        """Everything that went through the network."""
        return record(self.network, self.pixels)

    @cached_property
    def anatomy(self) -> Anatomy:
        """The network's layers; of a network for boxes or masks those of its backbone."""
        backbone = backbone_of(self.network)
        assert isinstance(backbone, Backbone)
        return describe_network(backbone, self.run.facts.options)

    @cached_property
    def prefix(self) -> str:
        """What stands before names of `anatomy` in the whole network."""
        return "" if backbone_of(self.network) is self.network else "backbone."

    @cached_property
    def answer(self) -> Prediction:
        """What the network says about the picture, all of its frames together."""
        parts = []
        with torch.inference_mode():
            for frame, placement in zip(self.frames, self.placements, strict=True):
                parts += self.run.task.decode(self.network(frame[None]), [placement])
        return self.run.task.prediction(parts, self.placements, self.classes)

    def objectives(self, class_name: str | None = None) -> list[Objective]:
        """What can be explained about the answer; see `objectives_of`."""
        with torch.no_grad():
            return objectives_of(self.network(self.pixels), self.classes, class_name)

    @cached_property
    def known_pictures(self) -> list[Sample]:
        """Pictures of the run's own data, of the split that its weights were chosen by; none where they are gone."""
        samples = self._known_samples()
        most = min(MOST_PICTURES, max(FEWEST_PICTURES, int(PICTURES_S / max(self.pass_s, 1e-6))))
        step = max(1, len(samples) // most)
        return list(samples[::step][:most])

    def _known_samples(self) -> list[Sample]:
        if self.data is not None:
            return pictures_of_data(self.data, self.run.facts, self.run.recipe, None)[0]
        if not isinstance(self.run, Run):
            return []
        for split in ("validation", "train"):
            try:
                return pictures_of_split(self.run.folder, self.run.facts, self.run.recipe, None, split)[0]
            except StriateError:
                continue
        return []

    def batches(self, shown: list[tuple[Sample, Placement]] | None = None) -> Iterator[Tensor]:
        """The known pictures as the network sees them; the first frame of each.

        Args:
            shown: Gets the sample and the placement of each picture, in order.
        """
        batch: list[Tensor] = []
        for sample in self.known_pictures:
            try:
                placements, frames = self.run.answering.shown(sample.read())
            except PictureError:
                # One that cannot be read excites nothing.
                continue
            if shown is not None:
                shown.append((sample, placements[0]))
            batch.append(frames[:1])
            if len(batch) == BATCH:
                yield torch.cat(batch)
                batch = []
        if batch:
            yield torch.cat(batch)


def _read(path: Path, opened: Model) -> Picture:
    """The picture of a file; with the files of its other channels, where the network learned from such.

    Raises:
        PictureError: It cannot be read.
        RequestError: A channel has no file.
    """
    channels = opened.facts.channels_in_files
    if not channels:
        return FileSource(path, str(path)).read()
    problems: list[Problem] = []
    for sample in find_pictures(path, problems, channels=channels):
        return sample.read()
    raise RequestError(problems[0].detail, where=path, fix=problems[0].fix)


def _slice_of_volume(path: Path, opened: Model) -> Picture | None:
    """The slice that `VOLUME#INDEX` names, cut as the network learned them; of a volume alone the middle one.

    Raises:
        PictureError: It cannot be read.
        RequestError: There is no such slice.
    """
    name, mark, number = str(path).rpartition("#")
    volume = Path(name) if mark and number.isdigit() and not path.exists() else path
    if find_volume_kind(volume) is None:
        return None
    problems: list[Problem] = []
    channels = opened.facts.volume_channels
    slices = list(find_pictures(volume, problems, slicing_of(opened.recipe), volume_channels=channels))
    if problems:
        raise RequestError(problems[0].detail, where=volume, fix=problems[0].fix)
    index = int(number) if volume is not path else len(slices) // 2
    if index >= len(slices):
        raise RequestError(
            f"there is no slice {index}; {len(slices)} are counted from 0.", where=volume, fix=f"Name {volume}#0, ..."
        )
    source = slices[index].source
    return replace(source.read(), source=f"{volume.name}#{index}")


def open_subject(run: Model | str | Path, picture: str | Path | Picture, data: str | Path | None = None) -> Subject:
    """Opens a run and reads a picture as its network would see it.

    Args:
        run: The run, its folder, or a network from elsewhere in layers.
        picture: A picture file, a volume (`VOLUME#INDEX` is one of its slices), or a picture.
        data: Pictures that are searched for what excites a unit; the run's own where not given.

    Raises:
        RequestError: There is no such run, picture or data, or the picture has channels that the network knows nothing
            of.
        DataError: The data has another task, or classes that the network does not know.
        PictureError: The picture cannot be read.
    """
    if isinstance(run, str | Path):
        run = Run.open(run, "cpu")
    opened = Run(run.folder, "cpu") if isinstance(run, Run) else run
    if isinstance(picture, Picture):
        read, name = picture, picture.source or "picture"
    else:
        path = Path(picture)
        of_volume = _slice_of_volume(path, opened)
        if of_volume is None and not path.is_file():
            found = "a folder" if path.is_dir() else "nothing"
            raise RequestError(f"expected one picture, found {found}.", where=path, fix="Name a picture file.")
        read, name = (_read(path, opened), path.name) if of_volume is None else (of_volume, of_volume.source)
    try:
        placements, frames = opened.answering.shown(read)
    except PictureError as error:
        names = ", ".join(opened.facts.channel_names) or f"{opened.facts.options.channels} channels"
        raise RequestError(
            f"{error.what.rstrip('.')}; the network learned from {names}.",
            where=name,
            fix="Give a picture with the channels of the training pictures.",
        ) from error
    chosen = _surest(opened.network, frames) if len(frames) > 1 else 0
    notes = tuple(opened.answering.unlike_training(name, read))
    subject = Subject(opened, name, read, placements, frames, chosen, notes, data)
    if data is not None:
        # Before minutes of work.
        _ = subject.known_pictures
    return subject


def _surest(network: nn.Module, frames: Tensor) -> int:
    """The frame in which the largest score of any class is largest."""
    with torch.inference_mode():
        best: Sequence[float] = [float(planes_of(network(frame[None])).amax()) for frame in frames]
    return max(range(len(best)), key=best.__getitem__)
