"""Trains a tiny network for three steps, alone and on this process's share, and saves both: `gloo_worker.py FOLDER`."""

import sys
from pathlib import Path

import torch
from torch import nn

from striate.training.distribution import World, join_world, leave_world, share_batch_norms, sum_gradients


def train(world: World) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3))
    model = share_batch_norms(plain, world)
    generator = torch.Generator().manual_seed(1)
    pixels, targets = torch.randn(7, 2, 6, 6, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    bounds = [0, 7] if world.size == 1 else [0, 4, 7]
    rows = slice(bounds[world.rank], bounds[world.rank + 1])
    for _ in range(3):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels[rows]), targets[rows])
        (loss * len(targets[rows]) / len(targets)).backward()
        sum_gradients(list(model.parameters()), world)
        # One of torch's optimizers would load its compiler, which takes longer than all the rest.
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 0.3 * weight.grad
    return model.state_dict()


if __name__ == "__main__":
    torch.set_num_threads(1)
    joined = join_world()
    for world in (World(), joined):
        torch.save(train(world), Path(sys.argv[1]) / f"{joined.rank}-of-{world.size}.pt")
    leave_world(joined)
