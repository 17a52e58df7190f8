"""PyTorch, eager, fp32: the network alone, and two loops over files that people write.

Variants: "alone"; "loader", a DataLoader with torchvision's transforms as in PyTorch's ImageNet example; "ultralytics",
the loop of Ultralytics' predictor: read, resize, to tensor, model, picture by picture or a batch at a time, in one
thread.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision
from exported_network import Plain, noise, pictures_of, read_pillow, time_alone, time_files
from PIL import Image
from protocol import Timing, Work, serve
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

_networks: dict[str, Plain] = {}


class Files(Dataset[torch.Tensor]):
    """Pictures as the loader reads them."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths = paths
        self.transform = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


def prepare(work: Work) -> None:
    """Loads the network and asks it once."""
    _networks["plain"] = Plain(work)
    with torch.inference_mode():
        _networks["plain"](torch.from_numpy(noise(work)).float() / 255)


@torch.inference_mode()
def run(work: Work) -> Timing:
    """One turn."""
    network = _networks["plain"]
    threads = f"{torch.get_num_threads()} threads"
    if work.variant == "alone":
        shares = torch.from_numpy(noise(work)).float() / 255
        return time_alone(lambda: network(shares), work, network.parameters_count, threads)
    loop = _by_loader if work.variant == "loader" else _by_ultralytics
    return time_files(lambda: loop(network, work), f"batches of {work.batch}, {work.workers} workers, {threads}")


def _by_loader(network: Plain, work: Work) -> int:
    answers: list[int] = []
    for shares in DataLoader(Files(pictures_of(work), work.size), work.batch, num_workers=work.workers):
        answers += network(shares).argmax(1).tolist()
    return len(answers)


def _by_ultralytics(network: Plain, work: Work) -> int:
    paths, answers = pictures_of(work), []
    for start in range(0, len(paths), work.batch):
        read = [read_pillow(path, work.size) for path in paths[start : start + work.batch]]
        shares = torch.from_numpy(np.stack(read)).float() / 255
        answers += [int(scores.softmax(0).argmax()) for scores in network(shares)]
    return len(answers)


if __name__ == "__main__":
    serve("plain PyTorch", prepare, run, {"torch": torch.__version__, "torchvision": torchvision.__version__})
