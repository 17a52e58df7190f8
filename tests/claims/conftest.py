"""A bench without a run: scanned digits, tiny trainings, and any network in place of a trained one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.claims.bench import Bench, Effort, Pictures

TINY = Effort("quick", 320, 120, 28, 40, 1)


class RiggedBench(Bench):
    """Pictures and network are given, and pixels are shown as they are."""

    def __init__(self, network: nn.Module, train: Pictures, test: Pictures, effort: Effort = TINY) -> None:
        self.network = network.eval()
        self.effort = effort
        self.seed = 0
        self.classes = tuple(map(str, range(int(train.labels.max()) + 1)))
        self.say = lambda _text: None
        self._folder = None
        options = SimpleNamespace(channels=int(train.pixels.shape[1]))
        facts = SimpleNamespace(channel_names=(), options=options)
        self.run = SimpleNamespace(facts=facts, path=Path("run"))  # type: ignore[assignment]
        self.__dict__.update(train=train, test=test, few=test)

    def normalise(self, pixels: Tensor) -> Tensor:
        return pixels


def digit_pictures() -> tuple[Pictures, Pictures]:
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = torch.from_numpy(found.images[:, None] / 16.0).float()
    pixels = F.interpolate(pixels, (28, 28), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(found.target).long()
    return Pictures(pixels[:320], labels[:320]), Pictures(pixels[320:440], labels[320:440])


@pytest.fixture(scope="session")
def digits() -> tuple[Pictures, Pictures]:
    return digit_pictures()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def bench_of(digits: tuple[Pictures, Pictures]) -> Callable[..., RiggedBench]:
    """Builds a bench around a network, with the digits or other pictures."""

    def build(network: nn.Module, train: Pictures | None = None, test: Pictures | None = None) -> RiggedBench:
        return RiggedBench(network, train or digits[0], test or digits[1])

    return build


@pytest.fixture(scope="session")
def learned(digits: tuple[Pictures, Pictures]) -> nn.Module:
    """A small network that knows the digits."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    train = digits[0]
    for step in range(120):
        chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(step))[:64]
        loss = F.cross_entropy(network(train.pixels[chosen]), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()
