"""What every registered head must satisfy, on backbones of three strides and of fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.networks import NetworkOptions, resolve_network
from striate.networks.heads import HEADS, HeadInfo
from striate.networks.heads.truth import BoxBatch, InstanceBatch
from striate.structures import Placement, Ragged
from striate.tasks import TASKS, LossSettings
from striate.tasks.base import View

pytestmark = pytest.mark.usefixtures("narrow_heads")

SIZE = (28, 36)
BACKBONES = ("lenet5", "resnet20")
CLASSES = 2
STEPS = 8


def numbers() -> Tensor:
    """Two pictures with a bright and a dark object each, by number; one of the second picture is not there."""
    planes = torch.zeros(2, *SIZE, dtype=torch.int32)
    planes[0, 3:15, 2:14], planes[0, 14:26, 18:32], planes[1, 8:22, 8:20] = 1, 2, 1
    return planes


def pixels() -> Tensor:
    shown = numbers()[:, None]
    return torch.where(shown == 1, 1.0, torch.where(shown == 2, -1.0, 0.1)).expand(-1, 3, -1, -1).clone()


def boxes() -> BoxBatch:
    places = torch.tensor([[[2, 3, 14, 15], [18, 14, 32, 26.0]], [[8, 8, 20, 22], [0, 0, 0, 0]]])
    return BoxBatch(places, torch.tensor([[0, 1], [0, -1]]), torch.zeros(2, 2, dtype=torch.bool))


TRUTHS: dict[str, Callable[[], Any]] = {
    "segmentation": lambda: numbers().clamp_max(1).to(torch.uint8),
    "detection": boxes,
    "instances": lambda: InstanceBatch(numbers(), torch.tensor([[0, 1], [0, -1]])),
}


def options(info: HeadInfo) -> NetworkOptions:
    return NetworkOptions(CLASSES, 3, SIZE, head=info.name, object_sides=(8.0, 12.0, 16.0))


def build(info: HeadInfo, net: str = "lenet5", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return TASKS.get(info.task).build_network(resolve_network(net), options(info))


def loss_of(info: HeadInfo, network: nn.Module, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    output = network.train()(pixels())
    return TASKS.get(info.task).loss(output.float(), TRUTHS[info.task](), LossSettings())


def answers_of(info: HeadInfo, network: nn.Module) -> Any:
    with torch.inference_mode():
        output = network.eval()(pixels())
    placement = Placement(SIZE, SIZE, (1.0, 1.0), (0.0, 0.0))
    view = View([], [placement] * 2, TRUTHS[info.task](), exact=False)
    return TASKS.get(info.task).answers(output, view)


@pytest.fixture(params=HEADS.names())
def info(request: pytest.FixtureRequest) -> HeadInfo:
    return HEADS.get(request.param)


def test_every_task_with_places_has_a_head_of_its_own() -> None:
    for task in TASKS:
        assert bool(task.default_head) == task.spatial
        if task.spatial:
            assert HEADS.get(task.default_head).task == task.name
    assert {each.task for each in HEADS} == set(TRUTHS)


@pytest.mark.parametrize("net", BACKBONES)
def test_its_loss_is_finite_and_reaches_every_weight(info: HeadInfo, net: str) -> None:
    network = build(info, net)
    loss = loss_of(info, network)
    assert loss.shape == ()
    assert bool(loss.isfinite())
    loss.backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert idle == []
    assert all(bool(weight.grad.isfinite().all()) for weight in network.parameters())


def test_its_loss_falls_on_a_few_scenes(info: HeadInfo) -> None:
    network = build(info, "resnet20")
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for step in range(STEPS):
        loss = loss_of(info, network, seed=step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-2:]) < 0.95 * losses[0]


def test_a_seed_decides_what_is_sampled(info: HeadInfo) -> None:
    network = build(info)
    assert loss_of(info, network).item() == loss_of(info, network).item()


def test_objects_lie_in_the_picture_and_scores_are_shares(info: HeadInfo) -> None:
    found = answers_of(info, build(info))
    assert len(found) == 2
    if isinstance(found, Ragged):
        height, width = SIZE
        boxes_xyxy, scores = found.values["boxes_xyxy"], found.values["scores"]
        assert bool((boxes_xyxy >= 0).all())
        assert bool((boxes_xyxy <= [width, height, width, height]).all())
        assert bool(((scores >= 0) & (scores <= 1)).all())
        assert set(found.values["classes"].tolist()) <= set(range(CLASSES))


def test_how_sure_it_is_comes_by_picture(info: HeadInfo) -> None:
    network = build(info).eval()
    with torch.no_grad():
        scores = TASKS.get(info.task).scores(network(pixels()))
    assert len(scores) == 2
    assert scores.dtype == torch.float32
    assert bool(((scores >= 0) & (scores <= 1)).all())


def test_its_weights_answer_alike_in_a_network_built_anew(info: HeadInfo) -> None:
    first, second = build(info), build(info, seed=1)
    loss_of(info, first)
    second.load_state_dict(first.state_dict())
    one, other = answers_of(info, first), answers_of(info, second)
    if isinstance(one, Ragged):
        assert one.lengths.tolist() == other.lengths.tolist()
        assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)
    else:
        assert np.array_equal(one, other)


def test_it_computes_in_bfloat16(info: HeadInfo) -> None:
    network = build(info)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network.train().to(memory_format=torch.channels_last)(pixels())
    assert bool(TASKS.get(info.task).loss(output.float(), TRUTHS[info.task](), LossSettings()).isfinite())
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = network.eval()(pixels())
    view = View([], [Placement(SIZE, SIZE, (1.0, 1.0), (0.0, 0.0))] * 2, TRUTHS[info.task](), exact=False)
    assert len(TASKS.get(info.task).answers(output, view)) == 2


def test_pictures_without_objects_have_a_loss(info: HeadInfo) -> None:
    empty = {
        "segmentation": torch.zeros(2, *SIZE, dtype=torch.uint8),
        "detection": BoxBatch(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0).bool()),
        "instances": InstanceBatch(torch.zeros(2, *SIZE, dtype=torch.int32), torch.zeros(2, 0, dtype=torch.int64)),
    }
    network = build(info).train()
    loss = TASKS.get(info.task).loss(network(pixels()).float(), empty[info.task], LossSettings())
    assert bool(loss.isfinite())
    loss.backward()
    # Processes that train together sum gradients weight by weight: all must have one for the same weights.
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []
