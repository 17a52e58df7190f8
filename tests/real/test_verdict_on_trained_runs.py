"""The verdict on networks that were really trained: too small or too short, too few pictures, and good ones."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from striate.evaluation import EpochRecord, FitContext, Verdict, headline_estimate, judge_fit, live_verdict
from striate.tasks import TASKS

TASK = TASKS.get("classification")
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images[:, None].astype(np.float32) / 16, found.target.astype(np.int64)


def stripes(noise=0.35, count=1200):
    """Gratings of four directions and random phase, under noise."""
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, count)
    y, x = np.mgrid[:16, :16]
    angle, phase = truth * np.pi / 4, generator.uniform(0, 2 * np.pi, count)
    wave = np.sin((x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]) * 1.2 + phase[:, None, None])
    pixels = 0.5 * wave + generator.normal(0, noise, wave.shape)
    return pixels[:, None].astype(np.float32), truth


def mnist():
    folder = SHARED / "mnist_idx_t10k"
    pixels = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    found = np.frombuffer(pixels, np.uint8).reshape(-1, 1, 28, 28)[:3000]
    return found.astype(np.float32) / 255, np.frombuffer(labels, np.uint8)[:3000].astype(np.int64)


def signs():
    pixels, truth = [], []
    for label in range(10):
        for path in sorted((SHARED / "sign_digits" / "Dataset" / str(label)).iterdir())[:200]:
            small = Image.open(path).convert("L").resize((24, 24))
            pixels.append(np.asarray(small, dtype=np.float32) / 255)
            truth.append(label)
    return np.stack(pixels)[:, None], np.array(truth)


def pneumonia():
    with np.load(SHARED / "pneumoniamnist" / "pneumoniamnist.npz") as found:
        pixels, truth = found["train_images"], found["train_labels"]
    return pixels[:3000, None].astype(np.float32) / 255, truth[:3000].ravel().astype(np.int64)


@cache
def pictures(name):
    makers = {"digits": digits, "stripes": stripes, "noisy stripes": lambda: stripes(noise=1.2)}
    if name in makers:
        return makers[name]()
    if not SHARED.is_dir():
        pytest.skip("the real data sets are not here")
    return {"mnist": mnist, "signs": signs, "pneumonia": pneumonia}[name]()


def fair(width):
    """Two convolutions with batch normalisation."""

    def build(classes):
        return nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(18 * width, classes),
        )

    return build


def too_small(width):
    """One convolution, averaged over the whole picture."""

    def build(classes):
        convolution = nn.Conv2d(1, width, 3, padding=1)
        return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))

    return build


@dataclass(frozen=True)
class Plan:
    data: str
    images: int
    build: object
    epochs: int
    rate: float = 0.01
    augmented: bool = False

    def __str__(self):
        return f"{self.data}-{self.images}-{self.epochs}"


def trained(plan: Plan) -> tuple[Verdict, list[str]]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    pixels, truth = pictures(plan.data)
    order = generator.permutation(len(pixels))
    validation, train = order[:300], order[300 : 300 + plan.images]
    pixels = torch.from_numpy((pixels - pixels[train].mean()) / pixels[train].std())
    classes = int(truth.max()) + 1
    network = plan.build(classes)
    optimizer = torch.optim.AdamW(network.parameters(), plan.rate)
    steps = -(-plan.images // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * plan.rate, total_steps=plan.epochs * steps + 1)

    def answers(index):
        network.eval()
        with torch.inference_mode():
            return torch.softmax(network(pixels[index]), 1).numpy()

    history, kept, best = [], None, -1.0
    for epoch in range(1, plan.epochs + 1):
        network.train()
        for batch in np.array_split(generator.permutation(train), steps):
            seen = pixels[batch]
            if plan.augmented:
                seen = torch.roll(seen, tuple(generator.integers(-2, 3, 2).tolist()), (2, 3))
            loss = functional.cross_entropy(network(seen), torch.from_numpy(truth[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        looked_at = train[:500]
        scores = answers(looked_at), answers(validation)
        values = [TASK.headline_value(scores[0], truth[looked_at]), TASK.headline_value(scores[1], truth[validation])]
        losses = [mean_log_loss(scores[0], truth[looked_at]), mean_log_loss(scores[1], truth[validation])]
        history.append(EpochRecord(epoch, epoch * steps, 0.0, plan.rate, loss.item(), *values, *losses))
        if values[1] > best:
            best, kept = values[1], scores
    constant = TASK.baseline_scores(truth[train], truth[validation], tuple(range(classes)))
    baseline = headline_estimate(TASK, constant, truth[validation])
    context = FitContext(
        images=plan.images,
        validation_images=300,
        classes=classes,
        parameters=sum(one.numel() for one in network.parameters()),
        epochs=plan.epochs,
        epochs_planned=plan.epochs,
        augmented=plan.augmented,
    )
    verdict = judge_fit(
        TASK,
        history,
        headline_estimate(TASK, kept[0], truth[train[:500]]),
        headline_estimate(TASK, kept[1], truth[validation]),
        baseline,
        context=context,
    )
    live = [
        live_verdict(history[:end], baseline=baseline.value, validation_images=300) for end in range(len(history) + 1)
    ]
    return verdict, live


def mean_log_loss(scores, truth):
    return float(-np.log(np.clip(scores[np.arange(len(truth)), truth], 1e-7, 1)).mean())


def real(*values):
    return pytest.param(*values, marks=pytest.mark.real, id=f"{values[1]}-{values[0]}")


def quick(*values):
    return pytest.param(*values, id=f"{values[1]}-{values[0]}")


def quick_early(plan):
    return pytest.param(plan, id=str(plan))


def real_early(plan):
    return pytest.param(plan, marks=pytest.mark.real, id=str(plan))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "plan"),
    [
        quick("underfit", Plan("digits", 1200, too_small(2), 8)),
        quick("underfit", Plan("stripes", 800, too_small(1), 10)),
        quick("underfit", Plan("digits", 300, fair(4), 3, rate=0.001)),
        real("underfit", Plan("mnist", 1500, too_small(2), 5)),
        real("underfit", Plan("signs", 1500, fair(4), 3, rate=0.0003)),
        real("underfit", Plan("pneumonia", 1500, too_small(1), 5, rate=0.003)),
        quick("overfit", Plan("digits", 60, fair(16), 20)),
        quick("overfit", Plan("digits", 100, fair(16), 15)),
        real("overfit", Plan("signs", 80, fair(16), 20)),
        real("overfit", Plan("mnist", 60, fair(16), 20)),
        real("overfit", Plan("signs", 150, fair(16), 20)),
        quick("overfit", Plan("noisy stripes", 80, fair(16), 20)),
        real("overfit", Plan("pneumonia", 40, fair(32), 30)),
        quick("balanced", Plan("digits", 1400, fair(16), 8, augmented=True)),
        quick("balanced", Plan("stripes", 850, fair(16), 8, augmented=True)),
        real("balanced", Plan("mnist", 2500, fair(16), 5, augmented=True)),
        real("balanced", Plan("signs", 1600, fair(16), 15, augmented=True)),
        real("balanced", Plan("pneumonia", 2500, fair(8), 6, augmented=True)),
    ],
)
def test_verdict_on_a_trained_network(state, plan):
    verdict, live = trained(plan)
    assert verdict.state == state, verdict.evidence
    assert live[:3] == ["too early"] * 3
    expected = {
        "underfit": ("underfit so far", "still learning"),
        "overfit": ("overfitting",),
        "balanced": ("balanced so far", "still learning"),
    }
    assert live[-1] in expected[state]


@pytest.mark.parametrize(
    "plan",
    [
        quick_early(Plan("digits", 1400, fair(16), 1)),
        quick_early(Plan("digits", 60, too_small(2), 1)),
        quick_early(Plan("stripes", 850, fair(16), 2)),
        real_early(Plan("mnist", 2500, fair(16), 2, augmented=True)),
        real_early(Plan("signs", 80, fair(16), 2)),
        real_early(Plan("signs", 1600, fair(16), 1)),
    ],
)
def test_one_epoch_or_two_are_too_early_whatever_they_give(plan):
    verdict, live = trained(plan)
    assert verdict.state == "too early"
    assert f"measured {'once' if plan.epochs == 1 else 'twice'}" in verdict.evidence[0]
    assert set(live) == {"too early"}
