"""What experiments share: pictures as arrays, and networks trained alike and kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.claims.statistics import Bools
from striate.errors import DataError, PictureError, RequestError
from striate.networks import NetworkOptions, build_network
from striate.networks.weight_files import read_state_dict
from striate.recipe import OptimisationRecipe
from striate.runs.files import atomic_write
from striate.runs.known_pictures import pictures_of_split
from striate.runs.run import Run
from striate.structures import Label, Sample
from striate.training.optimizer import build_optimizer, set_rate
from striate.training.schedule import rate_factor

if TYPE_CHECKING:
    from striate.data import Dataset

Positions = npt.NDArray[np.int64]

FEWEST_PICTURES = 40
"""Fewer test pictures than this give intervals that say nothing."""

BATCH = 64
_SCORING_BATCH = 128


@dataclass(frozen=True, slots=True)
class Effort:
    """How much an experiment may look at.

    Attributes:
        name: "quick" or "thorough".
        train: Training pictures, at most.
        test: Test pictures, at most.
        side: Longer side of the pictures from which networks are trained, in pixels.
        steps: Steps of each training.
        seeds: Trainings of each kind.
    """

    name: str
    train: int
    test: int
    side: int
    steps: int
    seeds: int


QUICK = Effort("quick", 1200, 400, 32, 240, 2)
THOROUGH = Effort("thorough", 8000, 2000, 64, 1500, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures and what they show.

    Attributes:
        pixels: `(N, C, H, W)` float32 in 0..1.
        labels: `(N,)` class indices.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def with_pixels(self, change: Callable[[Tensor], Tensor]) -> Pictures:
        """The same pictures, changed."""
        return replace(self, pixels=change(self.pixels))

    def of(self, chosen: Positions | Tensor | slice) -> Pictures:
        """Some of them."""
        return Pictures(self.pixels[chosen], self.labels[chosen])


class Bench:
    """A trained network, pictures to try it on, and a place where trained networks are kept.

    Args:
        run: A finished run of classification.
        data: Other pictures with the same classes, or a path to them; the run's own where not given.
        effort: How much to look at.
        seed: Fixes everything that is drawn.
        folder: Keeps trained networks, so that an experiment that was cut off goes on; nothing is kept where not given.
        say: Told what goes on.

    Raises:
        DataError: The run is of another task, or there are too few pictures.
    """

    def __init__(
        self,
        run: Run,
        data: Dataset | str | Path | None = None,
        *,
        effort: Effort = QUICK,
        seed: int = 0,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        if run.facts.task != "classification":
            raise DataError(
                f"the claims are about networks that tell classes apart, and this run is for {run.facts.task}.",
                where=run.path,
                fix="Give a run of classification.",
            )
        self.run = run
        self.network = run.network
        self.effort = effort
        self.seed = seed
        self.classes = run.classes
        self.say = say
        self._folder = folder
        self._data = data

    @property
    def channels(self) -> int:
        """Channels of the pictures."""
        return self.run.facts.options.channels

    @cached_property
    def few(self) -> Pictures:
        """Pictures that took no part in training, however few; for what holds for every single one.

        Raises:
            DataError: They have another task, or classes that the network does not know.
            RequestError: There are none.
        """
        return self._read("test", self.effort.test)

    @cached_property
    def test(self) -> Pictures:
        """Pictures that took no part in training, at the size that the network sees.

        Raises:
            DataError: There are too few for an interval.
        """
        found = self.few
        if len(found) < FEWEST_PICTURES:
            raise DataError(
                f"{len(found)} test pictures are too few for an interval; {FEWEST_PICTURES} are the least.",
                where=self.run.path,
                fix=f"Give others with the same classes: striate claims {self.run.path} DATA.",
            )
        return found

    @cached_property
    def train(self) -> Pictures:
        """Training pictures, at the size that the network sees."""
        return self._read("train", self.effort.train)

    @cached_property
    def small_train(self) -> Pictures:
        """Training pictures at the size at which experiments train their own networks."""
        return self.train.with_pixels(self._shrunk)

    @cached_property
    def small_test(self) -> Pictures:
        """Test pictures at that size."""
        return self.test.with_pixels(self._shrunk)

    def _shrunk(self, pixels: Tensor) -> Tensor:
        height, width = (int(side) for side in pixels.shape[2:])
        ratio = self.effort.side / max(height, width)
        if ratio >= 1:
            # Every family takes 28 x 28 pixels and more.
            ratio = max(1.0, 28 / min(height, width))
        size_hw = (max(28, round(height * ratio)), max(28, round(width * ratio)))
        if size_hw == (height, width):
            return pixels
        return F.interpolate(pixels, size_hw, mode="bilinear", antialias=True, align_corners=False)

    def _read(self, split: str, most: int) -> Pictures:
        data = self._data if split != "train" else None
        try:
            samples, _ = pictures_of_split(self.run.folder, self.run.facts, self.run.recipe, data, split)
        except RequestError as error:
            if split != "test" or isinstance(error, DataError):
                raise
            # A set without a test split is judged by its validation pictures.
            self.say(f"there is no test split ({error}); the validation pictures are taken")
            samples, _ = pictures_of_split(self.run.folder, self.run.facts, self.run.recipe, data, "validation")
        order = np.random.default_rng(self.seed).permutation(len(samples))[:most]
        return self._stacked([samples[index] for index in np.sort(order)])

    def _stacked(self, samples: Sequence[Sample]) -> Pictures:
        frames, labels = [], []
        for sample in samples:
            annotation = sample.read_annotation()
            if not isinstance(annotation, Label):
                continue
            try:
                frames.append(self._shares(self.run.answering.shown(sample.read())[1][0]))
            except PictureError:
                # `striate look` lists it; the others are enough.
                continue
            labels.append(annotation.index)
        if not frames:
            return Pictures(torch.zeros(0, self.run.facts.options.channels, 1, 1), torch.zeros(0, dtype=torch.int64))
        return Pictures(torch.stack(frames), torch.tensor(labels))

    def _shares(self, normalised: Tensor) -> Tensor:
        mean, std = self._normalisation
        return (normalised * std + mean).clamp(0, 1)

    @property
    def _normalisation(self) -> tuple[Tensor, Tensor]:
        recipe = self.run.recipe.input
        return torch.tensor(recipe.mean).view(-1, 1, 1), torch.tensor(recipe.std).view(-1, 1, 1)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..1 as the run's network expects them."""
        mean, std = self._normalisation
        return (pixels - mean) / std

    @torch.inference_mode()
    def scores(self, pixels: Tensor) -> Tensor:
        """What the run's network says about pixels in 0..1: probabilities `(N, K)`."""
        parts = [torch.softmax(self.network(self.normalise(part)), 1) for part in torch.split(pixels, _SCORING_BATCH)]
        return torch.cat(parts)

    def right(self, pictures: Pictures) -> Bools:
        """Which pictures the run's network gets right."""
        return np.asarray((self.scores(pictures.pixels).argmax(1) == pictures.labels).numpy())

    def fit(
        self,
        train: Pictures,
        net: str | Callable[[], nn.Module],
        *,
        key: str,
        seed: int = 0,
        steps: int | None = None,
        change: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        options: NetworkOptions | None = None,
    ) -> Fitted:
        """Trains a network from nothing, the same way every time; one that was trained before is read from disk.

        Args:
            train: Training pictures.
            net: Name of the network, or what builds it.
            key: What tells this training from others of the same network, for keeping it.
            seed: Fixes weights and order.
            steps: Steps; as the effort says where not given.
            change: Random change of each batch of pixels in 0..1.
            options: Options of a named network; classes, channels and size are those of the pictures.
        """
        steps = steps or self.effort.steps
        torch.manual_seed(1000 * self.seed + seed)
        size_hw = (int(train.pixels.shape[2]), int(train.pixels.shape[3]))
        wanted = replace(
            options or NetworkOptions(), classes=len(self.classes), channels=int(train.pixels.shape[1]), size_hw=size_hw
        )
        network = build_network(net, wanted) if isinstance(net, str) else net()
        fitted = Fitted(network, train.pixels.mean((0, 2, 3)), train.pixels.std((0, 2, 3)).clamp_min(1e-6))
        name = self._file(f"{net if isinstance(net, str) else ''}-{key}-{asdict(wanted)}-{steps}-{seed}", train)
        if name is not None and name.exists():
            network.load_state_dict(read_state_dict(name))
            network.eval()
            return fitted
        fitted.learn(train, steps, seed, change)
        if name is not None:
            _write_state(name, network)
        return fitted

    def _file(self, description: str, train: Pictures) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(description.encode())
        digest.update(f"{self.seed} {tuple(train.pixels.shape)} {float(train.pixels.double().sum()):.6f}".encode())
        digest.update(train.labels.numpy().tobytes())
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{digest.hexdigest()[:24]}.safetensors"

    def seeds(self) -> range:
        """Seeds of repeated trainings."""
        return range(self.effort.seeds)

    def step_seconds(self, net: str = "lenet5") -> float:
        """Seconds of one training step of a network on the small pictures, measured once."""
        known = self.__dict__.setdefault("_step_seconds", {})
        if net not in known:
            few = self.small_train.of(slice(0, BATCH))
            size_hw = (int(few.pixels.shape[2]), int(few.pixels.shape[3]))
            options = NetworkOptions(len(self.classes), int(few.pixels.shape[1]), size_hw)
            fitted = Fitted(build_network(net, options), torch.zeros(1), torch.ones(1))
            fitted.learn(few, 1, 0, None)
            began = time.perf_counter()
            fitted.learn(few, 3, 0, None)
            known[net] = (time.perf_counter() - began) / 3
        return float(known[net])


def _write_state(path: Path, network: nn.Module) -> None:
    from safetensors.torch import save

    data = save({name: value.contiguous() for name, value in network.state_dict().items()})

    def write(file: BinaryIO) -> None:
        file.write(data)

    atomic_write(path, write)


@dataclass(eq=False)
class Fitted:
    """A network that an experiment trained.

    Attributes:
        network: In evaluation mode.
        mean: `(C,)` of the training pictures.
        std: `(C,)` of the training pictures.
    """

    network: nn.Module
    mean: Tensor
    std: Tensor

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..1 as the network expects them."""
        return (pixels - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)

    def learn(
        self,
        train: Pictures,
        steps: int,
        seed: int,
        change: Callable[[Tensor, torch.Generator], Tensor] | None,
    ) -> None:
        """AdamW with one cycle of the rate: what training does by default, without its searching."""
        rate = 2e-3 if any(isinstance(one, nn.BatchNorm2d) for one in self.network.modules()) else 1e-3
        recipe = OptimisationRecipe(optimizer="adamw", learning_rate=rate, weight_decay=0.02, sum_rate=5.0)
        optimizer = build_optimizer(self.network, recipe)
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        generator = torch.Generator().manual_seed(seed)
        self.network.train()
        for step, chosen in enumerate(_batches(len(train), steps, generator)):
            pixels = train.pixels[chosen]
            if change is not None:
                pixels = change(pixels, generator)
            output = self.network(self.normalise(pixels))
            loss = F.cross_entropy(output[0] if isinstance(output, tuple) else output, train.labels[chosen])
            for weight in weights:
                weight.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            set_rate(optimizer, rate_factor(step / steps, "one-cycle", 0.15))
            optimizer.step()
        self.network.eval()

    @torch.inference_mode()
    def scores(self, pixels: Tensor) -> Tensor:
        """Probabilities `(N, K)` for pixels in 0..1."""
        parts = [torch.softmax(self.network(self.normalise(part)), 1) for part in torch.split(pixels, _SCORING_BATCH)]
        return torch.cat(parts)

    def right(self, pictures: Pictures) -> Bools:
        """Which pictures it gets right."""
        return np.asarray((self.scores(pictures.pixels).argmax(1) == pictures.labels).numpy())


def _batches(count: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of whole passes in random order, for a number of steps."""
    done = 0
    size = min(BATCH, count)
    while done < steps:
        order = torch.randperm(count, generator=generator)
        for start in range(0, count - size + 1, size):
            if done == steps:
                return
            yield order[start : start + size]
            done += 1
