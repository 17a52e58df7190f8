"""Several processes, one run: PyTorch's own launcher and collectives.

`torchrun --nproc-per-node 2 -m striate train DATA` starts the processes; each takes its share of every batch, and
gradients are summed. Batch normalisation uses the statistics of the whole batch, so two processes give what one
would, within rounding. (torch's SyncBatchNorm does that on CUDA only; `SharedBatchNorm` does it everywhere.)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a run.

    Attributes:
        rank: This process, from 0.
        size: Number of processes.
        local_rank: This process among those of its machine; the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0


def join_world() -> World:
    """Joins the processes that torchrun started; a world of one where it did not."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return World()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return World(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))


def leave_world(world: World) -> None:
    """Leaves the process group."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()


def sum_gradients(parameters: list[nn.Parameter], world: World) -> None:
    """Sums gradients over all processes, in one message. Losses must be scaled by each process's share before."""
    if world.size == 1:
        return
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def sum_numbers(values: list[float], world: World, device: torch.device) -> list[float]:
    """Sums a few numbers over all processes."""
    if world.size == 1:
        return values
    total = torch.tensor(values, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    dist.all_reduce(total)
    return [float(value) for value in total.tolist()]


def share_object(value: Any, world: World) -> Any:
    """The leading process's value, in every process."""
    if world.size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gather_objects(value: Any, world: World) -> list[Any]:
    """The values of all processes, by rank, in every process."""
    if world.size == 1:
        return [value]
    box: list[Any] = [None] * world.size
    dist.all_gather_object(box, value)
    return box


def share_weights(network: nn.Module, world: World) -> None:
    """Gives every process the leading one's weights."""
    if world.size > 1:
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)


class _SumOverWorld(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004 - the signature is torch's
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004 - the signature is torch's
        # Every process's result depends on every process's input, so the gradients add up as well.
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) with the statistics of the whole batch of all processes.

    State-dict keys equal `torch.nn.BatchNorm2d`'s.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises `(n, C, H, W)`; in evaluation mode as `BatchNorm2d` does."""
        if not self.training or not self.track_running_stats:
            return super().forward(x)
        values = x.float()
        count = torch.tensor([values.numel() / values.shape[1]], device=x.device)
        sums = torch.cat([values.sum(dim=(0, 2, 3)), count])
        total = _sum_over_world(sums)
        mean = total[:-1] / total[-1]
        centred = values - mean.view(1, -1, 1, 1)
        variance = _sum_over_world(centred.square().sum(dim=(0, 2, 3))) / total[-1]
        self._remember(mean.detach(), variance.detach(), float(total[-1].detach()))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shaped = centred * scale.view(1, -1, 1, 1)
        return (shaped if self.bias is None else shaped + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: float) -> None:
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1.0 / float(self.num_batches_tracked or 1)
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.lerp_(mean, momentum)
            # torch keeps the unbiased variance.
            self.running_var.lerp_(variance * (count / max(1.0, count - 1)), momentum)


def _sum_over_world(tensor: Tensor) -> Tensor:
    result: Tensor = _SumOverWorld.apply(tensor)
    return result


def share_batch_norms(network: nn.Module, world: World) -> nn.Module:
    """Replaces every batch normalisation by a `SharedBatchNorm` where there are several processes.

    Layers that subclass BatchNorm2d and also activate (timm's) are refused by torch's own converter too; here their
    activation is kept after the shared normalisation.
    """
    if world.size == 1:
        return network
    for name, module in list(network.named_children()):
        if isinstance(module, nn.BatchNorm2d) and not isinstance(module, SharedBatchNorm):
            shared = SharedBatchNorm(module.num_features, module.eps, module.momentum, module.affine)
            shared.load_state_dict(module.state_dict(), strict=False)
            shared.train(module.training)
            after = [part for part in (getattr(module, "drop", None), getattr(module, "act", None)) if part is not None]
            network.add_module(name, _keep_keys(shared, after))
        else:
            share_batch_norms(module, world)
    return network


def _keep_keys(shared: SharedBatchNorm, after: list[nn.Module]) -> nn.Module:
    if not after:
        return shared
    for index, module in enumerate(after):
        # Activations hold no weights, so the state-dict keys stay those of the batch normalisation.
        shared.add_module(f"after{index}", module)
    shared.register_forward_hook(_apply_after)
    return shared


def _apply_after(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:  # noqa: ARG001 - the signature is torch's
    for child in module.children():
        output = child(output)
    return output
