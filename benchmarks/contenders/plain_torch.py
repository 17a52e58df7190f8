"""Plain PyTorch, fp32, eager: ImageFolder, DataLoader and the loop of PyTorch's own ImageNet example."""

from __future__ import annotations

import time

import torch
import torchvision
from protocol import EpochClock, Timing, Work, serve
from torch import nn
from torch.utils.data import DataLoader
from torch_networks import build_torch_network, count_parameters
from torchvision import transforms
from torchvision.datasets import ImageFolder


def build_transform(work: Work, *, train: bool) -> transforms.Compose:
    """The augmentation that all contenders do: a random resized crop at 224, shifts by a few pixels below."""
    gray = work.net == "lenet5"
    steps: list[object] = [transforms.Grayscale()] if gray else []
    if train and work.size == 224:
        steps += [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
    elif train and work.size == 32:
        steps += [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    elif train:
        steps += [transforms.RandomCrop(28, padding=1 if work.target else 2)]
    mean, std = ([0.1307], [0.3081]) if gray else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])


def build_optimizer(network: nn.Module, work: Work) -> torch.optim.Optimizer:
    """SGD with momentum to measure speed; AdamW to reach an accuracy soon."""
    if work.target:
        return torch.optim.AdamW(network.parameters(), work.rate)
    return torch.optim.SGD(network.parameters(), work.rate, momentum=0.9, weight_decay=1e-4)


def prepare(work: Work) -> None:
    """Two steps on noise."""
    network = build_torch_network(work.net, work.size)
    optimizer = build_optimizer(network, work)
    channels = 1 if work.net == "lenet5" else 3
    images = torch.randn(work.batch, channels, work.size, work.size)
    for _ in range(2):
        train_step(network, optimizer, images, torch.zeros(work.batch, dtype=torch.int64))


def train_step(network: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, truth: torch.Tensor) -> None:
    loss = nn.functional.cross_entropy(network(images), truth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss.item()


def run(work: Work) -> Timing:
    """Trains from the files with a fresh network."""
    torch.manual_seed(work.seed)
    network = build_torch_network(work.net, work.size)
    optimizer = build_optimizer(network, work)
    began = time.perf_counter()
    pictures = ImageFolder(work.data / "train", build_transform(work, train=True))
    loader = DataLoader(pictures, work.batch, shuffle=True, num_workers=work.workers)
    read_s = time.perf_counter() - began
    steps = work.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, work.rate, total_steps=steps) if work.target else None
    clock, accuracies = EpochClock(), []
    for _ in range(work.epochs):
        network.train()
        clock.start()
        for images, truth in loader:
            train_step(network, optimizer, images, truth)
            if schedule is not None:
                schedule.step()
        clock.stop()
        if work.target:
            accuracies.append(measure_accuracy(network, work))
            if accuracies[-1] >= work.target:
                break
    images_seen = len(pictures) * len(clock.epoch_s)
    detail = f"{work.workers} workers, {torch.get_num_threads()} threads"
    return Timing(images_seen, read_s, clock.epoch_s, 0.0, accuracies, count_parameters(network), detail)


@torch.no_grad()
def measure_accuracy(network: nn.Module, work: Work) -> float:
    """Accuracy on the test split."""
    network.eval()
    pictures = ImageFolder(work.data / "test", build_transform(work, train=False))
    right = sum(int((network(images).argmax(1) == truth).sum()) for images, truth in DataLoader(pictures, 256))
    return right / len(pictures)


if __name__ == "__main__":
    serve("plain PyTorch", prepare, run, {"torch": torch.__version__, "torchvision": torchvision.__version__})
